// dkernel = xᵀ · dy, with the bias's gradient as one more row (of an x that is 1), and the optimizer's rule over both at
// once; or, where the rule needs the whole gradient first, the gradient into memory. `amounts` are the penalties l1 and l2 of
// kernel and bias. `update` comes from the rule.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
// The variables, or their gradients.
@group(0) @binding(5) var<storage, read_write> kernel: array<f32>;
@group(0) @binding(6) var<storage, read_write> kernel_slots: array<f32>;
@group(0) @binding(7) var<storage, read_write> bias: array<f32>;
@group(0) @binding(8) var<storage, read_write> bias_slots: array<f32>;

// Here `shape.depth` is the kernel's rows; the sum runs over the batch.
fn rows() -> u32 {
    return shape.depth + select(0u, 1u, BIAS);
}

fn depth() -> u32 {
    return batch_rows();
}

fn columns() -> u32 {
    return shape.columns;
}

fn load_a(row: u32, k: u32) -> f32 {
    if (row == shape.depth) {
        return 1.0f;
    }
    var from_row = k;
    if (GATHER) {
        from_row = order[now.first + k / shape.per_sample] * shape.per_sample + k % shape.per_sample;
    }
    return x[from_row * shape.depth + row];
}

fn load_b(k: u32, column: u32) -> f32 {
    return dy[k * shape.columns + column];
}

fn start(column: u32) -> f32 {
    return 0.0f;
}

fn store_kernel(at: u32, gradient: f32) {
    if (!UPDATE) {
        kernel[at] = select(gradient, kernel[at] + gradient, adds(ACCUMULATE));
        return;
    }
    let count = shape.depth * shape.columns;
    var s = vec4<f32>(0.0f);
    for (var i = 0u; i < SLOTS; i++) {
        s[i] = kernel_slots[i * count + at];
    }
    rule_from = shape.rule.x;
    let before = kernel[at];
    let after = update(before, gradient + penalty_slope(before, shape.amounts.xy), s);
    kernel[at] = settled(after);
    for (var i = 0u; i < SLOTS; i++) {
        kernel_slots[i * count + at] = after.s[i];
    }
}

fn store_bias(at: u32, gradient: f32) {
    if (!UPDATE) {
        bias[at] = select(gradient, bias[at] + gradient, adds(ACCUMULATE));
        return;
    }
    let count = shape.columns;
    var s = vec4<f32>(0.0f);
    for (var i = 0u; i < SLOTS; i++) {
        s[i] = bias_slots[i * count + at];
    }
    rule_from = shape.rule.y;
    let before = bias[at];
    let after = update(before, gradient + penalty_slope(before, shape.amounts.zw), s);
    bias[at] = settled(after);
    for (var i = 0u; i < SLOTS; i++) {
        bias_slots[i * count + at] = after.s[i];
    }
}

fn store(row: u32, column: u32, sums: vec4<f32>) {
    for (var i = 0u; i < 4u && row + i < rows(); i++) {
        if (row + i == shape.depth) {
            store_bias(column, sums[i]);
        } else if (KERNEL) {
            store_kernel((row + i) * shape.columns + column, sums[i]);
        }
    }
}
