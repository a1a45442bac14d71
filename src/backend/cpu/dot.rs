//! For each sample the products of the rows of two matrices: (m, k), (n, k) → (m, n), and the way back.
//!
//! Sums over k run lane by lane and then across, sums over rows from the first to the last.

use super::gemm::Panels;
use super::lines::{across, read, used, write};
use super::simd::{PANEL, Task, Vector};
use crate::params::panels;
use std::ops::Range;

/// z = x · yᵀ.
pub struct Dot {
    pub samples: Range<usize>,
    pub m: usize,
    pub n: usize,
    pub depth: usize,
    pub x: Panels,
    pub y: Panels,
    pub z: Panels,
}

impl Task for Dot {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        for sample in self.samples {
            for i in 0..self.m {
                for j in 0..self.n {
                    let mut sum = [0.0; PANEL];
                    // SAFETY: the sample is this worker's alone in z and within all three.
                    unsafe {
                        for panel in 0..panels(self.depth) {
                            let used = used(self.depth, panel);
                            let x = read(self.x, panel, sample * self.m + i, used);
                            let y = read(self.y, panel, sample * self.n + j, used);
                            for lane in 0..PANEL {
                                sum[lane] += x[lane] * y[lane];
                            }
                        }
                        *self.z.at(j / PANEL, sample * self.m + i).add(j % PANEL) = across(&sum);
                    }
                }
            }
        }
    }
}

/// The gradient of one side: dx (+)= dz · y, or, for the second side, dy (+)= dzᵀ · x.
pub struct DotBackward {
    pub samples: Range<usize>,
    /// Rows a sample of the side whose gradient it is, and of the other.
    pub own: usize,
    pub others: usize,
    /// Whether it is the second side.
    pub second: bool,
    pub depth: usize,
    pub other: Panels,
    pub dz: Panels,
    pub into: Panels,
    pub accumulate: bool,
}

impl Task for DotBackward {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        for sample in self.samples {
            for i in 0..self.own {
                for panel in 0..panels(self.depth) {
                    let mut sum = [0.0; PANEL];
                    // SAFETY: the sample is this worker's alone in the result and within all matrices.
                    unsafe {
                        for j in 0..self.others {
                            let (row, column) = if self.second { (j, i) } else { (i, j) };
                            let rows = if self.second { self.others } else { self.own };
                            let weight = *self.dz.at(column / PANEL, sample * rows + row).add(column % PANEL);
                            let line = read(self.other, panel, sample * self.others + j, used(self.depth, panel));
                            for lane in 0..PANEL {
                                sum[lane] += weight * line[lane];
                            }
                        }
                        write(self.into, panel, sample * self.own + i, &sum, self.accumulate);
                    }
                }
            }
        }
    }
}
