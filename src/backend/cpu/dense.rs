//! The two products of a dense layer whose result is activations: forward, and the gradient of the input.

use super::elementwise::Share;
use super::gemm::{self, DEPTH_BLOCK, Panels, Start};
use super::simd::{PANEL, Task, Vector};
use super::single;
use super::skip::{self, Right};

/// C = start + A · B on a share of C.
pub struct Product {
    pub share: Share,
    /// Columns of A, rows of B.
    pub depth: usize,
    /// Columns of B and C.
    pub columns: usize,
    pub a: Panels,
    pub b: Panels,
    pub c: Panels,
    pub start: Start,
    /// Room for lists, see [`skip::product_floats`].
    pub lists: *mut f32,
}

impl Task for Product {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Product { share: Share { rows, panels }, depth, columns, a, b, c, start, lists } = self;
        // SAFETY: the share of C and the lists are this worker's alone; A and B were finished before.
        unsafe {
            if columns == 1 && rows.len() >= single::FEW_ROWS {
                return single::product::<V>(rows, depth, a, b.start, c, start);
            }
            let right = Right::Kernel(b);
            if !skip::product::<V>(rows.clone(), panels.clone(), depth, a, right, c, start, lists) {
                gemm::product::<V>(rows, panels, depth, a, b, c, start);
            }
        }
    }
}

/// Floats of scratch for the gradient of the input of a layer with so many columns: two panels of a block of terms.
pub fn input_gradient_floats(columns: usize) -> usize {
    2 * DEPTH_BLOCK.min(columns).next_multiple_of(PANEL) * PANEL
}

/// dX (+)= dY · Wᵀ on a share of dX.
pub struct InputGradient {
    pub share: Share,
    /// Rows of W: columns of dX.
    pub rows: usize,
    /// Columns of W.
    pub columns: usize,
    pub kernel: Panels,
    pub dy: Panels,
    pub dx: Panels,
    pub accumulate: bool,
    /// Room for [`input_gradient_floats`].
    pub scratch: *mut f32,
    /// Room for lists, see [`skip::product_floats`].
    pub lists: *mut f32,
}

impl Task for InputGradient {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let start = if self.accumulate { Start::Accumulate } else { Start::Zero };
        let Share { rows, panels } = self.share.clone();
        if self.columns == 1 {
            // SAFETY: the share is this worker's alone; dY and W were finished before.
            return unsafe {
                let share = (rows, panels);
                single::input_gradient::<V>(share, self.rows, self.kernel.start, self.dy, self.dx, self.accumulate);
            };
        }
        let right = Right::Transposed(self.kernel, self.rows);
        // SAFETY: the share and the lists are this worker's alone; dY and W were finished before.
        if unsafe { skip::product::<V>(rows, panels, self.columns, self.dy, right, self.dx, start, self.lists) } {
            return;
        }
        // The kernel is turned around a block of terms at a time, while the block before is still in the first-level cache.
        let b = Panels { start: self.scratch, stride: input_gradient_floats(self.columns) / 2 };
        for panel in self.share.panels.clone().step_by(V::TILE_PANELS) {
            let across = (self.share.panels.end - panel).min(V::TILE_PANELS);
            for from in (0..self.columns).step_by(DEPTH_BLOCK) {
                let terms = (self.columns - from).min(DEPTH_BLOCK);
                let start = if from == 0 { start } else { Start::Accumulate };
                // SAFETY: W has the rows and columns, the scratch room for two panels; the share is this worker's alone.
                unsafe {
                    for p in 0..across {
                        for block in 0..terms.div_ceil(PANEL) {
                            let (of, out) = (from / PANEL + block, b.at(p, block * PANEL));
                            gemm::transpose_block::<V>(self.kernel, self.rows, panel + p, of, out);
                        }
                    }
                    let dy = Panels { start: self.dy.at(from / PANEL, 0), ..self.dy };
                    let c = Panels { start: self.dx.at(panel, 0), ..self.dx };
                    gemm::product::<V>(self.share.rows.clone(), 0..across, terms, dy, b, c, start);
                }
            }
        }
    }
}
