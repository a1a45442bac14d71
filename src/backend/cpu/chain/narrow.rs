//! Kernels of 16 bits a number, products and sums in `f32`.
//!
//! float16 has 11 bits: a weight within 2⁻¹¹ of itself, x as it is. bfloat16 has 8: weights and x are both rounded, each
//! within 2⁻⁸, so that processors with a dot product of bfloat16 can use it; elsewhere the same numbers come from products of
//! `f32`, since that of two bfloat16 is exact.
//!
//! One row reads the kernel from where it is. For more, a block of it is widened first, and used by all rows.

use super::super::gemm::{Start, Tile};
#[cfg(target_arch = "x86_64")]
use super::super::simd::dots;
use super::super::simd::{HALVES, Level, PAIRS, PANEL, Vector, bfloat_bits};
use super::dense::Job;
use super::row::{Format, Half, Pair, Stored, row};
use crate::error::{Error, Result};
use crate::params::{Lines, lines};
use half::f16;

/// Rows of the kernel that are widened at a time, two panels of them.
const BLOCK: usize = 256;

/// A kernel of float16 in panels.
pub struct Halves {
    numbers: Lines,
}

/// A kernel of bfloat16 in panels of pair lines.
pub struct Bfloats {
    numbers: Lines,
    /// Whether the processor's dot product is used.
    dots: bool,
}

/// Lines of `items` numbers of 16 bits each, filled by row, column.
fn pack(depth: usize, columns: usize, rows: usize, place: &str, bits: impl Fn(usize, usize) -> u16) -> Result<Lines> {
    let per_panel = depth.div_ceil(rows) * rows * PANEL;
    let mut numbers = lines((columns.div_ceil(PANEL) * per_panel).div_ceil(2 * PANEL), place)?;
    let start: *mut u16 = numbers.as_mut_ptr().cast();
    for column in 0..columns {
        for row in 0..depth {
            // In a pair line the first of two rows is the high half of its lane.
            let line = column / PANEL * per_panel + row / rows * rows * PANEL;
            let item = line + column % PANEL * rows + (rows - 1 - row % rows);
            // SAFETY: the panel, line and lane are within the lines made above.
            unsafe { *start.add(item) = bits(row, column) };
        }
    }
    Ok(numbers)
}

impl Halves {
    /// Floats of scratch.
    pub const SCRATCH: usize = 2 * BLOCK * PANEL;

    /// Rounds a kernel, row-major; a weight too large for float16 is refused.
    pub fn new(kernel: &[f32], [depth, columns]: [usize; 2], place: &str) -> Result<Self> {
        if let Some(large) = kernel.iter().find(|w| w.is_finite() && f16::from_f32(**w).is_infinite()) {
            let expected = "weights within ±65504, the largest float16 (bf16 takes larger ones)";
            return Err(Error::invalid(format!("precision: {place}"), expected, large.to_string()));
        }
        let numbers = pack(depth, columns, 1, place, |r, c| f16::from_f32(kernel[r * columns + c]).to_bits())?;
        Ok(Halves { numbers })
    }

    /// # Safety
    /// As [`super::link::Link::run`].
    #[inline(always)]
    pub unsafe fn run<V: Vector>(&self, job: Job) {
        let w = Stored::<Half> { start: self.numbers.as_ptr().cast(), lines: job.depth };
        // SAFETY: the caller's contract.
        unsafe { product::<V, Half>(job, &w) }
    }
}

impl Bfloats {
    /// Floats of scratch.
    pub const SCRATCH: usize = 2 * BLOCK * PANEL;

    /// Units of 32 bits that a row of x takes: eight at a time, and no multiple of a page.
    pub fn units(depth: usize) -> usize {
        depth.div_ceil(PANEL) * (PANEL / 2) + PANEL
    }

    /// Rounds a kernel, row-major.
    pub fn new(kernel: &[f32], [depth, columns]: [usize; 2], level: Level, place: &str) -> Result<Self> {
        let numbers = pack(depth, columns, 2, place, |r, c| bfloat_bits(kernel[r * columns + c]))?;
        #[cfg(target_arch = "x86_64")]
        let dots = level == Level::Avx512 && dots::has_bfloat();
        #[cfg(not(target_arch = "x86_64"))]
        let dots = {
            let _ = level;
            false
        };
        Ok(Bfloats { numbers, dots })
    }

    /// # Safety
    /// As [`super::link::Link::run`].
    #[inline(always)]
    pub unsafe fn run<V: Vector>(&self, job: Job) {
        #[cfg(target_arch = "x86_64")]
        if self.dots {
            // SAFETY: the caller's contract; `dots` says that the processor can.
            return unsafe { self.run_dots(job) };
        }
        // SAFETY: the caller's contract: x is this call's to change, and has whole panels.
        unsafe {
            for panel in 0..job.depth.div_ceil(PANEL) {
                for row in 0..job.rows {
                    for lane in (0..PANEL).step_by(V::LANES) {
                        let place = job.x.at(panel, row).add(lane);
                        V::load(place).to_bfloat().store(place);
                    }
                }
            }
            if job.depth % 2 == 1 && job.rows == 1 {
                // The pair of the last row is no number of x.
                *job.x.start.add(job.depth) = 0.0;
            }
            let w = Stored::<Pair> { start: self.numbers.as_ptr().cast(), lines: job.depth.div_ceil(2) };
            product::<V, Pair>(job, &w);
        }
    }

