//! Optimizers: update rules w ← U(w, g), Keras's formulas in Keras's order.
//!
//! The parts of a step that are the same for every element (bias corrections, rates) are computed once, in double
//! precision, by [`OptimizerConfig::at_step`], which then hands over a small [`Update`] to be copied into the loop.
//! Around the rule itself stand clipping by value and decoupled weight decay before it, and the moving average of the
//! weights after it. Clipping by a norm needs the whole gradient: the engine multiplies it by
//! [`OptimizerConfig::clip_scale`] before. What several batches share in one update is in `stages.rs`.
//!
//! A rule whose denominator may be 0 (ε = 0, a rate of 0 in Ftrl) takes the smallest normal number instead: a panel's
//! padding, where everything is 0, must stay 0 and not become 0/0.

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod config;
mod ftrl;
mod lamb;
mod lion;
mod nadam;
#[cfg(test)]
mod oracle_tests;
mod rmsprop;
mod schedules;
mod sgd;
mod stages;
mod standalone;
#[cfg(test)]
mod standalone_tests;
mod state;
#[cfg(test)]
mod tests;
#[cfg(feature = "gpu")]
mod wgsl;
mod wrappers;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use config::{Ema, OptimizerConfig, Rule};
pub use ftrl::Ftrl;
pub use lamb::Lamb;
pub use lion::Lion;
pub use nadam::Nadam;
pub use rmsprop::RmsProp;
pub use schedules::{LearningRate, Schedule};
pub use sgd::Sgd;
pub use standalone::Pair;
pub use state::OptimizerState;
pub(crate) use state::fresh_slots;
#[cfg(feature = "gpu")]
pub use wgsl::MAX_PARAMETERS;
pub use wrappers::{Averaged, Clipped, Decayed};

use crate::real::Real;

/// The most slots that an [`Update`] sees: a rule's own, at most three, and the average of the weights. The gradients
/// that are being summed up have one more, which no rule looks at.
pub const MAX_SLOTS: usize = 4;

/// One step's rule for one element: its weight, its gradient and its slots.
pub trait Update: Copy {
    /// How many of the slots it uses, the first ones.
    const SLOTS: usize;
    /// The new weight; the slots are changed in place.
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R;
}

/// A loop that wants to be compiled for each [`Update`].
pub trait UpdateVisitor {
    /// What the loop returns.
    type Output;
    /// Runs it.
    fn visit<U: Update>(self, u: U) -> Self::Output;
}

/// A family of rules: what its parameters say about slots, and its step.
trait Family {
    /// Keras's names of the slots.
    fn slot_names(&self) -> &'static [&'static str];

    /// What the slots hold before the first step.
    fn slot_initial_values(&self) -> [f64; 3] {
        [0.0; 3]
    }

    /// Calls `v` with the update of step `t` (from 1) at this learning rate.
    fn at_step<V: UpdateVisitor>(&self, t: u64, rate: f64, v: V) -> V::Output;
}

/// 0 for what single precision can only hold as a denormal: the moments of a unit that has died would decay into
/// those and slow every step down.
#[inline(always)]
pub(crate) fn flush<R: Real>(x: R) -> R {
    R::select(x.abs().lt(R::splat(f32::MIN_POSITIVE as f64)), R::zero(), x)
}

/// A denominator's smallest addend.
fn positive(epsilon: f64) -> f64 {
    epsilon.max(f32::MIN_POSITIVE as f64)
}
