//! Adagrad (Duchi et al. 2011): a ← a + g², w ← w − ηg/√(a + ε).

use super::adam::epsilon;
use super::{Family, MAX_SLOTS, Update, UpdateVisitor, positive};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Adagrad {
    /// a at the start.
    pub initial_accumulator_value: f64,
    /// ε, under the root.
    pub epsilon: f64,
}

impl Adagrad {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 2] = ["initial_accumulator_value", "epsilon"];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        let initial = spec.number_where("initial_accumulator_value", 0.1, "a number ≥ 0", |a| a >= 0.0)?;
        let epsilon = epsilon(spec, 1e-7)?;
        Ok(Adagrad { initial_accumulator_value: initial, epsilon })
    }
}

impl Family for Adagrad {
    fn slot_names(&self) -> &'static [&'static str] {
        &["accumulator"]
    }

    fn slot_initial_values(&self) -> [f64; 3] {
        [self.initial_accumulator_value, 0.0, 0.0]
    }

    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, _: u64, rate: f64, v: V) -> V::Output {
        v.visit(Step { rate, epsilon: positive(self.epsilon) })
    }
}

/// Adagrad's step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    rate: f64,
    epsilon: f64,
}

impl Update for Step {
    const SLOTS: usize = 1;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        slots[0] = slots[0] + g * g;
        w - g * R::splat(self.rate) / (slots[0] + R::splat(self.epsilon)).sqrt()
    }
}
