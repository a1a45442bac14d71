// A constraint on one variable. Weights that share a norm are `more.y` of them, `more.z` apart; a workgroup scales one such group,
// its norm summed in one order. `factor` comes from the constraint; ELEMENTWISE: nothing below 0 instead.

@group(0) @binding(2) var<storage, read_write> w: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    if (ELEMENTWISE) {
        for (var at = id.x; at < shape.columns; at += groups.x * 64u) {
            // The order keeps a NaN.
            w[at] = select(w[at], 0.0f, w[at] < 0.0f);
        }
        return;
    }
    for (var g = group.x; g < shape.more.x * shape.more.z; g += groups.x) {
        let first = g / shape.more.z * shape.more.y * shape.more.z + g % shape.more.z;
        var sum = 0.0f;
        for (var i = index; i < shape.more.y; i += 64u) {
            let x = w[first + i * shape.more.z];
            sum += x * x;
        }
        sums[index] = sum;
        workgroupBarrier();
        var square = 0.0f;
        for (var i = 0u; i < 64u; i++) {
            square += sums[i];
        }
        let scale = factor(sqrt(square));
        for (var i = index; i < shape.more.y; i += 64u) {
            w[first + i * shape.more.z] *= scale;
        }
        workgroupBarrier();
    }
}
