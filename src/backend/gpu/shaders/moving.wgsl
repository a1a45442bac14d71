// The moving statistics of a batch normalization: moving·momentum + batch·(1 − momentum). `saved` has the batch's means, factors
// and variances; `amounts` are the two factors.

@group(0) @binding(2) var<storage, read> saved: array<f32>;
@group(0) @binding(3) var<storage, read_write> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> variance: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        mean[at] = mean[at] * shape.amounts.x + saved[at] * shape.amounts.y;
        variance[at] = variance[at] * shape.amounts.x + saved[2u * shape.columns + at] * shape.amounts.y;
    }
}
