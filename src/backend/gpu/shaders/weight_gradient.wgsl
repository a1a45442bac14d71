// dkernel = xᵀ · dy, with the bias's gradient as one more row (of an x that is 1), and the optimizer's rule over both at
// once; or, where the rule needs the whole gradient first, the gradient into memory. `amounts` are the penalties l1 and l2 of
// kernel and bias. `update` comes from the rule.

@group(0) @binding(2) var<storage, read> x: array<Feature>;
@group(0) @binding(3) var<storage, read> dy: array<Element>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
// The variables, or their gradients.
@group(0) @binding(5) var<storage, read_write> kernel: array<Element>;
@group(0) @binding(6) var<storage, read_write> kernel_slots: array<Element>;
@group(0) @binding(7) var<storage, read_write> bias: array<Element>;
@group(0) @binding(8) var<storage, read_write> bias_slots: array<Element>;

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

fn a_across(k: u32, row: u32) -> vec4<f32> {
    var from_row = k;
    if (GATHER) {
        from_row = order[now.first + k / shape.per_sample] * shape.per_sample + k % shape.per_sample;
    }
    let feature = min(row, (shape.depth - 1u) / 4u * 4u);
    let features = get_x(from_row * shape.depth + feature, shape.depth - feature);
    if (!BIAS) {
        return features;
    }
    return select(features, vec4<f32>(1.0f), vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(shape.depth));
}

fn b_across(k: u32, column: u32) -> vec4<f32> {
    let from_column = within(column);
    return get_dy(k * shape.columns + from_column, shape.columns - from_column);
}

fn start(column: u32) -> vec4<f32> {
    return vec4<f32>(0.0f);
}

struct Four {
    w: vec4<f32>,
    // A column a slot.
    s: mat4x4<f32>,
}

fn update_four(w: vec4<f32>, gradient: vec4<f32>, s: mat4x4<f32>, penalty: vec2<f32>) -> Four {
    let t = transpose(s);
    let a = update(w.x, gradient.x + penalty_slope(w.x, penalty), t[0]);
    let b = update(w.y, gradient.y + penalty_slope(w.y, penalty), t[1]);
    let c = update(w.z, gradient.z + penalty_slope(w.z, penalty), t[2]);
    let d = update(w.w, gradient.w + penalty_slope(w.w, penalty), t[3]);
    let weights = vec4<f32>(settled(a), settled(b), settled(c), settled(d));
    return Four(weights, transpose(mat4x4<f32>(a.s, b.s, c.s, d.s)));
}

STORES
fn store_row(row: u32, column: u32, sums: vec4<f32>) {
    if (row >= rows()) {
        return;
    }
    let left = shape.columns - column;
    if (row == shape.depth) {
        store_bias(column, left, sums);
    } else if (KERNEL) {
        store_kernel(row * shape.columns + column, left, sums);
    }
}

fn store(row: u32, column: u32, sums: mat4x4<f32>) {
    if (column >= columns()) {
        return;
    }
    // A loop, so that the driver has the rule's text to compile but once.
    var own = sums;
    for (var i = 0u; i < 4u; i++) {
        store_row(row + i, column, own[i]);
    }
}
