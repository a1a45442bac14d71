//! Numbers as bins, and categories as rows.

use super::arrange::Block;
use super::lines::used;
use super::simd::PANEL;
use crate::params::panels;
use crate::plan::Encoding;
use std::ops::Range;

/// How many boundaries are ≤ x; all of them for NaN, as in NumPy.
pub fn bin(boundaries: &[f32], x: f32) -> usize {
    boundaries.partition_point(|&boundary| boundary <= x || x.is_nan())
}

/// The number of the bin of each element.
///
/// # Safety
/// The rows must be this worker's alone in `y` and within both.
pub unsafe fn discretize(boundaries: &[f32], rows: Range<usize>, x: Block, y: Block) {
    for panel in 0..panels(x.columns) {
        for row in rows.clone() {
            for lane in 0..used(x.columns, panel) {
                // SAFETY: the caller's contract.
                unsafe { *y.at.at(panel, row).add(lane) = bin(boundaries, *x.at.at(panel, row).add(lane)) as f32 };
            }
        }
    }
}

/// The category that a number is, of so many. Multi-hot cuts off fractions, as Keras does there only.
fn category(x: f32, tokens: usize, encoding: Encoding) -> Option<usize> {
    let x = if encoding == Encoding::MultiHot { x.trunc() } else { x };
    (x >= 0.0 && x < tokens as f32 && x.fract() == 0.0).then_some(x as usize)
}

/// Each row of categories as a row of `y.columns` numbers.
///
/// # Safety
/// The rows must be this worker's alone in `y` and within both.
pub unsafe fn encode(encoding: Encoding, rows: Range<usize>, x: Block, y: Block) {
    for panel in 0..panels(y.columns) {
        // SAFETY: the caller's contract.
        unsafe { std::ptr::write_bytes(y.at.at(panel, rows.start), 0, rows.len() * PANEL) };
    }
    for row in rows {
        for column in 0..x.columns {
            // SAFETY: the caller's contract; a category is a column of y.
            unsafe {
                let value = *x.at.at(column / PANEL, row).add(column % PANEL);
                let Some(category) = category(value, y.columns, encoding) else { continue };
                let place = y.at.at(category / PANEL, row).add(category % PANEL);
                *place = if encoding == Encoding::Count { *place + 1.0 } else { 1.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_numpy_s() {
        let boundaries = [0.0, 1.0, 1.0, 2.5];
        let x = [-1.0, 0.0, 0.5, 1.0, 2.5, f32::INFINITY, f32::NAN, f32::NEG_INFINITY];
        assert_eq!(x.map(|x| bin(&boundaries, x)), [0, 1, 1, 3, 4, 4, 4, 0]);
        assert_eq!(bin(&[], 3.0), 0);
    }

    #[test]
    fn what_is_no_category_counts_for_nothing() {
        let each = |encoding| [0.0, 2.0, 3.0, -1.0, 1.5, f32::NAN].map(|x| category(x, 3, encoding));
        assert_eq!(each(Encoding::Count), [Some(0), Some(2), None, None, None, None]);
        assert_eq!(each(Encoding::MultiHot), [Some(0), Some(2), None, None, Some(1), None]);
    }
}
