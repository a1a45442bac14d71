//! Kernels that take each column by numbers of its own: y = (x − shift)·scale/divisor + offset.
//!
//! Rescaling, normalization by given statistics, and batch normalization are all of this form. Batch statistics are summed
//! by one worker, row after row, in double precision: mean first, then the squares around it.

use super::gemm::Panels;
use super::lines::{Lanes, Sums, read, write};
use super::simd::{PANEL, Task, Vector};
use std::ops::Range;

/// The numbers of a panel's columns; neutral unless set. Beyond the last column the scale is 0, so that gradients stay 0.
#[derive(Clone, Copy)]
pub struct ColumnMap {
    pub shift: Lanes,
    pub scale: Lanes,
    pub divisor: Lanes,
    pub offset: Lanes,
}

impl ColumnMap {
    /// The identity on `used` columns.
    pub fn identity(used: usize) -> Self {
        let scale = std::array::from_fn(|lane| if lane < used { 1.0 } else { 0.0 });
        ColumnMap { shift: [0.0; PANEL], scale, divisor: [1.0; PANEL], offset: [0.0; PANEL] }
    }
}

/// y = (x − shift)·scale/divisor + offset on rows of one panel.
pub struct MapColumns<'a> {
    pub map: &'a ColumnMap,
    pub rows: Range<usize>,
    pub panel: usize,
    pub used: usize,
    pub x: Panels,
    pub y: Panels,
}

impl Task for MapColumns<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let ColumnMap { shift, scale, divisor, offset } = *self.map;
        for row in self.rows {
            // SAFETY: the rows of this panel are this worker's alone and within both matrices.
            unsafe {
                let x = read(self.x, self.panel, row, self.used);
                let mut y = [0.0; PANEL];
                for lane in 0..PANEL {
                    y[lane] = (x[lane] - shift[lane]) * scale[lane] / divisor[lane] + offset[lane];
                }
                write(self.y, self.panel, row, &y, false);
            }
        }
    }
}

/// dx (+)= dy·scale/divisor on rows of one panel.
pub struct MapColumnsBackward<'a> {
    pub map: &'a ColumnMap,
    pub rows: Range<usize>,
    pub panel: usize,
    pub used: usize,
    pub dy: Panels,
    pub dx: Panels,
    pub accumulate: bool,
}

impl Task for MapColumnsBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let ColumnMap { scale, divisor, .. } = *self.map;
        for row in self.rows {
            // SAFETY: as in `MapColumns`.
            unsafe {
                let mut dx = read(self.dy, self.panel, row, self.used);
                for lane in 0..PANEL {
                    dx[lane] = dx[lane] * scale[lane] / divisor[lane];
                }
                write(self.dx, self.panel, row, &dx, self.accumulate);
            }
        }
    }
}

/// Mean and biased variance of the columns of a panel over `rows` rows.
pub struct Moments {
    pub rows: usize,
    pub panel: usize,
    pub used: usize,
    pub x: Panels,
}

impl Task for Moments {
    type Output = (Sums, Sums);
    #[inline(always)]
    fn run<V: Vector>(self) -> (Sums, Sums) {
        let (mut mean, mut variance) = ([0.0; PANEL], [0.0; PANEL]);
        for row in 0..self.rows {
            // SAFETY: every row was finished before the barrier that precedes this.
            let x = unsafe { read(self.x, self.panel, row, self.used) };
            for lane in 0..PANEL {
                mean[lane] += f64::from(x[lane]);
            }
        }
        for sum in &mut mean {
            *sum /= self.rows as f64;
        }
        for row in 0..self.rows {
            // SAFETY: as above.
            let x = unsafe { read(self.x, self.panel, row, self.used) };
            for lane in 0..PANEL {
                let from_mean = f64::from(x[lane]) - mean[lane];
                variance[lane] += from_mean * from_mean;
            }
        }
        for sum in &mut variance {
            *sum /= self.rows as f64;
        }
        (mean, variance)
    }
}

/// Σ dy and Σ dy·(x − mean)·factor of a panel's columns over `rows` rows.
pub struct GradientSums<'a> {
    pub rows: usize,
    pub panel: usize,
    pub used: usize,
    pub x: Panels,
    pub dy: Panels,
    pub mean: &'a Lanes,
    pub factor: &'a Lanes,
}

impl Task for GradientSums<'_> {
    type Output = (Sums, Sums);
    #[inline(always)]
    fn run<V: Vector>(self) -> (Sums, Sums) {
        let (mut plain, mut weighted) = ([0.0; PANEL], [0.0; PANEL]);
        for row in 0..self.rows {
            // SAFETY: every row was finished before the barrier that precedes this.
            let (x, dy) =
                unsafe { (read(self.x, self.panel, row, self.used), read(self.dy, self.panel, row, self.used)) };
            for lane in 0..PANEL {
                let normal = (x[lane] - self.mean[lane]) * self.factor[lane];
                plain[lane] += f64::from(dy[lane]);
                weighted[lane] += f64::from(dy[lane] * normal);
            }
        }
        (plain, weighted)
    }
}

/// dx (+)= scale·(dy − m₁ − x̂·m₂), x̂ = (x − mean)·factor, on all rows of one panel: the gradient of a batch
/// normalization, where m₁ and m₂ are the means of dy and of dy·x̂, and `scale` is γ times the factor.
pub struct BatchNormBackward<'a> {
    pub rows: usize,
    pub panel: usize,
    pub used: usize,
    pub x: Panels,
    pub dy: Panels,
    pub dx: Panels,
    pub mean: &'a Lanes,
    pub factor: &'a Lanes,
    pub scale: &'a Lanes,
    pub means: [Lanes; 2],
    pub accumulate: bool,
}

impl Task for BatchNormBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        for row in 0..self.rows {
            // SAFETY: the panel is this worker's alone; every row of x and dy was finished before the barrier.
            unsafe {
                let x = read(self.x, self.panel, row, self.used);
                let mut dx = read(self.dy, self.panel, row, self.used);
                for lane in 0..PANEL {
                    let normal = (x[lane] - self.mean[lane]) * self.factor[lane];
                    dx[lane] = self.scale[lane] * (dx[lane] - self.means[0][lane] - normal * self.means[1][lane]);
                }
                write(self.dx, self.panel, row, &dx, self.accumulate);
            }
        }
    }
}
