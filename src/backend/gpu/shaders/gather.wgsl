// The batch out of the data set, for whoever cannot read it there: not the first product, which does.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let size = shape.per_sample * shape.columns;
    for (var at = id.x; at < now.samples * size; at += groups.x * 64u) {
        y[at] = x[order[now.first + at / size] * size + at % size];
    }
}
