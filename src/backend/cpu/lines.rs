//! What kernels share that go line by line: plain arrays of a panel's lanes, which the compiler turns into registers.
//!
//! Lanes beyond the last column may hold anything in activations, but zeros in gradients: kernels mask what they read.

use super::gemm::Panels;
use super::simd::PANEL;
use crate::params::Layout;

/// One row of one panel.
pub type Lanes = [f32; PANEL];
/// Sums of a panel's columns.
pub type Sums = [f64; PANEL];

/// Columns in use in a panel of a matrix.
pub fn used(columns: usize, panel: usize) -> usize {
    columns.saturating_sub(panel * PANEL).min(PANEL)
}

/// A line, with zeros from lane `used` on.
///
/// # Safety
/// Panel and row must be within the matrix, and nobody may write the line meanwhile.
#[inline(always)]
pub unsafe fn read(from: Panels, panel: usize, row: usize, used: usize) -> Lanes {
    // SAFETY: a line is sixteen floats, aligned to its size.
    let line = unsafe { *from.at(panel, row).cast::<Lanes>() };
    if used == PANEL {
        return line;
    }
    let mut masked = [0.0; PANEL];
    for lane in 0..PANEL {
        masked[lane] = if lane < used { line[lane] } else { 0.0 };
    }
    masked
}

/// Writes a line, or adds to what is there.
///
/// # Safety
/// Panel and row must be within the matrix; the line must be this worker's alone.
#[inline(always)]
pub unsafe fn write(into: Panels, panel: usize, row: usize, line: &Lanes, accumulate: bool) {
    // SAFETY: the caller's contract.
    let place = unsafe { &mut *into.at(panel, row).cast::<Lanes>() };
    for lane in 0..PANEL {
        place[lane] = if accumulate { place[lane] + line[lane] } else { line[lane] };
    }
}

/// The sum of a line's lanes, from the first to the last.
#[inline(always)]
pub fn across(line: &Lanes) -> f32 {
    let mut sum = 0.0;
    for value in line {
        sum += value;
    }
    sum
}

/// Where element `e` of a variable lies, counted in C order.
pub fn place(layout: Layout, e: usize) -> usize {
    let (row, column) = (e / layout.columns, e % layout.columns);
    (column / PANEL * layout.rows + row) * PANEL + column % PANEL
}

/// The offset of element `e` of a sample from that of its first element, in a matrix with rows of `columns`.
pub fn offset(matrix: Panels, columns: usize, e: usize) -> usize {
    let (row, column) = (e / columns, e % columns);
    column / PANEL * matrix.stride + row * PANEL + column % PANEL
}
