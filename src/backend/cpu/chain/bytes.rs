//! Kernels of bytes. With x ≈ s·(q − z), q in 0 … 255, and column j of the kernel ≈ tⱼ·w, w in −127 … 127,
//!
//! yⱼ = s·tⱼ·(Σ q·w − z·Σ w) + bⱼ.
//!
//! The sums are of integers, exact in 32 bits, so every processor gives the same numbers. s and z come from the smallest and
//! the largest x that a calibration saw, 0 among them; what lies beyond is held at these ends. tⱼ is the column's largest
//! weight over 127. For x between the ends |Δyⱼ| ≤ Σ(|wᵢⱼ|·s + |xᵢ|·tⱼ + s·tⱼ/2)/2, but for the rounding of the last step.

#[cfg(target_arch = "x86_64")]
use super::super::simd::dots;
use super::super::simd::{Level, PANEL, QUADS, Vector};
use super::dense::Job;
use crate::error::{Error, Result};
use crate::params::{Lines, lines};

/// The most rows whose sums of products of bytes fit into 32 bits.
const DEEPEST: usize = (i32::MAX / (255 * 127)) as usize;

/// A kernel of bytes in panels of lines of four rows, and what makes floats of the sums.
pub struct Bytes {
    numbers: Lines,
    /// 1/s and z.
    inverse: f32,
    zero: f32,
    /// z·Σw, s·tⱼ and bⱼ, a line a panel each.
    minus: Lines,
    scale: Lines,
    bias: Lines,
    /// Whether the processor's dot product is used.
    dots: bool,
}

/// Smallest and largest numbers seen.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub low: f32,
    pub high: f32,
}

impl Range {
    /// Nothing seen but zero.
    pub const ZERO: Range = Range { low: 0.0, high: 0.0 };

    /// Takes in a number; NaN is none.
    pub fn see(&mut self, x: f32) {
        (self.low, self.high) = (self.low.min(x), self.high.max(x));
    }
}

impl Bytes {
    /// Units of 32 bits that a row of x takes: four at a time, and no multiple of a page.
    pub fn units(depth: usize) -> usize {
        depth.div_ceil(PANEL) * (PANEL / 4) + PANEL
    }

    /// Rounds a kernel, row-major, for x in a range.
    pub fn new(
        kernel: &[f32],
        bias: Option<&[f32]>,
        [depth, columns]: [usize; 2],
        range: Range,
        level: Level,
        place: &str,
    ) -> Result<Self> {
        if depth > DEEPEST {
            let expected = format!("at most {DEEPEST} inputs of a layer for int8");
            return Err(Error::invalid(format!("precision: {place}"), expected, depth.to_string()));
        }
        let panels = columns.div_ceil(PANEL);
        let step = (range.high - range.low) / 255.0;
        let step = if step > 0.0 { step } else { 1.0 };
        let zero = (-range.low / step).round_ties_even().clamp(0.0, 255.0);
        let quads = depth.div_ceil(4);
        let mut numbers = lines(panels * quads, place)?;
        let [mut minus, mut scale, mut offset] = [lines(panels, place)?, lines(panels, place)?, lines(panels, place)?];
        for j in 0..columns {
            let largest = (0..depth).map(|i| kernel[i * columns + j].abs()).fold(0.0, f32::max);
            let unit = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            let mut sum = 0;
            for i in 0..depth {
                let w = (kernel[i * columns + j] / unit).round_ties_even().clamp(-127.0, 127.0) as i8;
                sum += i32::from(w);
                let at = (j / PANEL * quads + i / 4) * QUADS + j % PANEL * 4 + i % 4;
                // SAFETY: the panel, line and lane are within the lines made above.
                unsafe { *numbers.as_mut_ptr().cast::<i8>().add(at) = w };
            }
            scale[j / PANEL].0[j % PANEL] = step * unit;
            offset[j / PANEL].0[j % PANEL] = bias.map_or(0.0, |b| b[j]);
            // SAFETY: there is a lane for each column.
            unsafe { *minus.as_mut_ptr().cast::<i32>().add(j) = zero as i32 * sum };
        }
        #[cfg(target_arch = "x86_64")]
        let dots = level == Level::Avx512 && dots::has_bytes();
        #[cfg(not(target_arch = "x86_64"))]
        let dots = {
            let _ = level;
            false
        };
        Ok(Bytes { numbers, inverse: 1.0 / step, zero, minus, scale, bias: offset, dots })
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
        let (units, depth) = (Self::units(job.depth), job.depth.div_ceil(4));
        let x: *mut u8 = job.scratch.cast();
        let w: *const i8 = self.numbers.as_ptr().cast();
        // SAFETY: the scratch has `units` for each row; x has whole panels, and so have the lines.
        unsafe {
            for row in 0..job.rows {
                for panel in 0..job.depth.div_ceil(PANEL) {
                    let into = x.add(row * units * 4 + panel * PANEL);
                    to_bytes::<V>(job.x.at(panel, row), into, self.inverse, self.zero);
                }
            }
            for panel in 0..job.panels {
                for lane in (0..PANEL).step_by(V::LANES) {
                    let place = panel * PANEL + lane;
                    let minus = self.minus.as_ptr().cast::<i32>().add(place);
                    let scale = V::load(self.scale.as_ptr().cast::<f32>().add(place));
                    let bias = V::load(self.bias.as_ptr().cast::<f32>().add(place));
                    for row in 0..job.rows {
                        let mut sums = V::no_sums();
                        for d in 0..depth {
                            let line = w.add((panel * depth + d) * QUADS + lane * 4);
                            sums = V::add_quads(sums, x.add(row * units * 4 + d * 4), line);
                        }
                        let y = V::to_floats(sums, minus) * scale + bias;
                        let y = if job.relu { V::zero().max(y) } else { y };
                        y.store(job.y.at(panel, row).add(lane));
                    }
                }
            }
        }
    }

