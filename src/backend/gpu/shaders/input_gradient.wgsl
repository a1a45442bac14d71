// dx = dy · kernelᵀ and, where x came out of a tail, on through its dropout and its activation: dz = dx · mask · f′.

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> kernel: array<f32>;
@group(0) @binding(4) var<storage, read> z: array<f32>;
@group(0) @binding(5) var<storage, read> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

// Here `depth` is the kernel's columns, and `columns` its rows.
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
    return dy[row * shape.depth + k];
}

fn load_b(k: u32, column: u32) -> f32 {
    return kernel[column * shape.depth + k];
}

fn start(column: u32) -> f32 {
    return 0.0f;
}

fn store(row: u32, column: u32, sums: vec4<f32>) {
    let mask = masks(row, column);
    for (var i = 0u; i < 4u && row + i < rows(); i++) {
        let at = (row + i) * shape.columns + column;
        var value = sums[i];
        if (TAIL) {
            let output = y[at];
            var before = output;
            if (KEEP_INPUT) {
                before = z[at];
            }
            value *= mask[i] * slope(before, output);
        }
        if (ACCUMULATE) {
            value += dx[at];
        }
        dx[at] = value;
    }
}
