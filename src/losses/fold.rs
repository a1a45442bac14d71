//! Losses of a row that need sums over its columns first: L = f(s) for sums s = Σ g(y, p), and dL/dp = h(s, y, p).
//!
//! The columns are walked a few times; a pass may use what the passes before it have added up. So a loss needs no
//! room for a row, and the same formulas become a shader.

use super::Target;
use crate::real::Real;

/// One column of a row.
#[derive(Clone, Copy)]
pub struct Column<R> {
    /// The target, as a number of this column.
    pub y: R,
    /// The prediction.
    pub p: R,
    /// One over the number of columns.
    pub share: R,
}

/// A loss by folding, with `W` numbers of state.
pub trait Fold<R: Real, const W: usize> {
    /// How many passes there are, without and with the gradient.
    fn passes(&self, gradient: bool) -> usize;
    /// The state before the first pass.
    fn start(&self) -> [R; W];
    /// Takes one column into the state.
    fn fold(&mut self, pass: usize, state: &mut [R; W], column: Column<R>);
    /// The loss, after the passes that it needs.
    fn value(&self, state: &[R; W]) -> R;
    /// dL/dp of one column, after all passes.
    fn slope(&mut self, state: &[R; W], column: Column<R>) -> R;
    /// The target of column `j`, where the loss changes it by column.
    #[inline(always)]
    fn label(&self, y: R, _j: usize, _share: R) -> R {
        y
    }
}

/// The loss of one row, and its gradient.
#[inline(always)]
pub fn fold<R: Real, const W: usize>(
    mut loss: impl Fold<R, W>,
    target: Target<R>,
    p: &[R],
    gradient: Option<&mut [R]>,
) -> R {
    let share = R::splat(1.0 / p.len() as f64);
    let mut state = loss.start();
    for pass in 0..loss.passes(gradient.is_some()) {
        for (j, &p) in p.iter().enumerate() {
            let y = loss.label(target.weight(j), j, share);
            loss.fold(pass, &mut state, Column { y, p, share });
        }
    }
    if let Some(gradient) = gradient {
        for j in 0..p.len() {
            let y = loss.label(target.weight(j), j, share);
            gradient[j] = loss.slope(&state, Column { y, p: p[j], share });
        }
    }
    loss.value(&state)
}
