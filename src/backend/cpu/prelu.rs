//! PReLU: x where x > 0, αx elsewhere. α has a line for each row of a sample, or for one row that all share, or one number
//! a row; at 0 the slope is 0, as in Keras on JAX.

use super::gemm::Panels;
use super::lines::{Lanes, read, used, write};
use super::simd::{PANEL, Task, Vector};
use crate::params::{Layout, panels};
use std::ops::Range;

/// α, and which part of it each row of a sample has.
#[derive(Clone, Copy)]
pub struct Slopes<'a> {
    pub start: *mut f32,
    pub layout: Layout,
    /// For each element of a sample the element of α.
    pub map: &'a [u32],
    /// Columns of a sample's rows.
    pub columns: usize,
    /// Rows of a sample.
    pub rows: usize,
}

impl Slopes<'_> {
    /// Whether each row has a single number.
    #[inline(always)]
    fn single(&self) -> bool {
        self.layout.columns != self.columns
    }

    /// The row of α that a row of the matrix has.
    #[inline(always)]
    fn row_of(&self, row: usize) -> usize {
        self.map[row % self.rows * self.columns] as usize / self.layout.columns
    }

    /// α on one panel of one row of the matrix.
    ///
    /// # Safety
    /// `start` must be readable for the layout's lines.
    #[inline(always)]
    unsafe fn lanes(&self, panel: usize, row: usize) -> Lanes {
        let row = self.row_of(row);
        // SAFETY: the row is one of α's, and where α has more than a column, it has every panel.
        unsafe {
            if self.single() {
                [*self.start.add(row * PANEL); PANEL]
            } else {
                *self.start.add((panel * self.layout.rows + row) * PANEL).cast::<Lanes>()
            }
        }
    }
}

/// The activation; with a gradient instead dx (+)= dy·slope.
pub struct Prelu<'a> {
    pub slopes: Slopes<'a>,
    pub rows: Range<usize>,
    pub x: Panels,
    pub dy: Option<Panels>,
    pub into: Panels,
    pub accumulate: bool,
}

impl Task for Prelu<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        for panel in 0..panels(self.slopes.columns) {
            let used = used(self.slopes.columns, panel);
            for row in self.rows.clone() {
                // SAFETY: the row is this worker's alone and within the matrices; nobody writes α in this phase.
                unsafe {
                    let (x, alpha) = (read(self.x, panel, row, used), self.slopes.lanes(panel, row));
                    let mut out = [0.0; PANEL];
                    if let Some(dy) = self.dy {
                        let dy = read(dy, panel, row, used);
                        for lane in 0..PANEL {
                            let below = if x[lane] < 0.0 { alpha[lane] } else { 0.0 };
                            out[lane] = dy[lane] * if x[lane] > 0.0 { 1.0 } else { below };
                        }
                    } else {
                        for lane in 0..PANEL {
                            out[lane] = if x[lane] > 0.0 { x[lane] } else { alpha[lane] * x[lane] };
                        }
                    }
                    write(self.into, panel, row, &out, self.accumulate);
                }
            }
        }
    }
}

/// The gradient of α, Σ dy·min(x, 0), on this worker's panels of α.
pub struct PreluGradient<'a> {
    /// Where the gradient goes, in the place of α.
    pub slopes: Slopes<'a>,
    /// This worker's panels of α.
    pub own: Range<usize>,
    /// Rows of the batch.
    pub rows: usize,
    pub x: Panels,
    pub dy: Panels,
    pub accumulate: bool,
}

impl Task for PreluGradient<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let slopes = &self.slopes;
        for own in self.own {
            // SAFETY: the panel of the gradient is this worker's alone; x and dy were finished before the barrier.
            unsafe {
                let start = slopes.start.add(own * slopes.layout.rows * PANEL);
                if !self.accumulate {
                    std::ptr::write_bytes(start, 0, slopes.layout.rows * PANEL);
                }
                let across = if slopes.single() { 0..panels(slopes.columns) } else { own..own + 1 };
                for row in 0..self.rows {
                    let place = &mut *start.add(slopes.row_of(row) * PANEL).cast::<Lanes>();
                    for panel in across.clone() {
                        let used = used(slopes.columns, panel);
                        let (x, dy) = (read(self.x, panel, row, used), read(self.dy, panel, row, used));
                        for lane in 0..PANEL {
                            let term = dy[lane] * if x[lane] < 0.0 { x[lane] } else { 0.0 };
                            place[if slopes.single() { 0 } else { lane }] += term;
                        }
                    }
                }
            }
        }
    }
}
