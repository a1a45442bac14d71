// The penalty l1·Σ|w| + l2·Σw² of one variable, in one workgroup and one order. `amounts` are l1 and l2.

@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> results: array<f32>;

var<workgroup> sums: array<vec2<f32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) index: u32) {
    var sum = vec2<f32>(0.0f);
    for (var at = index; at < shape.columns; at += 256u) {
        sum += vec2<f32>(abs(w[at]), w[at] * w[at]);
    }
    sums[index] = sum;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (index < half) {
            sums[index] += sums[index + half];
        }
    }
    if (index == 0u) {
        results[result_place()] = shape.amounts.x * sums[0].x + shape.amounts.y * sums[0].y;
    }
}
