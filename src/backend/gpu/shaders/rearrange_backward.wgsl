// Each element of dx (+)= the sum of what was made of it, from the first to the last: element i of a sample became those of
// `made` from starts[i] to starts[i + 1]. Samples of dx have `columns` elements, those of dy `depth`.

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read> made: array<u32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let sample = at / shape.columns;
        let element = at % shape.columns;
        var sum = select(0.0f, dx[at], ACCUMULATE);
        for (var i = starts[element]; i < starts[element + 1u]; i++) {
            sum += dy[sample * shape.depth + made[i]];
        }
        dx[at] = sum;
    }
}
