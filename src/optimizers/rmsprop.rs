//! RMSprop (Hinton 2012): v ← ρv + (1 − ρ)g², d = ηg/√(v + ε), w ← w − d; with momentum m ← μm + d, w ← w − m;
//! centered, with a ← ρa + (1 − ρ)g, the root is √(v − a² + ε).

use super::adam::epsilon;
use super::{Family, MAX_SLOTS, Update, UpdateVisitor, flush, positive};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RmsProp {
    /// ρ, how much of the mean square stays.
    pub rho: f64,
    /// μ; with 0 there is no slot for it.
    pub momentum: f64,
    /// ε, under the root.
    pub epsilon: f64,
    /// Whether the square of the mean gradient is taken off.
    pub centered: bool,
}

impl RmsProp {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 4] = ["rho", "momentum", "epsilon", "centered"];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        Ok(RmsProp {
            rho: spec.number("rho", 0.9)?,
            momentum: spec.number("momentum", 0.0)?,
            epsilon: epsilon(spec, 1e-7)?,
            centered: spec.flag("centered", false)?,
        })
    }
}

impl Family for RmsProp {
    fn slot_names(&self) -> &'static [&'static str] {
        match (self.momentum > 0.0, self.centered) {
            (false, false) => &["velocity"],
            (true, false) => &["velocity", "momentum"],
            (false, true) => &["velocity", "average_gradient"],
            (true, true) => &["velocity", "momentum", "average_gradient"],
        }
    }

    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, _: u64, rate: f64, v: V) -> V::Output {
        let Self { rho, momentum, .. } = *self;
        let root = Root { rate, rho, epsilon: positive(self.epsilon) };
        match (momentum > 0.0, self.centered) {
            (false, false) => v.visit(Step::<false, false, 1> { root, momentum }),
            (true, false) => v.visit(Step::<true, false, 2> { root, momentum }),
            (false, true) => v.visit(Step::<false, true, 2> { root, momentum }),
            (true, true) => v.visit(Step::<true, true, 3> { root, momentum }),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Root {
    rate: f64,
    rho: f64,
    epsilon: f64,
}

impl Root {
    /// ρ·old + (1 − ρ)·new.
    #[inline(always)]
    fn mean<R: Real>(self, old: R, new: R) -> R {
        flush(old * R::splat(self.rho) + new * R::splat(1.0 - self.rho))
    }
}

/// RMSprop's step.
#[derive(Clone, Copy, Debug)]
pub struct Step<const MOMENTUM: bool, const CENTERED: bool, const SLOTS: usize> {
    root: Root,
    momentum: f64,
}

impl<const MOMENTUM: bool, const CENTERED: bool, const SLOTS: usize> Update for Step<MOMENTUM, CENTERED, SLOTS> {
    const SLOTS: usize = SLOTS;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        let root = self.root;
        slots[0] = root.mean(slots[0], g * g);
        let mut square = slots[0];
        if CENTERED {
            slots[SLOTS - 1] = root.mean(slots[SLOTS - 1], g);
            square = square - slots[SLOTS - 1] * slots[SLOTS - 1];
        }
        let step = g * R::splat(root.rate) / (square + R::splat(root.epsilon)).sqrt();
        if MOMENTUM {
            slots[1] = flush(slots[1] * R::splat(self.momentum) + step);
            w - slots[1]
        } else {
            w - step
        }
    }
}
