//! Adam (Kingma & Ba 2014) in Keras's form, which folds the bias corrections into the rate:
//! m ← m + (g − m)(1 − β₁), v ← v + (g² − v)(1 − β₂), w ← w − αm/(√v + ε) with α = η√(1 − β₂ᵗ)/(1 − β₁ᵗ).
//! AMSGrad divides by the largest v so far instead.

use super::{Family, MAX_SLOTS, Update, UpdateVisitor, flush, positive};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Adam {
    /// β₁, how much of the mean gradient stays.
    pub beta_1: f64,
    /// β₂, how much of the mean square stays.
    pub beta_2: f64,
    /// ε, beside the root.
    pub epsilon: f64,
    /// Whether the mean square may only grow.
    pub amsgrad: bool,
}

impl Adam {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 4] = ["beta_1", "beta_2", "epsilon", "amsgrad"];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        Ok(Adam {
            beta_1: beta(spec, "beta_1", 0.9)?,
            beta_2: beta(spec, "beta_2", 0.999)?,
            epsilon: epsilon(spec, 1e-7)?,
            amsgrad: spec.flag("amsgrad", false)?,
        })
    }
}

/// How much of a mean stays.
pub(super) fn beta(spec: &Spec, key: &str, default: f64) -> Result<f64> {
    spec.number_where(key, default, "a number in [0, 1)", |b| (0.0..1.0).contains(&b))
}

/// What keeps a denominator from 0.
pub(super) fn epsilon(spec: &Spec, default: f64) -> Result<f64> {
    spec.number_where("epsilon", default, "a number ≥ 0", |e| e >= 0.0)
}

impl Family for Adam {
    fn slot_names(&self) -> &'static [&'static str] {
        if self.amsgrad { &["momentum", "velocity", "velocity_hat"] } else { &["momentum", "velocity"] }
    }

    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, t: u64, rate: f64, v: V) -> V::Output {
        let (power_1, power_2) = (self.beta_1.powf(t as f64), self.beta_2.powf(t as f64));
        let moments = Moments {
            alpha: rate * (1.0 - power_2).sqrt() / (1.0 - power_1),
            share_1: 1.0 - self.beta_1,
            share_2: 1.0 - self.beta_2,
            epsilon: positive(self.epsilon),
        };
        if self.amsgrad { v.visit(AmsGrad(moments)) } else { v.visit(moments) }
    }
}

/// Adam's step.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    alpha: f64,
    share_1: f64,
    share_2: f64,
    epsilon: f64,
}

impl Moments {
    /// The new moments into their slots.
    #[inline(always)]
    fn advance<R: Real>(self, g: R, slots: &mut [R; MAX_SLOTS]) {
        slots[0] = flush((g - slots[0]).mul_add(R::splat(self.share_1), slots[0]));
        slots[1] = flush((g * g - slots[1]).mul_add(R::splat(self.share_2), slots[1]));
    }

    #[inline(always)]
    fn step<R: Real>(self, w: R, m: R, v: R) -> R {
        w - m * R::splat(self.alpha) / (v.sqrt() + R::splat(self.epsilon))
    }
}

impl Update for Moments {
    const SLOTS: usize = 2;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        self.advance(g, slots);
        self.step(w, slots[0], slots[1])
    }
}

/// AMSGrad's step.
#[derive(Clone, Copy, Debug)]
pub struct AmsGrad(Moments);

impl Update for AmsGrad {
    const SLOTS: usize = 3;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        self.0.advance(g, slots);
        slots[2] = slots[2].max(slots[1]);
        self.0.step(w, slots[0], slots[2])
    }
}
