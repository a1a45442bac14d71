// Sums of each column over the rows of the batch: sixteen columns a workgroup, sixteen invocations a column, whose sums are
// added in one order. FORM: 0 mean, 1/√(variance + ε) and variance of x; 1 Σ dy and Σ dy·(x − mean)·factor with mean and
// factor of each column in `saved`; 2 the same with those of each row. `amounts.x` is ε, SHIFT whether a mean is taken off.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> saved: array<f32>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;

var<workgroup> parts: array<vec2<f32>, 256>;

fn term(row: u32, column: u32, mean: f32) -> vec2<f32> {
    let at = row * shape.columns + column;
    if (FORM == 0u) {
        let away = x[at] - mean;
        return vec2<f32>(away, away * away);
    }
    var shift = saved[select(2u * row, column, FORM == 1u)];
    if (!SHIFT) {
        shift = 0.0f;
    }
    let factor = saved[select(2u * row + 1u, shape.columns + column, FORM == 1u)];
    return vec2<f32>(dy[at], dy[at] * ((x[at] - shift) * factor));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let column = group.x * 16u + index % 16u;
    var mean = 0.0f;
    var total = vec2<f32>(0.0f);
    // The first pass over x finds its mean, the second the squares around it.
    for (var pass_ = 0u; pass_ < select(1u, 2u, FORM == 0u); pass_++) {
        var sum = vec2<f32>(0.0f);
        if (column < shape.columns) {
            for (var row = index / 16u; row < batch_rows(); row += 16u) {
                sum += term(row, column, mean);
            }
        }
        parts[index] = sum;
        workgroupBarrier();
        total = vec2<f32>(0.0f);
        for (var i = 0u; i < 16u; i++) {
            total += parts[i * 16u + index % 16u];
        }
        workgroupBarrier();
        if (FORM == 0u) {
            // In the second pass a correction for the rounding of the first.
            mean += total.x / f32(batch_rows());
        }
    }
    if (index >= 16u || column >= shape.columns) {
        return;
    }
    if (FORM == 0u) {
        let variance = total.y / f32(batch_rows());
        sums[column] = mean;
        sums[shape.columns + column] = 1.0f / sqrt(variance + shape.amounts.x);
        sums[2u * shape.columns + column] = variance;
    } else {
        sums[column] = total.x;
        sums[shape.columns + column] = total.y;
    }
}
