// dx (+)= γ·factor·(dy − m₁ − x̂·m₂), x̂ = (x − mean)·factor: the gradient of a normalization by the batch's own statistics. `saved`
// holds means and factors of the columns, `sums` Σ dy and Σ dy·x̂, which over the rows are m₁ and m₂.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> saved: array<f32>;
@group(0) @binding(4) var<storage, read> sums: array<f32>;
@group(0) @binding(5) var<storage, read> gamma: array<f32>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rows = f32(batch_rows());
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let column = at % shape.columns;
        let factor = saved[shape.columns + column];
        let normal = (x[at] - saved[column]) * factor;
        var scale = factor;
        if (GAMMA) {
            scale *= gamma[column];
        }
        let value = scale * (dy[at] - sums[column] / rows - normal * (sums[shape.columns + column] / rows));
        dx[at] = select(value, dx[at] + value, ACCUMULATE);
    }
}
