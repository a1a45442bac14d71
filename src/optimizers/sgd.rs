//! Stochastic gradient descent, with rate η and momentum μ:
//! w ← w − ηg; or m ← μm − ηg, w ← w + m; or, looking ahead (Nesterov), w ← w + μm − ηg with the new m.

use super::{Family, MAX_SLOTS, Update, UpdateVisitor, flush};
use crate::error::Result;
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;

/// The rule's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sgd {
    /// μ, from 0 to 1; with 0 there is no slot.
    pub momentum: f64,
    /// Whether to look ahead.
    pub nesterov: bool,
}

impl Sgd {
    /// Keras's names of the arguments of its own.
    pub(super) const ARGUMENTS: [&str; 2] = ["momentum", "nesterov"];

    pub(super) fn parse(spec: &Spec) -> Result<Self> {
        let momentum = spec.number_where("momentum", 0.0, "a number from 0 to 1", |m| (0.0..=1.0).contains(&m))?;
        Ok(Sgd { momentum, nesterov: spec.flag("nesterov", false)? })
    }
}

impl Family for Sgd {
    fn slot_names(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["momentum"] }
    }

    #[inline(always)]
    fn at_step<V: UpdateVisitor>(&self, _: u64, rate: f64, v: V) -> V::Output {
        let momentum = self.momentum;
        match (momentum == 0.0, self.nesterov) {
            (true, _) => v.visit(Plain { rate }),
            (_, false) => v.visit(Momentum { rate, momentum }),
            (_, true) => v.visit(Nesterov { rate, momentum }),
        }
    }
}

/// w − ηg.
#[derive(Clone, Copy, Debug)]
pub struct Plain {
    rate: f64,
}

impl Update for Plain {
    const SLOTS: usize = 0;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, _: &mut [R; MAX_SLOTS]) -> R {
        w - g * R::splat(self.rate)
    }
}

/// m ← μm − ηg; w + m.
#[derive(Clone, Copy, Debug)]
pub struct Momentum {
    rate: f64,
    momentum: f64,
}

impl Update for Momentum {
    const SLOTS: usize = 1;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        slots[0] = flush(slots[0] * R::splat(self.momentum) - g * R::splat(self.rate));
        w + slots[0]
    }
}

/// m ← μm − ηg; w + (μm − ηg).
#[derive(Clone, Copy, Debug)]
pub struct Nesterov {
    rate: f64,
    momentum: f64,
}

impl Update for Nesterov {
    const SLOTS: usize = 1;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        let (momentum, step) = (R::splat(self.momentum), g * R::splat(self.rate));
        slots[0] = flush(slots[0] * momentum - step);
        w + (slots[0] * momentum - step)
    }
}
