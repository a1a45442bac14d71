// gradient (+)= the gradient of a penalty l1·Σ|x| + l2·Σx² by x; of a tensor over the batch's size. `amounts` are l1 and l2.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let l = shape.amounts.xy / select(f32(now.samples), 1.0f, shape.per_sample == 0u);
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let slope = penalty_slope(x[at], l);
        gradient[at] = select(slope, gradient[at] + slope, adds(ACCUMULATE));
    }
}
