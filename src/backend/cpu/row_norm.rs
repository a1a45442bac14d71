//! Normalizations of each row.
//!
//! With c = (x − μ)/√(σ² + ε) the layer normalization is γc + β. The two relatives of [`RowMoments`] take no mean off the
//! value, or none in the variance either. In all three the gradient is dx = r·(g − [mean g] − d·mean(g·h)), where
//! g = γ·dy, r is the factor, h the normalized value and d the value from which the variance is taken, times r; the mean in
//! brackets is there only where a mean was taken off.

use super::gemm::Panels;
use super::lines::{Lanes, Sums, across, read, used, write};
use super::simd::{PANEL, Task, Vector};
use crate::params::panels;
use crate::plan::RowMoments;
use std::ops::Range;

/// What is taken off the value, and off the value in the variance, of a row with this mean.
#[inline(always)]
fn shifts(moments: RowMoments, mean: f32) -> (f32, f32) {
    match moments {
        RowMoments::MeanAndVariance => (mean, mean),
        RowMoments::MeanSquare => (0.0, 0.0),
        RowMoments::VarianceAlone => (0.0, mean),
    }
}

/// A panel's part of a vector that a row is multiplied by.
///
/// # Safety
/// The vector must have the panel's lanes.
#[inline(always)]
unsafe fn lanes(vector: *const f32, panel: usize) -> Lanes {
    // SAFETY: the caller's contract.
    unsafe { vector.add(panel * PANEL).cast::<Lanes>().read_unaligned() }
}

/// y = γ·(normalized x) + β; mean and factor of each row go to `saved`, if there is one.
pub struct LayerNorm {
    pub moments: RowMoments,
    pub epsilon: f32,
    pub rows: Range<usize>,
    pub columns: usize,
    pub x: Panels,
    pub y: Panels,
    pub saved: Option<Panels>,
    /// γ and β, zeros beyond the last column.
    pub gamma: *const f32,
    pub beta: *const f32,
}

impl Task for LayerNorm {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let (count, width) = (panels(self.columns), self.columns as f32);
        for row in self.rows {
            // SAFETY: the row is this worker's alone and within the matrices; γ and β have every panel.
            unsafe {
                let (mut sum, mut squares) = ([0.0; PANEL], [0.0; PANEL]);
                for panel in 0..count {
                    let x = read(self.x, panel, row, used(self.columns, panel));
                    for lane in 0..PANEL {
                        sum[lane] += x[lane];
                    }
                }
                let mean = across(&sum) / width;
                let (shift, centre) = shifts(self.moments, mean);
                for panel in 0..count {
                    let used = used(self.columns, panel);
                    let x = read(self.x, panel, row, used);
                    for lane in 0..PANEL {
                        let d = if lane < used { x[lane] - centre } else { 0.0 };
                        squares[lane] += d * d;
                    }
                }
                let factor = 1.0 / (across(&squares) / width + self.epsilon).sqrt();
                for panel in 0..count {
                    let x = read(self.x, panel, row, used(self.columns, panel));
                    let (gamma, beta) = (lanes(self.gamma, panel), lanes(self.beta, panel));
                    let mut y = [0.0; PANEL];
                    for lane in 0..PANEL {
                        y[lane] = (x[lane] - shift) * factor * gamma[lane] + beta[lane];
                    }
                    write(self.y, panel, row, &y, false);
                }
                if let Some(saved) = self.saved {
                    let place = saved.at(0, row);
                    *place = mean;
                    *place.add(1) = factor;
                }
            }
        }
    }
}

/// dx (+)= the gradient of a layer normalization.
pub struct LayerNormBackward {
    pub moments: RowMoments,
    pub rows: Range<usize>,
    pub columns: usize,
    pub x: Panels,
    pub dy: Panels,
    pub dx: Panels,
    pub saved: Panels,
    pub gamma: *const f32,
    pub accumulate: bool,
}

