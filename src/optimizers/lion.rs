//! Lion (Chen et al. 2023): w ← w − η·sign(β₁m + (1 − β₁)g), then m ← β₂m + (1 − β₂)g.

use super::{Family, MAX_SLOTS, Update, UpdateVisitor, flush};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lion {
    /// β₁, the mean's share in the direction.
    pub beta_1: f64,
    /// β₂, how much of the mean gradient stays.
    pub beta_2: f64,
}

impl Lion {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 2] = ["beta_1", "beta_2"];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        let beta_1 = spec.number_where("beta_1", 0.9, "a number in (0, 1]", |b| b > 0.0 && b <= 1.0)?;
        Ok(Lion { beta_1, beta_2: spec.number("beta_2", 0.99)? })
    }
}

impl Family for Lion {
    fn slot_names(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, _: u64, rate: f64, v: V) -> V::Output {
        v.visit(Step { rate, beta_1: self.beta_1, beta_2: self.beta_2 })
    }
}

/// Lion's step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    rate: f64,
    beta_1: f64,
    beta_2: f64,
}

impl Update for Step {
    const SLOTS: usize = 1;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        let mix = |m: R, beta: f64| m * R::splat(beta) + g * R::splat(1.0 - beta);
        let direction = mix(slots[0], self.beta_1).signum();
        slots[0] = flush(mix(slots[0], self.beta_2));
        w - direction * R::splat(self.rate)
    }
}
