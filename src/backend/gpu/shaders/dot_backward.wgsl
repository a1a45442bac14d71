// The gradient of one side of dot.wgsl: dx (+)= dz · y, or with SECOND dy (+)= dzᵀ · x. `more` is this side's rows, the other's,
// k; `columns` this side's numbers of a sample.

@group(0) @binding(2) var<storage, read> other: array<f32>;
@group(0) @binding(3) var<storage, read> dz: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let own = shape.more.x;
    let others = shape.more.y;
    let k = shape.more.z;
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let sample = at / shape.columns;
        let row = at % shape.columns / k;
        let column = at % k;
        var sum = 0.0f;
        for (var j = 0u; j < others; j++) {
            let place = select(row * others + j, j * own + row, SECOND);
            sum = fma(dz[sample * own * others + place], other[(sample * others + j) * k + column], sum);
        }
        dx[at] = select(sum, dx[at] + sum, ACCUMULATE);
    }
}
