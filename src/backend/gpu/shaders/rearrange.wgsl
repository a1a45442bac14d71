// Element e of each sample of y is element map[e] of x's; samples have `columns` and `depth` elements.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> map: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        y[at] = x[at / shape.columns * shape.depth + map[at % shape.columns]];
    }
}
