//! Lamb (You et al. 2019): Adam's step, as long as the variable itself: m ← m + (g − m)(1 − β₁),
//! v ← v + (g² − v)(1 − β₂), d = m/(1 − β₁ᵗ)/(√(v/(1 − β₂ᵗ)) + ε), w ← w − η·‖w‖/‖d‖·d, and w ← w − ηd where
//! either norm is 0.
//!
//! The norms need the whole variable, so a step has two passes: [`Direction`] gives d, [`Along`] goes along it.

use super::adam::{beta, epsilon};
use super::{Family, MAX_SLOTS, Update, UpdateVisitor, flush, positive};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lamb {
    /// β₁, how much of the mean gradient stays.
    pub beta_1: f64,
    /// β₂, how much of the mean square stays.
    pub beta_2: f64,
    /// ε, beside the root.
    pub epsilon: f64,
}

impl Lamb {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 3] = ["beta_1", "beta_2", "epsilon"];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        Ok(Lamb {
            beta_1: beta(spec, "beta_1", 0.9)?,
            beta_2: beta(spec, "beta_2", 0.999)?,
            epsilon: epsilon(spec, 1e-7)?,
        })
    }

    pub(super) fn direction(&self, t: u64) -> Direction {
        Direction {
            correction_1: 1.0 / (1.0 - self.beta_1.powf(t as f64)),
            correction_2: 1.0 / (1.0 - self.beta_2.powf(t as f64)),
            share_1: 1.0 - self.beta_1,
            share_2: 1.0 - self.beta_2,
            epsilon: positive(self.epsilon),
        }
    }
}

/// ‖w‖/‖d‖, and 1 where either is 0.
pub(super) fn trust_ratio(weight_norm: f64, direction_norm: f64) -> f64 {
    // As in Keras, a norm that is not a number is not above 0 either.
    if weight_norm > 0.0 && direction_norm > 0.0 { weight_norm / direction_norm } else { 1.0 }
}

impl Family for Lamb {
    fn slot_names(&self) -> &'static [&'static str] {
        &["momentum", "velocity"]
    }

    /// The step with a ratio of 1: what is left where norms are not known.
    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, t: u64, rate: f64, v: V) -> V::Output {
        v.visit(Unscaled { direction: self.direction(t), along: Along { rate } })
    }
}

/// The direction d in place of a weight; the slots go on.
#[derive(Clone, Copy, Debug)]
pub struct Direction {
    correction_1: f64,
    correction_2: f64,
    share_1: f64,
    share_2: f64,
    epsilon: f64,
}

impl Update for Direction {
    const SLOTS: usize = 2;
    #[inline(always)]
    fn update<R: Real>(self, _: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        slots[0] = flush((g - slots[0]).mul_add(R::splat(self.share_1), slots[0]));
        slots[1] = flush((g * g - slots[1]).mul_add(R::splat(self.share_2), slots[1]));
        let root = (slots[1] * R::splat(self.correction_2)).sqrt();
        slots[0] * R::splat(self.correction_1) / (root + R::splat(self.epsilon))
    }
}

/// w − rate·d, with d in place of a gradient; the slots stay.
#[derive(Clone, Copy, Debug)]
pub struct Along {
    pub(super) rate: f64,
}

impl Update for Along {
    const SLOTS: usize = 2;
    #[inline(always)]
    fn update<R: Real>(self, w: R, d: R, _: &mut [R; MAX_SLOTS]) -> R {
        w - d * R::splat(self.rate)
    }
}

/// Both at once.
#[derive(Clone, Copy, Debug)]
pub struct Unscaled {
    direction: Direction,
    along: Along,
}

impl Update for Unscaled {
    const SLOTS: usize = 2;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        let d = self.direction.update(w, g, slots);
        self.along.update(w, d, slots)
    }
}
