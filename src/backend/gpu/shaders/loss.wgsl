// Loss, its gradient and the metrics, each row by LANES invocations. Sums over the rows of a workgroup go to the step's slot,
// for the host to add up in double precision. `more.y` is the number of the output. `loss` and `metrics` come from the loss and the metrics.

// Predictions; with a fused head logits, which become probabilities.
@group(0) @binding(2) var<storage, read_write> p: array<f32>;
@group(0) @binding(3) var<storage, read> wanted: array<f32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read_write> dp: array<f32>;
@group(0) @binding(7) var<storage, read_write> results: array<f32>;

// The weighted loss and the metrics of each row.
var<workgroup> values: array<f32, VALUES>;

// The target of column `j` as a number; `from` is its row in the data set.
fn number(from_row: u32, j: u32) -> f32 {
    if (CLASS) {
        return wanted[from_row];
    }
    return wanted[from_row * shape.columns + j];
}

// The target of column `j` as a probability.
fn probability(from_row: u32, j: u32) -> f32 {
    if (CLASS) {
        return select(0.0f, 1.0f, wanted[from_row] == f32(j));
    }
    return wanted[from_row * shape.columns + j];
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let number_of_group = group.y * MAX_GROUPS + group.x;
    let row = begin_rows(number_of_group, index);
    if (number_of_group * (64u / LANES) >= batch_rows()) {
        return;
    }
    for (var i = 0u; i < QUANTITIES; i++) {
        values[index * QUANTITIES + i] = 0.0f;
    }
    if (row < batch_rows()) {
        let sample = order[now.first + row / shape.per_sample];
        let from_row = sample * shape.per_sample + row % shape.per_sample;
        let weight = weights[sample];
        let scale = now.scales[shape.more.y / 4u][shape.more.y % 4u];
        values[index * QUANTITIES] = weight * loss(row, from_row, weight * scale, GRADIENT);
        metrics(row, from_row, weight, index * QUANTITIES + 1u);
    }
    workgroupBarrier();
    if (index < QUANTITIES) {
        var sum = 0.0f;
        for (var i = 0u; i < 64u / LANES; i++) {
            sum += values[i * QUANTITIES + index];
        }
        results[result_place() + number_of_group * QUANTITIES + index] = sum;
    }
}
