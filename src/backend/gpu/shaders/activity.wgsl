// The penalty l1·Σ|x| + l2·Σx² of a tensor, one sample an invocation, summed over the 64 samples of a workgroup.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> results: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    var sum = vec2<f32>(0.0f);
    if (id.x < now.samples) {
        let size = shape.per_sample * shape.columns;
        for (var at = id.x * size; at < (id.x + 1u) * size; at++) {
            sum += vec2<f32>(abs(x[at]), x[at] * x[at]);
        }
    }
    sums[index] = shape.amounts.x * sum.x + shape.amounts.y * sum.y;
    workgroupBarrier();
    if (index == 0u) {
        var all = 0.0f;
        for (var i = 0u; i < 64u; i++) {
            all += sums[i];
        }
        results[result_place() + group.x] = all;
    }
}
