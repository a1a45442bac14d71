// y = f(x · kernel + bias), and dropout of y. The first of a net reads x straight from the data set.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> kernel: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
// Before the activation, where its derivative reads that.
@group(0) @binding(6) var<storage, read_write> z: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<storage, read_write> dropped: array<f32>;

fn rows() -> u32 {
    return batch_rows();
}

fn depth() -> u32 {
    return shape.depth;
}

fn columns() -> u32 {
    return shape.columns;
}

fn load_a(row: u32, k: u32) -> f32 {
    var from_row = row;
    if (GATHER) {
        from_row = order[now.first + row / shape.per_sample] * shape.per_sample + row % shape.per_sample;
    }
    return x[from_row * shape.depth + k];
}

fn load_b(k: u32, column: u32) -> f32 {
    return kernel[k * shape.columns + column];
}

fn start(column: u32) -> f32 {
    if (BIAS && column < shape.columns) {
        return bias[column];
    }
    return 0.0f;
}

fn store(row: u32, column: u32, sums: vec4<f32>) {
    let mask = masks(row, column);
    for (var i = 0u; i < 4u && row + i < rows(); i++) {
        let at = (row + i) * shape.columns + column;
        if (KEEP_INPUT) {
            z[at] = sums[i];
        }
        let value = activate(sums[i]);
        y[at] = value;
        if (DROPOUT) {
            dropped[at] = value * mask[i];
        }
    }
}
