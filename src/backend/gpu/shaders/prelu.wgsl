// x where positive, αx elsewhere; element e of a sample has element map[e] of alpha. With BACK y (+)= dy·slope, which at 0 is 0.
// `columns` are the elements of a sample.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> map: array<u32>;
@group(0) @binding(4) var<storage, read> alpha: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let a = alpha[map[at % shape.columns]];
        if (BACK) {
            let value = dy[at] * select(select(0.0f, a, x[at] < 0.0f), 1.0f, x[at] > 0.0f);
            y[at] = select(value, y[at] + value, ACCUMULATE);
        } else {
            y[at] = select(a * x[at], x[at], x[at] > 0.0f);
        }
    }
}
