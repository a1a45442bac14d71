//! Dense layers of one unit, such as a regression or a yes-or-no answer ends with.
//!
//! In panels their kernel w is a column of lines with one number each, and the products of `gemm.rs` would compute sixteen
//! columns for the sake of one. Here
//!
//! - forward, y = X · w + b: blocks of X are turned around, so that a register holds one term of sixteen rows' sums;
//! - gradient of the input, dX = dy · wᵀ: sixteen numbers of w become a line, which each row's dy multiplies;
//! - gradient of the kernel, dw = Xᵀ · dy: each line of X times its row's dy; the sums are spread over lines at the end.
//!
//! Every sum runs in the order it has in `gemm.rs`, so both give the same bits.

use super::gemm::{Panels, Start};
use super::simd::{PANEL, Vector};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows below which nothing is gained by turning them around.
pub const FEW_ROWS: usize = 4;

/// A panel's line in registers.
macro_rules! registers {
    ($lane:ident => $value:expr) => {{
        let mut line = [V::zero(); PANEL];
        for ($lane, register) in (0..PANEL).step_by(V::LANES).zip(&mut line) {
            *register = $value;
        }
        line
    }};
}

/// A number that begins a line, with zeros behind it.
///
/// # Safety
/// `number` must be readable, `line` writable.
#[inline(always)]
unsafe fn begin_line<V: Vector>(number: *const f32, line: *mut f32) {
    let mut first = [0.0; PANEL];
    first[0] = 1.0;
    // SAFETY: the caller's contract; a register of the line above.
    unsafe {
        let begins = V::zero().lt(V::load(first.as_ptr()));
        V::select(begins, V::broadcast(number), V::zero()).store(line);
        for lane in (V::LANES..PANEL).step_by(V::LANES) {
            V::zero().store(line.add(lane));
        }
    }
}

/// c = start + A · w on `rows` of c.
///
/// # Safety
/// As [`super::gemm::product`], where B and C have one column.
#[inline(always)]
pub unsafe fn product<V: Vector>(rows: Range<usize>, depth: usize, a: Panels, w: *const f32, c: Panels, start: Start) {
    // Sixteen lines each, written before they are read.
    let mut room = [const { MaybeUninit::<[f32; PANEL * PANEL]>::uninit() }; 2];
    let [lines, columns] = room.each_mut().map(|lines| lines.as_mut_ptr().cast::<f32>());
    for row in rows.clone().step_by(PANEL) {
        let count = (rows.end - row).min(PANEL);
        // SAFETY: the caller's rows and terms; `lines` and `columns` hold sixteen lines, `sums` one.
        unsafe {
            let mut sums = [0.0_f32; PANEL];
            match start {
                Start::Zero => {}
                Start::Row(bias) => sums = [*bias; PANEL],
                Start::Accumulate => {
                    for (i, sum) in sums.iter_mut().enumerate().take(count) {
                        *sum = *c.at(0, row + i);
                    }
                }
            }
            let mut line = registers!(lane => V::load(sums.as_ptr().add(lane)));
            for first in (0..depth).step_by(PANEL) {
                let mut block = a.at(first / PANEL, row).cast_const();
                if count < PANEL {
                    lines.write_bytes(0, PANEL * PANEL);
                    std::ptr::copy_nonoverlapping(block, lines, count * PANEL);
                    block = lines;
                }
                V::transpose(block, columns);
                for term in 0..(depth - first).min(PANEL) {
                    let right = V::broadcast(w.add((first + term) * PANEL));
                    for (lane, sum) in (0..PANEL).step_by(V::LANES).zip(&mut line) {
                        *sum = V::load(columns.add(term * PANEL + lane)).mul_add(right, *sum);
                    }
                }
            }
            for (lane, sum) in (0..PANEL).step_by(V::LANES).zip(line) {
                sum.store(sums.as_mut_ptr().add(lane));
            }
            for (i, sum) in sums.iter().enumerate().take(count) {
                begin_line::<V>(sum, c.at(0, row + i));
            }
        }
    }
}

/// dX (+)= dy · wᵀ on `rows` and `panels` of dX; w has `terms` rows.
///
/// # Safety
/// As [`super::gemm::product`].
#[inline(always)]
pub unsafe fn input_gradient<V: Vector>(
    (rows, panels): (Range<usize>, Range<usize>),
    terms: usize,
    w: *const f32,
    dy: Panels,
    dx: Panels,
    accumulate: bool,
) {
    for panel in panels {
        let mut turned = [0.0_f32; PANEL];
        for (i, value) in turned.iter_mut().enumerate().take(terms - panel * PANEL) {
            // SAFETY: w has so many rows.
            *value = unsafe { *w.add((panel * PANEL + i) * PANEL) };
        }
        // SAFETY: the rows and panels are the caller's; `turned` holds a line.
        unsafe {
            let line = registers!(lane => V::load(turned.as_ptr().add(lane)));
            for row in rows.clone() {
                let left = V::broadcast(dy.at(0, row));
                for (lane, right) in (0..PANEL).step_by(V::LANES).zip(line) {
                    let place = dx.at(panel, row).add(lane);
                    let sum = if accumulate { V::load(place) } else { V::zero() };
                    left.mul_add(right, sum).store(place);
                }
            }
        }
    }
}

/// dw = Xᵀ · dy, rows `columns` of w, into as many lines from `out` on; X and dy have `depth` rows.
///
/// # Safety
/// As [`super::gemm::product_transposed`].
#[inline(always)]
pub unsafe fn kernel_gradient<V: Vector>(columns: Range<usize>, depth: usize, x: Panels, dy: Panels, out: *mut f32) {
    for first in columns.clone().step_by(PANEL) {
        // SAFETY: the columns, which begin a panel, and rows are the caller's; `sums` holds a line.
        unsafe {
            let mut line = [V::zero(); PANEL];
            for row in 0..depth {
                let right = V::broadcast(dy.at(0, row));
                for (lane, sum) in (0..PANEL).step_by(V::LANES).zip(&mut line) {
                    *sum = V::load(x.at(first / PANEL, row).add(lane)).mul_add(right, *sum);
                }
            }
            let mut sums = [0.0_f32; PANEL];
            for (lane, sum) in (0..PANEL).step_by(V::LANES).zip(line) {
                sum.store(sums.as_mut_ptr().add(lane));
            }
            for (i, sum) in sums.iter().enumerate().take(columns.end - first) {
                begin_line::<V>(sum, out.add((first - columns.start + i) * PANEL));
            }
        }
    }
}
