//! The product of one row with a kernel, whose numbers may be stored narrow.
//!
//! It is bound by reading the kernel: from the second-level cache at best. A sum waits for its last addition, four cycles,
//! so eight registers of sums go side by side where there are as many. Each sum runs over the depth in order, like those of
//! `gemm.rs`, and has the same bits.

use super::super::gemm::Start;
use super::super::simd::{HALVES, PAIRS, PANEL, Vector};

/// How a kernel's numbers are stored, a line at a time.
pub trait Format {
    /// What a line consists of.
    type Item;
    /// Rows of the kernel in a line.
    const ROWS: usize;
    /// Items of a line.
    const ITEMS: usize;

    /// The rows in the lanes that begin at `p`; of one row the second register is the same.
    ///
    /// # Safety
    /// `p` must be readable for the lanes of a register.
    unsafe fn load<V: Vector>(p: *const Self::Item) -> [V; 2];
}

/// `f32`.
pub struct Whole;
/// float16.
pub struct Half;
/// bfloat16, two rows a line.
pub struct Pair;

impl Format for Whole {
    type Item = f32;
    const ROWS: usize = 1;
    const ITEMS: usize = PANEL;
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const f32) -> [V; 2] {
        // SAFETY: the caller's contract.
        [unsafe { V::load(p) }; 2]
    }
}

impl Format for Half {
    type Item = u16;
    const ROWS: usize = 1;
    const ITEMS: usize = HALVES;
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const u16) -> [V; 2] {
        // SAFETY: the caller's contract.
        [unsafe { V::load_half(p) }; 2]
    }
}

impl Format for Pair {
    type Item = u16;
    const ROWS: usize = 2;
    const ITEMS: usize = PAIRS;
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const u16) -> [V; 2] {
        // SAFETY: the caller's contract.
        unsafe { V::load_pairs(p) }
    }
}

/// A kernel in panels of lines.
pub struct Stored<F: Format> {
    pub start: *const F::Item,
    /// Lines of a panel.
    pub lines: usize,
}

/// y = relu?(start + x · W).
///
/// # Safety
/// `x` must be readable for as many floats as the kernel has rows, `y` writable for its panels; a line beyond the last row
/// must meet zeros in `x`.
#[inline(always)]
pub unsafe fn row<V: Vector, F: Format>(
    x: *const f32,
    w: &Stored<F>,
    panels: usize,
    start: Start,
    relu: bool,
    y: *mut f32,
) {
    let registers = panels * PANEL / V::LANES;
    let mut at = 0;
    macro_rules! take {
        ($width:literal) => {
            while registers - at >= $width {
                // SAFETY: the caller's contract; the registers are within the panels.
                unsafe { side_by_side::<V, F, $width>(x, w, at, start, relu, y) };
                at += $width;
            }
        };
    }
    take!(8);
    take!(4);
    take!(2);
    take!(1);
}

/// `WIDTH` registers of the result from number `at` on.
///
/// # Safety
/// As [`row`].
#[inline(always)]
unsafe fn side_by_side<V: Vector, F: Format, const WIDTH: usize>(
    x: *const f32,
    w: &Stored<F>,
    at: usize,
    start: Start,
    relu: bool,
    y: *mut f32,
) {
    let per_panel = PANEL / V::LANES;
    let mut sums = [V::zero(); WIDTH];
    let mut from = [w.start; WIDTH];
    // SAFETY: the caller's contract.
    unsafe {
        for (i, (sum, from)) in sums.iter_mut().zip(&mut from).enumerate() {
            let (panel, lane) = ((at + i) / per_panel, (at + i) % per_panel * V::LANES);
            *from = w.start.add(panel * w.lines * F::ITEMS + lane * F::ROWS);
            if let Start::Row(bias) = start {
                *sum = V::load(bias.add((at + i) * V::LANES));
            }
        }
        for line in 0..w.lines {
            let left = [V::broadcast(x.add(line * F::ROWS)), V::broadcast(x.add(line * F::ROWS + F::ROWS - 1))];
            for (sum, from) in sums.iter_mut().zip(&from) {
                let right = F::load::<V>(from.add(line * F::ITEMS));
                *sum = left[0].mul_add(right[0], *sum);
                if F::ROWS == 2 {
                    *sum = left[1].mul_add(right[1], *sum);
                }
            }
        }
        for (i, &sum) in sums.iter().enumerate() {
            let value = if relu { V::zero().max(sum) } else { sum };
            value.store(y.add((at + i) * V::LANES));
        }
    }
}
