// dx = dy · kernelᵀ and, where x came out of a tail, on through its dropout and its activation: dz = dx · mask · f′.

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> kernel: array<f32>;
@group(0) @binding(4) var<storage, read> z: array<Element>;
@group(0) @binding(5) var<storage, read> y: array<Element>;
@group(0) @binding(6) var<storage, read_write> dx: array<Element>;

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

fn a_line(row: u32) -> u32 {
    return row * shape.depth;
}

fn a_at(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
}

fn b_line(column: u32) -> u32 {
    return column * shape.depth;
}

fn b_at(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(kernel[at.x], kernel[at.y], kernel[at.z], kernel[at.w]);
}

fn start(column: u32) -> vec4<f32> {
    return vec4<f32>(0.0f);
}

fn store_row(row: u32, column: u32, sums: vec4<f32>, mask: vec4<f32>) {
    if (row >= rows()) {
        return;
    }
    let at = row * shape.columns + column;
    let left = shape.columns - column;
    var value = sums;
    if (TAIL) {
        let after = get_y(at, left);
        var before = after;
        if (KEEP_INPUT) {
            before = get_z(at, left);
        }
        value.x *= mask.x * slope(before.x, after.x);
        value.y *= mask.y * slope(before.y, after.y);
        value.z *= mask.z * slope(before.z, after.z);
        value.w *= mask.w * slope(before.w, after.w);
    }
    if (ACCUMULATE) {
        value += get_dx(at, left);
    }
    put_dx(at, left, value);
}
