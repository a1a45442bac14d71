//! Kernels that move elements: a map within each sample, matrices side by side, and the ways back.

use super::gemm::Panels;
use super::lines::{offset, used};
use super::simd::PANEL;
use crate::params::panels;
use std::ops::Range;

/// A matrix with `rows` rows a sample and `columns` columns.
#[derive(Clone, Copy)]
pub struct Block {
    pub at: Panels,
    pub rows: usize,
    pub columns: usize,
}

/// Element e of each sample of `y` is element `map[e]` of `x`'s.
///
/// # Safety
/// The samples must be this worker's alone in `y`, and within both; the map must stay within a sample of each.
pub unsafe fn rearrange(samples: Range<usize>, map: &[u32], x: Block, y: Block) {
    for (e, &from) in map.iter().enumerate() {
        let (from, to) = (offset(x.at, x.columns, from as usize), offset(y.at, y.columns, e));
        for sample in samples.clone() {
            // SAFETY: the caller's contract.
            unsafe {
                let value = *x.at.start.add(from + sample * x.rows * PANEL);
                *y.at.start.add(to + sample * y.rows * PANEL) = value;
            }
        }
    }
}

/// The way back: each element of `dx` gets the sum of what was made of it, from the first to the last.
///
/// # Safety
/// As [`rearrange`], with `dx` written.
pub unsafe fn rearrange_backward(samples: Range<usize>, map: &[u32], dy: Block, dx: Block, accumulate: bool) {
    if !accumulate {
        for panel in 0..panels(dx.columns) {
            // SAFETY: the caller's contract.
            unsafe {
                let start = dx.at.at(panel, samples.start * dx.rows);
                std::ptr::write_bytes(start, 0, samples.len() * dx.rows * PANEL);
            }
        }
    }
    for (e, &from) in map.iter().enumerate() {
        let (to, from) = (offset(dx.at, dx.columns, from as usize), offset(dy.at, dy.columns, e));
        for sample in samples.clone() {
            // SAFETY: the caller's contract.
            unsafe {
                let value = *dy.at.start.add(from + sample * dy.rows * PANEL);
                *dx.at.start.add(to + sample * dx.rows * PANEL) += value;
            }
        }
    }
}

/// Calls `copy(narrow, wide, count)` with the places of the runs in which the columns of `narrow` lie in `wide` from column
/// `first` on.
fn each_run(rows: Range<usize>, narrow: Block, wide: Panels, first: usize, copy: impl Fn(*mut f32, *mut f32, usize)) {
    for panel in 0..panels(narrow.columns) {
        let (column, count) = (first + panel * PANEL, used(narrow.columns, panel));
        let (into, shift) = (column / PANEL, column % PANEL);
        let head = count.min(PANEL - shift);
        for row in rows.clone() {
            // SAFETY: the runs are within both matrices: `narrow`'s columns lie in `wide` from `first` on.
            unsafe {
                let line = narrow.at.at(panel, row);
                copy(line, wide.at(into, row).add(shift), head);
                if head < count {
                    copy(line.add(head), wide.at(into + 1, row), count - head);
                }
            }
        }
    }
}

/// Copies the columns of `x` into `y` from column `first` on.
///
/// # Safety
/// The rows must be within both and this worker's alone in `y`, which must have the columns.
pub unsafe fn place_columns(rows: Range<usize>, x: Block, y: Panels, first: usize) {
    each_run(rows, x, y, first, |from, to, count| {
        // SAFETY: the caller's contract; the matrices are different.
        unsafe { std::ptr::copy_nonoverlapping(from, to, count) };
    });
}

/// dx (+)= the columns of `dy` from `first` on.
///
/// # Safety
/// As [`place_columns`], with `dx` written.
pub unsafe fn take_columns(rows: Range<usize>, dy: Panels, first: usize, dx: Block, accumulate: bool) {
    each_run(rows, dx, dy, first, |to, from, count| {
        for i in 0..count {
            // SAFETY: the caller's contract.
            unsafe { *to.add(i) = if accumulate { *to.add(i) + *from.add(i) } else { *from.add(i) } };
        }
    });
}
