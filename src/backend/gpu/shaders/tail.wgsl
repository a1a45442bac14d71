// What follows a product or stands alone: an activation of each element, then dropout. The masks are drawn again in the
// backward pass instead of being kept. `activate` and `slope` come from the activation's formula.

fn rotated(x: u32, by: u32) -> u32 {
    return (x << by) | (x >> (32u - by));
}

fn mixed(x: vec4<u32>, a: u32, b: u32) -> vec4<u32> {
    var y = x;
    y.x += y.y;
    y.y = rotated(y.y, a) ^ y.x;
    y.z += y.w;
    y.w = rotated(y.w, b) ^ y.z;
    return y;
}

// The second kind of round pairs 0 with 3 and 2 with 1.
fn crossed(x: vec4<u32>, a: u32, b: u32) -> vec4<u32> {
    return mixed(x.xwzy, a, b).xwzy;
}

fn four_rounds_a(x: vec4<u32>) -> vec4<u32> {
    return crossed(mixed(crossed(mixed(x, 10u, 26u), 11u, 21u), 13u, 27u), 23u, 5u);
}

fn four_rounds_b(x: vec4<u32>) -> vec4<u32> {
    return crossed(mixed(crossed(mixed(x, 6u, 20u), 17u, 11u), 25u, 10u), 18u, 20u);
}

// Threefry4x32-20, bit for bit that of src/rng.rs.
fn threefry(key: vec4<u32>, counter: vec4<u32>) -> vec4<u32> {
    let k = key;
    let last = 0x1BD11BDAu ^ k.x ^ k.y ^ k.z ^ k.w;
    var x = counter + k;
    x = four_rounds_a(x) + vec4<u32>(k.y, k.z, k.w, last + 1u);
    x = four_rounds_b(x) + vec4<u32>(k.z, k.w, last, k.x + 2u);
    x = four_rounds_a(x) + vec4<u32>(k.w, last, k.x, k.y + 3u);
    x = four_rounds_b(x) + vec4<u32>(last, k.x, k.y, k.z + 4u);
    x = four_rounds_a(x) + vec4<u32>(k.x, k.y, k.z, k.w + 5u);
    return x;
}

// What dropout multiplies four elements of a column by, from a row on that is a multiple of four.
fn masks(row: u32, column: u32) -> vec4<f32> {
    if (!DROPOUT) {
        return vec4<f32>(1.0f);
    }
    let words = threefry(shape.key, vec4<u32>(column, row / 4u, now.number.x, now.number.y));
    return select(vec4<f32>(0.0f), vec4<f32>(shape.keep), words >= vec4<u32>(shape.threshold));
}

// The same of four columns, a row of the block a vector.
fn masks_of_four(row: u32, column: u32) -> mat4x4<f32> {
    let mask = masks(row, column);
    if (!DROPOUT) {
        return mat4x4<f32>(mask, mask, mask, mask);
    }
    return transpose(mat4x4<f32>(mask, masks(row, column + 1u), masks(row, column + 2u), masks(row, column + 3u)));
}
