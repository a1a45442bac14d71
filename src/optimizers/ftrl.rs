//! Follow the regularised leader (McMahan et al. 2013), with p = −`learning_rate_power` and b = λ₂ + β/(2η):
//! n = a + g², z ← z + g + 2λₛw − (nᵖ − aᵖ)/η·w, w ← (clip(z, ±λ₁) − z)/(nᵖ/η + 2b), a ← n.

use super::{Family, MAX_SLOTS, Update, UpdateVisitor, positive};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ftrl {
    /// −p, at most 0.
    pub learning_rate_power: f64,
    /// a at the start.
    pub initial_accumulator_value: f64,
    /// λ₁.
    pub l1_regularization_strength: f64,
    /// λ₂.
    pub l2_regularization_strength: f64,
    /// λₛ.
    pub l2_shrinkage_regularization_strength: f64,
    /// β.
    pub beta: f64,
}

impl Ftrl {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 6] = [
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        let not_negative = |key, default| spec.number_where(key, default, "a number ≥ 0", |x| x >= 0.0);
        Ok(Ftrl {
            learning_rate_power: spec.number_where("learning_rate_power", -0.5, "a number ≤ 0", |p| p <= 0.0)?,
            initial_accumulator_value: not_negative("initial_accumulator_value", 0.1)?,
            l1_regularization_strength: not_negative("l1_regularization_strength", 0.0)?,
            l2_regularization_strength: not_negative("l2_regularization_strength", 0.0)?,
            l2_shrinkage_regularization_strength: not_negative("l2_shrinkage_regularization_strength", 0.0)?,
            beta: spec.number("beta", 0.0)?,
        })
    }
}

impl Family for Ftrl {
    fn slot_names(&self) -> &'static [&'static str] {
        &["accumulator", "linear"]
    }

    fn slot_initial_values(&self) -> [f64; 3] {
        [self.initial_accumulator_value, 0.0, 0.0]
    }

    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, _: u64, rate: f64, v: V) -> V::Output {
        let rate = positive(rate);
        let step = Step {
            power: -self.learning_rate_power,
            per_rate: 1.0 / rate,
            shrinkage: 2.0 * self.l2_shrinkage_regularization_strength,
            limit: self.l1_regularization_strength,
            curvature: 2.0 * (self.l2_regularization_strength + self.beta / (2.0 * rate)),
        };
        if step.power == 0.5 { v.visit(Rooted(step)) } else { v.visit(step) }
    }
}

/// Ftrl's step for any power.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    power: f64,
    per_rate: f64,
    shrinkage: f64,
    limit: f64,
    curvature: f64,
}

impl Step {
    /// The rest of the step, given nᵖ and aᵖ.
    #[inline(always)]
    fn follow<R: Real>(self, w: R, g: R, linear: &mut R, new_power: R, old_power: R) -> R {
        let per_rate = R::splat(self.per_rate);
        let along = g + w * R::splat(self.shrinkage);
        *linear = *linear + (along - (new_power - old_power) * per_rate * w);
        let quadratic = R::splat(f32::MIN_POSITIVE as f64).max(new_power * per_rate + R::splat(self.curvature));
        (linear.clamp(R::splat(-self.limit), R::splat(self.limit)) - *linear) / quadratic
    }
}

/// xᵖ for x ≥ 0 and p ≥ 0. The logarithm of 0 is kept away from a p of 0.
#[inline(always)]
fn power<R: Real>(x: R, p: f64) -> R {
    let safe = R::splat(f32::MIN_POSITIVE as f64).max(x);
    let raised = (safe.ln() * R::splat(p)).exp();
    // 0 to the power of 0 is 1, to any other 0.
    R::select(x.le(R::zero()), R::splat(if p == 0.0 { 1.0 } else { 0.0 }), raised)
}

impl Update for Step {
    const SLOTS: usize = 2;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        let [old, linear, ..] = slots;
        let new = *old + g * g;
        let w = self.follow(w, g, linear, power(new, self.power), power(*old, self.power));
        *old = new;
        w
    }
}

/// Its step for the power of one half.
#[derive(Clone, Copy, Debug)]
pub struct Rooted(Step);

impl Update for Rooted {
    const SLOTS: usize = 2;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        let [old, linear, ..] = slots;
        let new = *old + g * g;
        let w = self.0.follow(w, g, linear, new.sqrt(), old.sqrt());
        *old = new;
        w
    }
}