    /// # Safety
    /// As [`super::link::Link::run`]; the processor must have AVX-512 VL and BF16.
    #[cfg(target_arch = "x86_64")]
    unsafe fn run_dots(&self, job: Job) {
        let (units, depth) = (Self::units(job.depth), job.depth.div_ceil(2));
        // SAFETY: the scratch begins with so much.
        let x: *mut u32 = unsafe { job.scratch.add(Self::SCRATCH).cast() };
        // SAFETY: the scratch has `units` for each row; x has whole panels.
        unsafe {
            for row in 0..job.rows {
                dots::to_pairs(job.x.at(0, row), job.x.stride, job.depth.div_ceil(PANEL), x.add(row * units));
                if job.depth % 2 == 1 {
                    *x.add(row * units + depth - 1) &= 0xffff_0000;
                }
            }
        }
        let w: *const u32 = self.numbers.as_ptr().cast();
        super::tiles::each(&job, |row, panel, rows, width| {
            let bias = match job.start {
                // SAFETY: the bias has as many panels as the kernel.
                Start::Row(bias) => unsafe { bias.add(panel * PANEL) },
                _ => std::ptr::null(),
            };
            // SAFETY: rows and panels of the job.
            let t = unsafe {
                dots::Dots {
                    x: x.add(row * units),
                    x_row: units,
                    w: w.add(panel * depth * PANEL),
                    w_panel: depth * PANEL,
                    depth,
                    y: job.y.at(panel, row),
                    y_panel: job.y.stride,
                }
            };
            // SAFETY: the tile's rows and panels; the processor can.
            unsafe { super::tiles::dispatch!(dots::pairs(rows, width)(&t, bias, job.relu)) }
        });
    }
}

/// y = relu?(start + x · W) in `f32`, widening the kernel.
///
/// # Safety
/// As [`super::link::Link::run`].
#[inline(always)]
unsafe fn product<V: Vector, F: Format>(job: Job, w: &Stored<F>) {
    let Job { rows, depth, panels, x, y, start, relu, scratch } = job;
    if rows == 1 {
        // SAFETY: the caller's contract.
        return unsafe { row::<V, F>(x.start, w, panels, start, relu, y.start) };
    }
    let mut from = 0;
    while from < depth {
        let terms = (depth - from).min(BLOCK);
        for panel in (0..panels).step_by(2) {
            let across = (panels - panel).min(2);
            // SAFETY: within the kernel's panels and lines; the scratch has two panels of `BLOCK` rows.
            unsafe {
                for p in 0..across {
                    let block = w.start.add(((panel + p) * w.lines + from / F::ROWS) * F::ITEMS);
                    widen::<V, F>(block, terms.div_ceil(F::ROWS), scratch.add(p * BLOCK * PANEL));
                }
                for p in (0..across).step_by(V::TILE_PANELS) {
                    let across = (across - p).min(V::TILE_PANELS);
                    for row in (0..rows).step_by(V::TILE_ROWS) {
                        let start = match start {
                            _ if from > 0 => Start::Accumulate,
                            Start::Row(bias) => Start::Row(bias.add((panel + p) * PANEL)),
                            other => other,
                        };
                        let t = Tile {
                            a: x.at(from / PANEL, row),
                            a_panel: x.stride,
                            b: scratch.add(p * BLOCK * PANEL),
                            b_panel: BLOCK * PANEL,
                            c: y.at(panel + p, row),
                            c_panel: y.stride,
                            depth: terms,
                            start,
                        };
                        V::tile::<false>((rows - row).min(V::TILE_ROWS), across, &t);
                    }
                }
            }
        }
        from += terms;
    }
    job.relu::<V>();
}

/// Lines of a panel as `f32`.
///
/// # Safety
/// `from` must be readable for the lines, `into` writable for their rows.
#[inline(always)]
unsafe fn widen<V: Vector, F: Format>(from: *const F::Item, lines: usize, into: *mut f32) {
    for line in 0..lines {
        for lane in (0..PANEL).step_by(V::LANES) {
            // SAFETY: the caller's contract.
            unsafe {
                let rows = F::load::<V>(from.add(line * F::ITEMS + lane * F::ROWS));
                for (r, numbers) in rows.into_iter().enumerate().take(F::ROWS) {
                    numbers.store(into.add((line * F::ROWS + r) * PANEL + lane));
                }
            }
        }
    }
}

const _: () = assert!(HALVES == PANEL && PAIRS == 2 * PANEL && BLOCK.is_multiple_of(PANEL));