impl Task for LayerNormBackward {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let (count, width) = (panels(self.columns), self.columns as f32);
        for row in self.rows {
            // SAFETY: the row is this worker's alone and within the matrices; γ has every panel.
            unsafe {
                let (mean, factor) = (*self.saved.at(0, row), *self.saved.at(0, row).add(1));
                let (shift, centre) = shifts(self.moments, mean);
                let (mut plain, mut weighted) = ([0.0; PANEL], [0.0; PANEL]);
                for panel in 0..count {
                    let used = used(self.columns, panel);
                    let (x, dy) = (read(self.x, panel, row, used), read(self.dy, panel, row, used));
                    let gamma = lanes(self.gamma, panel);
                    for lane in 0..PANEL {
                        let g = gamma[lane] * dy[lane];
                        plain[lane] += g;
                        weighted[lane] += g * ((x[lane] - shift) * factor);
                    }
                }
                let first = if self.moments == RowMoments::MeanAndVariance { across(&plain) / width } else { 0.0 };
                let second = across(&weighted) / width;
                for panel in 0..count {
                    let used = used(self.columns, panel);
                    let (x, dy) = (read(self.x, panel, row, used), read(self.dy, panel, row, used));
                    let gamma = lanes(self.gamma, panel);
                    let mut dx = [0.0; PANEL];
                    for lane in 0..PANEL {
                        let d = (x[lane] - centre) * factor;
                        let value = factor * (gamma[lane] * dy[lane] - first - d * second);
                        dx[lane] = if lane < used { value } else { 0.0 };
                    }
                    write(self.dx, panel, row, &dx, self.accumulate);
                }
            }
        }
    }
}

/// The gradients of γ and β on one panel: Σ dy·h and Σ dy over all rows, in double precision.
pub struct LayerNormGradient {
    pub moments: RowMoments,
    pub rows: usize,
    pub columns: usize,
    pub panel: usize,
    pub x: Panels,
    pub dy: Panels,
    pub saved: Panels,
}

impl Task for LayerNormGradient {
    type Output = (Sums, Sums);
    #[inline(always)]
    fn run<V: Vector>(self) -> (Sums, Sums) {
        let (mut gamma, mut beta) = ([0.0; PANEL], [0.0; PANEL]);
        let used = used(self.columns, self.panel);
        for row in 0..self.rows {
            // SAFETY: every row was finished before the barrier that precedes this.
            unsafe {
                let (mean, factor) = (*self.saved.at(0, row), *self.saved.at(0, row).add(1));
                let (shift, _) = shifts(self.moments, mean);
                let (x, dy) = (read(self.x, self.panel, row, used), read(self.dy, self.panel, row, used));
                for lane in 0..PANEL {
                    gamma[lane] += f64::from(dy[lane] * ((x[lane] - shift) * factor));
                    beta[lane] += f64::from(dy[lane]);
                }
            }
        }
        (gamma, beta)
    }
}

/// y = x·r, r = 1/√max(Σx², ε); with a gradient instead dx (+)= r·(dy − y·Σ(y·dy)), or r·dy where Σx² ≤ ε.
pub struct UnitNormalize {
    pub epsilon: f32,
    pub rows: Range<usize>,
    pub columns: usize,
    pub x: Panels,
    /// The result, or dx.
    pub into: Panels,
    pub dy: Option<Panels>,
    pub accumulate: bool,
}

impl Task for UnitNormalize {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let count = panels(self.columns);
        for row in self.rows {
            // SAFETY: the row is this worker's alone and within the matrices.
            unsafe {
                let mut squares = [0.0; PANEL];
                let mut products = [0.0; PANEL];
                for panel in 0..count {
                    let used = used(self.columns, panel);
                    let x = read(self.x, panel, row, used);
                    let dy = self.dy.map_or([0.0; PANEL], |dy| read(dy, panel, row, used));
                    for lane in 0..PANEL {
                        squares[lane] += x[lane] * x[lane];
                        products[lane] += x[lane] * dy[lane];
                    }
                }
                let square = across(&squares);
                let held = square <= self.epsilon;
                let factor = 1.0 / if held { self.epsilon } else { square }.sqrt();
                let slope = if held { 0.0 } else { across(&products) * factor * factor };
                for panel in 0..count {
                    let used = used(self.columns, panel);
                    let x = read(self.x, panel, row, used);
                    let dy = self.dy.map_or([0.0; PANEL], |dy| read(dy, panel, row, used));
                    let mut out = [0.0; PANEL];
                    for lane in 0..PANEL {
                        let gradient = dy[lane] - x[lane] * slope;
                        out[lane] = factor * if self.dy.is_some() { gradient } else { x[lane] };
                    }
                    write(self.into, panel, row, &out, self.accumulate);
                }
            }
        }
    }
}
