// Zeros, but where a gradient goes on with those of the steps before.

@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    if (adds(ACCUMULATE)) {
        return;
    }
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        y[at] = 0.0f;
    }
}
