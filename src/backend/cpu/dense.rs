//! The two products of a dense layer whose result is activations: forward, and the gradient of the input.

use super::elementwise::Share;
use super::gemm::{self, Panels, Start};
use super::simd::{PANEL, Task, Vector};
use super::skip::{self, Right};

/// C = start + A · B on a share of C.
pub struct Product {
    pub share: Share,
    /// Columns of A, rows of B.
    pub depth: usize,
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
        let Product { share: Share { rows, panels }, depth, a, b, c, start, lists } = self;
        // SAFETY: the share of C and the lists are this worker's alone; A and B were finished before.
        unsafe {
            let right = Right::Kernel(b);
            if !skip::product::<V>(rows.clone(), panels.clone(), depth, a, right, c, start, lists) {
                gemm::product::<V>(rows, panels, depth, a, b, c, start);
            }
        }
    }
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
    /// Room for two panels of `columns` lines, rounded up to whole panels.
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
        let right = Right::Transposed(self.kernel, self.rows);
        // SAFETY: the share and the lists are this worker's alone; dY and W were finished before.
        if unsafe { skip::product::<V>(rows, panels, self.columns, self.dy, right, self.dx, start, self.lists) } {
            return;
        }
        let stride = self.columns.next_multiple_of(PANEL) * PANEL;
        for panel in self.share.panels.clone().step_by(V::TILE_PANELS) {
            let across = (self.share.panels.end - panel).min(V::TILE_PANELS);
            // SAFETY: W has the rows and columns, the scratch room for two panels; the share is this worker's alone.
            unsafe {
                for p in 0..across {
                    let out = self.scratch.add(p * stride);
                    gemm::transpose_panel::<V>(self.kernel, self.rows, self.columns, panel + p, out);
                }
                let b = Panels { start: self.scratch, stride };
                let c = Panels { start: self.dx.at(panel, 0), stride: self.dx.stride };
                gemm::product::<V>(self.share.rows.clone(), 0..across, self.columns, self.dy, b, c, start);
            }
        }
    }
}
