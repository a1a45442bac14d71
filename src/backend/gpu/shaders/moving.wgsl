// A moving statistic: moving·momentum + batch·(1 − momentum). The batch's begins at number `extra` of `saved`; `amounts` are the
// two factors.

@group(0) @binding(2) var<storage, read> saved: array<f32>;
@group(0) @binding(3) var<storage, read_write> moving: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        moving[at] = moving[at] * shape.amounts.x + saved[shape.extra + at] * shape.amounts.y;
    }
}
