//! What stands around every rule: g held in ±limit, w ← w − rate·w, then the rule, then a ← μa + (1 − μ)w.

use super::{MAX_SLOTS, Update, UpdateVisitor};
use crate::real::Real;

/// g held in ±limit first. An infinite limit changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Clipped<U> {
    /// Keras's `clipvalue`.
    pub limit: f64,
    /// What follows.
    pub inner: U,
}

impl<U: Update> Update for Clipped<U> {
    const SLOTS: usize = U::SLOTS;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        self.inner.update(w, g.clamp(R::splat(-self.limit), R::splat(self.limit)), slots)
    }
}

/// w ← w − rate·w first. A rate of 0 changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Decayed<U> {
    /// The learning rate times Keras's `weight_decay`.
    pub rate: f64,
    /// What follows.
    pub inner: U,
}

impl<U: Update> Update for Decayed<U> {
    const SLOTS: usize = U::SLOTS;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        self.inner.update(w - w * R::splat(self.rate), g, slots)
    }
}

/// The average of the weights after the rule, in the slot behind the rule's.
#[derive(Clone, Copy, Debug)]
pub struct Averaged<U> {
    /// How much of the old average stays.
    pub momentum: f64,
    /// What comes before.
    pub inner: U,
}

impl<U: Update> Update for Averaged<U> {
    const SLOTS: usize = U::SLOTS + 1;
    #[inline(always)]
    fn update<R: Real>(self, w: R, g: R, slots: &mut [R; MAX_SLOTS]) -> R {
        let new = self.inner.update(w, g, slots);
        let average = slots[U::SLOTS] * R::splat(self.momentum);
        slots[U::SLOTS] = average + new * R::splat(1.0 - self.momentum);
        new
    }
}

/// Puts clipping and decay around whatever update comes. One wrapping for clip, decay or both: half the loops to
/// compile, and the neutral one costs next to nothing.
pub(super) struct Wrapping<V> {
    pub limit: f64,
    pub rate: f64,
    pub visitor: V,
}

impl<V: UpdateVisitor> UpdateVisitor for Wrapping<V> {
    type Output = V::Output;
    #[inline(always)]
    fn visit<U: Update>(self, u: U) -> V::Output {
        self.visitor.visit(Clipped { limit: self.limit, inner: Decayed { rate: self.rate, inner: u } })
    }
}

/// The same with the average of the weights.
pub(super) struct Averaging<V> {
    pub limit: f64,
    pub rate: f64,
    pub momentum: f64,
    pub visitor: V,
}

impl<V: UpdateVisitor> UpdateVisitor for Averaging<V> {
    type Output = V::Output;
    #[inline(always)]
    fn visit<U: Update>(self, u: U) -> V::Output {
        let inner = Clipped { limit: self.limit, inner: Decayed { rate: self.rate, inner: u } };
        self.visitor.visit(Averaged { momentum: self.momentum, inner })
    }
}

/// A weight that stays as it is, behind `N` slots that stay too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Still<const N: usize>;

impl<const N: usize> Update for Still<N> {
    const SLOTS: usize = N;
    #[inline(always)]
    fn update<R: Real>(self, w: R, _: R, _: &mut [R; MAX_SLOTS]) -> R {
        w
    }
}
