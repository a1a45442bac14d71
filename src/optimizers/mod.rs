//! Optimizers: update rules w ← U(w, g), Keras's formulas in Keras's order.
//!
//! The parts of a step that are the same for every element (bias corrections, rates) are computed once, in double
//! precision, by [`OptimizerConfig::at_step`], which then hands over a small [`Update`] to be copied into the loop.
//! Around the rule itself stand clipping by value and decoupled weight decay, in that order. Clipping by a norm needs
//! the whole gradient: the engine multiplies it by [`OptimizerConfig::clip_scale`] before.

mod adam;
mod config;
mod sgd;
mod state;
#[cfg(test)]
mod tests;
#[cfg(feature = "gpu")]
mod wgsl;

pub use adam::Adam;
pub use config::{OptimizerConfig, Rule};
pub use sgd::Sgd;
pub use state::OptimizerState;
#[cfg(feature = "gpu")]
pub use wgsl::MAX_PARAMETERS;

use crate::real::Real;

/// The most slots that a rule has.
pub const MAX_SLOTS: usize = 3;
/// SHIM
pub const TOTAL_SLOTS: usize = 3;
/// SHIM
#[derive(Clone, Debug)]
pub struct LearningRate(f64);
impl LearningRate {
    /// SHIM
    pub fn at(&self, _: u64) -> f64 {
        self.0
    }
}
#[allow(missing_docs)]
impl OptimizerState {
    pub fn rate(&self) -> LearningRate {
        LearningRate(self.learning_rate())
    }
    pub fn decays(&self, _: u64) -> bool {
        true
    }
}
#[allow(missing_docs)]
impl OptimizerConfig {
    pub fn rule_step(&self, n: u64) -> u64 {
        n + 1
    }
    pub fn accumulator_slot(&self) -> Option<usize> {
        None
    }
    pub fn begins_at(&self, _: u64) -> bool {
        true
    }
    pub fn accumulated_steps(&self) -> u64 {
        1
    }
    pub fn updates_at(&self, _: u64) -> bool {
        true
    }
    pub fn overwrites_after(&self, _: u64) -> bool {
        false
    }
    pub fn overwrites(&self) -> bool {
        false
    }
    pub fn average_slot(&self) -> Option<usize> {
        None
    }
    pub fn has_trust_ratio(&self) -> bool {
        false
    }
    pub fn trust_ratio(&self, _: f64, _: f64) -> f64 {
        1.0
    }
    pub fn direction_at_step<V: UpdateVisitor>(&self, t: u64, v: V) -> V::Output {
        self.at_step(t, 1.0, true, v)
    }
    pub fn is_elementwise(&self) -> bool {
        self.clipnorm.is_none() && self.global_clipnorm.is_none()
    }
    pub fn zero_gradient_is_noop(&self) -> bool {
        self.slots() == 0 && self.weight_decay.is_none()
    }
}

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

/// g held in ±limit first. An infinite limit changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Clipped<U> {
    /// Keras's `clipvalue`.
    pub limit: f64,
    /// What follows.
    pub inner: U,
}

impl<U: Update> Update for Clipped<U> {
    const SLOTS: usize = U::SLOTS;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        self.inner.update(w, g.clamp(R::splat(-self.limit), R::splat(self.limit)), slots)
    }
}

/// w ← w − rate·w first. A rate of 0 changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Decayed<U> {
    /// The learning rate times Keras's `weight_decay`.
    pub rate: f64,
    /// What follows.
    pub inner: U,
}

impl<U: Update> Update for Decayed<U> {
    const SLOTS: usize = U::SLOTS;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        self.inner.update(w - w * R::splat(self.rate), g, slots)
    }
}

/// 0 for what single precision can only hold as a denormal: the moments of a unit that has died would decay into
/// those and slow every step down.
#[inline(always)]
pub(crate) fn flush<R: Real>(x: R) -> R {
    R::select(x.abs().lt(R::splat(f32::MIN_POSITIVE as f64)), R::zero(), x)
}

impl OptimizerConfig {
    /// How many slots a variable needs.
    pub fn slots(&self) -> usize {
        self.slot_names().len()
    }

    /// Keras's names of the slots.
    pub fn slot_names(&self) -> &'static [&'static str] {
        match &self.rule {
            Rule::Sgd(sgd) => sgd.slot_names(),
            Rule::Adam(adam) => adam.slot_names(),
        }
    }

    /// Calls `v` with the update of step `t` (from 1) at this learning rate.
    #[inline(always)]
    pub fn at_step<V: UpdateVisitor>(&self, t: u64, learning_rate: f64, _decays: bool, v: V) -> V::Output {
        // One wrapping for clip, decay or both: half the loops to compile, and the neutral one costs next to nothing.
        if self.clipvalue.is_none() && self.weight_decay.is_none() {
            self.rule_at_step(t, learning_rate, v)
        } else {
            let limit = self.clipvalue.unwrap_or(f64::INFINITY);
            let rate = self.weight_decay.unwrap_or(0.0) * learning_rate;
            self.rule_at_step(t, learning_rate, Wrapping { limit, rate, visitor: v })
        }
    }

    #[inline(always)]
    fn rule_at_step<V: UpdateVisitor>(&self, t: u64, learning_rate: f64, v: V) -> V::Output {
        match &self.rule {
            Rule::Sgd(sgd) => sgd.at_step(learning_rate, v),
            Rule::Adam(adam) => adam.at_step(t, learning_rate, v),
        }
    }

    /// What to multiply a gradient by, given its norm: a variable's for `clipnorm`, that of all variables together for
    /// `global_clipnorm`; 1 where neither is set. NaN for a global norm that is not finite, as in Keras.
    pub fn clip_scale(&self, norm: f64) -> f64 {
        match (self.clipnorm, self.global_clipnorm) {
            (_, Some(_)) if !norm.is_finite() => f64::NAN,
            // Not `max`, which would lose a NaN.
            (Some(limit), _) | (_, Some(limit)) => limit / if norm < limit { limit } else { norm },
            _ => 1.0,
        }
    }
}

/// Puts clipping and decay around whatever update comes.
struct Wrapping<V> {
    limit: f64,
    rate: f64,
    visitor: V,
}

impl<V: UpdateVisitor> UpdateVisitor for Wrapping<V> {
    type Output = V::Output;
    #[inline(always)]
    fn visit<U: Update>(self, u: U) -> V::Output {
        self.visitor.visit(Clipped { limit: self.limit, inner: Decayed { rate: self.rate, inner: u } })
    }
}
