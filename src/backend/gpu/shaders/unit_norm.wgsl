// y = x·r for each row, r = 1/√max(Σx², ε); with BACK y (+)= r·(dy − x·r²·Σ(x·dy)), or r·dy where Σx² ≤ ε. `amounts.x` is ε.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

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
        var square = 0.0f;
        var product = 0.0f;
        for (var at = first + lane; at < first + n; at += LANES) {
            square += x[at] * x[at];
            if (BACK) {
                product += x[at] * dy[at];
            }
        }
        square = joined(square);
        product = joined(product);
        let held = square <= shape.amounts.x;
        let factor = 1.0f / sqrt(select(square, shape.amounts.x, held));
        let slope = select(product * factor * factor, 0.0f, held);
        for (var at = first + lane; at < first + n; at += LANES) {
            if (BACK) {
                let value = factor * (dy[at] - x[at] * slope);
                y[at] = select(value, y[at] + value, ACCUMULATE);
            } else {
                y[at] = factor * x[at];
            }
        }
    }
}
