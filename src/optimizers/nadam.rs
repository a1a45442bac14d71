//! Nadam (Dozat 2015): Adam whose momentum looks ahead and grows, μ(t) = β₁(1 − ½·0.96ᵗ), with Π(t) = μ(1)…μ(t):
//! m ← m + (g − m)(1 − β₁), v ← v + (g² − v)(1 − β₂),
//! w ← w − η(μ(t+1)m/(1 − Π(t+1)) + (1 − μ(t))g/(1 − Π(t)))/(√(v/(1 − β₂ᵗ)) + ε).

use super::adam::{beta, epsilon};
use super::{Family, MAX_SLOTS, Update, UpdateVisitor, flush, positive};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Nadam {
    /// β₁, how much of the mean gradient stays.
    pub beta_1: f64,
    /// β₂, how much of the mean square stays.
    pub beta_2: f64,
    /// ε, beside the root.
    pub epsilon: f64,
}

impl Nadam {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 3] = ["beta_1", "beta_2", "epsilon"];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        Ok(Nadam {
            beta_1: beta(spec, "beta_1", 0.9)?,
            beta_2: beta(spec, "beta_2", 0.999)?,
            epsilon: epsilon(spec, 1e-7)?,
        })
    }

    /// μ(t).
    fn momentum(&self, t: u64) -> f64 {
        self.beta_1 * (1.0 - 0.5 * 0.96_f64.powf(t as f64))
    }

    /// Π(t), as a function of t alone: nothing has to be remembered from step to step.
    fn product(&self, t: u64) -> f64 {
        let power = self.beta_1.powf(t as f64);
        // Beside 1 it is nothing. So early enough in training the loop ends here.
        if power < 1e-18 {
            return 0.0;
        }
        let (mut decay, mut product) = (1.0, power);
        // Beyond the 1000th a factor is 1 in double precision.
        for _ in 0..t.min(1000) {
            decay *= 0.96;
            product *= 1.0 - 0.5 * decay;
        }
        product
    }
}

impl Family for Nadam {
    fn slot_names(&self) -> &'static [&'static str] {
        &["momentum", "velocity"]
    }

    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, t: u64, rate: f64, v: V) -> V::Output {
        let (now, next, product) = (self.momentum(t), self.momentum(t + 1), self.product(t));
        v.visit(Step {
            along_mean: rate * next / (1.0 - product * next),
            along_gradient: rate * (1.0 - now) / (1.0 - product),
            correction: 1.0 / (1.0 - self.beta_2.powf(t as f64)),
            share_1: 1.0 - self.beta_1,
            share_2: 1.0 - self.beta_2,
            epsilon: positive(self.epsilon),
        })
    }
}

/// Nadam's step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    along_mean: f64,
    along_gradient: f64,
    correction: f64,
    share_1: f64,
    share_2: f64,
    epsilon: f64,
}

impl Update for Step {
    const SLOTS: usize = 2;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        slots[0] = flush((g - slots[0]).mul_add(R::splat(self.share_1), slots[0]));
        slots[1] = flush((g * g - slots[1]).mul_add(R::splat(self.share_2), slots[1]));
        let step = slots[0] * R::splat(self.along_mean) + g * R::splat(self.along_gradient);
        w - step / ((slots[1] * R::splat(self.correction)).sqrt() + R::splat(self.epsilon))
    }
}
