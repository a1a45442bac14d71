//! Adadelta (Zeiler 2012): a ← ρa + (1 − ρ)g², d = −√(b + ε)·g/√(a + ε), b ← ρb + (1 − ρ)d², w ← w + ηd.

use super::adam::epsilon;
use super::{Family, MAX_SLOTS, Update, UpdateVisitor, flush, positive};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Adadelta {
    /// ρ, how much of the mean squares stays.
    pub rho: f64,
    /// ε, under both roots.
    pub epsilon: f64,
}

impl Adadelta {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 2] = ["rho", "epsilon"];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        let epsilon = epsilon(spec, 1e-7)?;
        Ok(Adadelta { rho: spec.number("rho", 0.95)?, epsilon })
    }
}

impl Family for Adadelta {
    fn slot_names(&self) -> &'static [&'static str] {
        &["accumulated_grad", "accumulated_delta_var"]
    }

    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, _: u64, rate: f64, v: V) -> V::Output {
        v.visit(Step { rate, rho: self.rho, epsilon: positive(self.epsilon) })
    }
}

/// Adadelta's step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    rate: f64,
    rho: f64,
    epsilon: f64,
}

impl Update for Step {
    const SLOTS: usize = 2;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        let (old, new, epsilon) = (R::splat(self.rho), R::splat(1.0 - self.rho), R::splat(self.epsilon));
        slots[0] = flush(slots[0] * old + g * g * new);
        let delta = -((slots[1] + epsilon).sqrt() * g / (slots[0] + epsilon).sqrt());
        slots[1] = flush(slots[1] * old + delta * delta * new);
        w + delta * R::splat(self.rate)
    }
}
