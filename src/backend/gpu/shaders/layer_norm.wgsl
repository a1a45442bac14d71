// y = γ·(x − shift)·r + β for each row, r = 1/√(mean (x − centre)² + ε). MOMENTS: 0 the mean is shift and centre, 1 neither,
// 2 centre alone. Mean and r of each row go to `saved`. `amounts.x` is ε.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> beta: array<f32>;
@group(0) @binding(5) var<storage, read_write> saved: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let first_row = begin_rows(group.x, index);
    let n = shape.columns;
    for (var row = first_row; row < batch_rows(); row += rows_apart(groups.x)) {
        let first = row * n;
        var sum = 0.0f;
        for (var j = lane; j < n; j += LANES) {
            sum += x[first + j];
        }
        let mean = joined(sum) / f32(n);
        let shift = select(0.0f, mean, MOMENTS == 0u);
        let centre = select(mean, 0.0f, MOMENTS == 1u);
        var square = 0.0f;
        for (var j = lane; j < n; j += LANES) {
            let d = x[first + j] - centre;
            square += d * d;
        }
        let factor = 1.0f / sqrt(joined(square) / f32(n) + shape.amounts.x);
        for (var j = lane; j < n; j += LANES) {
            var value = (x[first + j] - shift) * factor;
            if (GAMMA) {
                value *= gamma[j];
            }
            if (BETA) {
                value += beta[j];
            }
            y[first + j] = value;
        }
        if (lane == 0u) {
            saved[2u * row] = mean;
            saved[2u * row + 1u] = factor;
        }
    }
}
