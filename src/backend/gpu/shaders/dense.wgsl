// y = f(x · kernel + bias), and dropout of y. The first of a net reads x straight from the data set.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> kernel: array<Element>;
@group(0) @binding(4) var<storage, read> bias: array<Element>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
// Before the activation, where its derivative reads that.
@group(0) @binding(6) var<storage, read_write> z: array<Element>;
@group(0) @binding(7) var<storage, read_write> y: array<Element>;
@group(0) @binding(8) var<storage, read_write> dropped: array<Element>;

fn rows() -> u32 {
    return batch_rows();
}

fn depth() -> u32 {
    return shape.depth;
}

fn columns() -> u32 {
    return shape.columns;
}

fn a_line(row: u32) -> u32 {
    var from_row = row;
    if (GATHER) {
        from_row = order[now.first + row / shape.per_sample] * shape.per_sample + row % shape.per_sample;
    }
    return from_row * shape.depth;
}

fn a_at(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]);
}

fn b_across(k: u32, column: u32) -> vec4<f32> {
    let from_column = within(column);
    return get_kernel(k * shape.columns + from_column, shape.columns - from_column);
}

fn start(column: u32) -> vec4<f32> {
    if (!BIAS) {
        return vec4<f32>(0.0f);
    }
    let from_column = within(column);
    return get_bias(from_column, shape.columns - from_column);
}

fn store_row(row: u32, column: u32, sums: vec4<f32>, mask: vec4<f32>) {
    if (row >= rows()) {
        return;
    }
    let at = row * shape.columns + column;
    let left = shape.columns - column;
    if (KEEP_INPUT) {
        put_z(at, left, sums);
    }
    let value = vec4<f32>(activate(sums.x), activate(sums.y), activate(sums.z), activate(sums.w));
    put_y(at, left, value);
    if (DROPOUT) {
        put_dropped(at, left, value * mask);
    }
}
