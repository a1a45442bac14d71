//! Adamax (Kingma & Ba 2014, §7.1): m ← m + (g − m)(1 − β₁), u ← max(β₂u, |g|), w ← w − ηm/((1 − β₁ᵗ)(u + ε)).

use super::adam::{beta, epsilon};
use super::{Family, MAX_SLOTS, Update, UpdateVisitor, flush, positive};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Adamax {
    /// β₁, how much of the mean gradient stays.
    pub beta_1: f64,
    /// β₂, how much of the largest gradient stays.
    pub beta_2: f64,
    /// ε, beside the largest gradient.
    pub epsilon: f64,
}

impl Adamax {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 3] = ["beta_1", "beta_2", "epsilon"];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        Ok(Adamax {
            beta_1: beta(spec, "beta_1", 0.9)?,
            beta_2: beta(spec, "beta_2", 0.999)?,
            epsilon: epsilon(spec, 1e-7)?,
        })
    }
}

impl Family for Adamax {
    fn slot_names(&self) -> &'static [&'static str] {
        &["momentum", "norm"]
    }

    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, t: u64, rate: f64, v: V) -> V::Output {
        v.visit(Step {
            alpha: rate / (1.0 - self.beta_1.powf(t as f64)),
            share: 1.0 - self.beta_1,
            keep: self.beta_2,
            epsilon: positive(self.epsilon),
        })
    }
}

/// Adamax's step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    alpha: f64,
    share: f64,
    keep: f64,
    epsilon: f64,
}

impl Update for Step {
    const SLOTS: usize = 2;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        slots[0] = flush((g - slots[0]).mul_add(R::splat(self.share), slots[0]));
        slots[1] = flush((slots[1] * R::splat(self.keep)).max(g.abs()));
        w - slots[0] * R::splat(self.alpha) / (slots[1] + R::splat(self.epsilon))
    }
}
