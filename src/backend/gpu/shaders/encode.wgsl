// The `depth` categories of each row as a row of `columns` numbers. ENCODING: 0 one-hot, 1 multi-hot, which alone cuts off
// fractions, 2 how often each occurs. What is no category counts for nothing.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var row = id.x; row < batch_rows(); row += groups.x * 64u) {
        let first = row * shape.columns;
        for (var j = 0u; j < shape.columns; j++) {
            y[first + j] = 0.0f;
        }
        for (var j = 0u; j < shape.depth; j++) {
            var category = x[row * shape.depth + j];
            if (ENCODING == 1u) {
                category = trunc(category);
            }
            if (category >= 0.0f && category < f32(shape.columns) && category == floor(category)) {
                let at = first + u32(category);
                y[at] = select(1.0f, y[at] + 1.0f, ENCODING == 2u);
            }
        }
    }
}
