//! Stages beyond dense layers, activations and dropout, on one worker's share.

use super::elementwise::Share;
use super::ops::{Context, Step};
use super::pool::Worker;

impl Context<'_> {
    /// A stage forward.
    pub(super) fn forward_kind(&self, s: usize, _share: Share, _worker: &Worker, _step: &Step) {
        unreachable!("stage {s}")
    }

    /// The gradient of a stage's input number `i`.
    pub(super) fn backward_kind(
        &self,
        s: usize,
        _i: usize,
        _accumulate: bool,
        _share: Share,
        _worker: &Worker,
        _step: &Step,
    ) {
        unreachable!("stage {s}")
    }

    /// The gradient of a stage's variables into [`Context::gradient_of`], or added to what is there.
    pub(super) fn gradient_kind(&self, s: usize, _accumulate: bool, _worker: &Worker, _step: &Step) {
        unreachable!("stage {s}")
    }

    /// Gradient and update of the rows of a table that the batch uses.
    pub(super) fn update_rows(&self, s: usize, _worker: &Worker, _step: &Step) {
        unreachable!("stage {s}")
    }

    /// A batch normalization's moving statistics, from what its forward pass saved.
    pub(super) fn moving(&self, s: usize, _worker: &Worker, _step: &Step) {
        unreachable!("stage {s}")
    }
}