    /// # Safety
    /// As [`super::link::Link::run`]; the processor must have AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    unsafe fn run_dots(&self, job: Job) {
        let (units, depth) = (Self::units(job.depth), job.depth.div_ceil(4));
        let x: *mut u32 = job.scratch.cast();
        let w: *const u32 = self.numbers.as_ptr().cast();
        // SAFETY: the scratch has `units` for each row; x has whole panels.
        unsafe {
            for row in 0..job.rows {
                let (from, panels) = (job.x.at(0, row), job.depth.div_ceil(PANEL));
                dots::to_bytes(from, job.x.stride, panels, x.add(row * units).cast(), self.inverse, self.zero);
            }
        }
        super::tiles::each(&job, |row, panel, rows, width| {
            // SAFETY: rows and panels of the job.
            unsafe {
                let t = dots::Dots {
                    x: x.add(row * units),
                    x_row: units,
                    w: w.add(panel * depth * PANEL),
                    w_panel: depth * PANEL,
                    depth,
                    y: job.y.at(panel, row),
                    y_panel: job.y.stride,
                };
                let s = dots::Scales {
                    minus: self.minus.as_ptr().add(panel).cast(),
                    scale: self.scale.as_ptr().add(panel).cast(),
                    bias: self.bias.as_ptr().add(panel).cast(),
                };
                super::tiles::dispatch!(dots::bytes(rows, width)(&t, &s, job.relu));
            }
        });
    }
}

/// Sixteen floats as bytes: x·inverse, held where it becomes a byte, to the nearest integer, plus `zero`.
///
/// # Safety
/// `from` must be readable for sixteen floats, `into` writable for sixteen bytes.
#[inline(always)]
unsafe fn to_bytes<V: Vector>(from: *const f32, into: *mut u8, inverse: f32, zero: f32) {
    let (factor, low, high) = (f64::from(inverse), f64::from(-zero), f64::from(255.0 - zero));
    let mut floats = [0.0_f32; PANEL];
    for lane in (0..PANEL).step_by(V::LANES) {
        // SAFETY: the caller's contract.
        unsafe {
            let x = V::load(from.add(lane)) * V::splat(factor);
            let held = x.max(V::splat(low)).min(V::splat(high));
            (held.round() + V::splat(f64::from(zero))).store(floats.as_mut_ptr().add(lane));
        }
    }
    for (lane, float) in floats.iter().enumerate() {
        // SAFETY: the caller's contract.
        unsafe { *into.add(lane) = *float as u8 };
    }
}
