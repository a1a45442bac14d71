// Stores four rows and columns of a product that a tail follows, row by row with its masks.

fn store(row: u32, column: u32, sums: mat4x4<f32>) {
    if (row >= rows() || column >= columns()) {
        return;
    }
    // A loop, so that the driver has the activation's text to compile but once.
    var own = sums;
    var mask = masks_of_four(row, column);
    for (var i = 0u; i < 4u; i++) {
        store_row(row + i, column, own[i], mask[i]);
    }
}
