// The sum of squares of one variable, or of its gradient, in one workgroup and one order; `extra` is its place.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> norms: array<f32>;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) index: u32) {
    var sum = 0.0f;
    for (var at = index; at < shape.columns; at += 256u) {
        sum += x[at] * x[at];
    }
    sums[index] = sum;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (index < half) {
            sums[index] += sums[index + half];
        }
    }
    if (index == 0u) {
        norms[shape.extra] = sums[0];
    }
}
