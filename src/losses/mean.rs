//! Losses that are the mean, or the sum, over the columns of a term of target and prediction.

use super::Target;
use crate::real::Real;

/// One column's part of a loss.
pub trait Term: Copy {
    /// Whether the terms are added up, not averaged.
    const SUMMED: bool = false;

    /// The value and its derivative by the prediction p, for the target y.
    fn term<R: Real>(self, y: R, p: R) -> (R, R);
}

/// (1/n) Σ term, or Σ term, and its gradient.
#[inline(always)]
pub fn mean<R: Real, T: Term>(term: T, target: Target<R>, p: &[R], mut gradient: Option<&mut [R]>) -> R {
    let share = R::splat(if T::SUMMED { 1.0 } else { 1.0 / p.len() as f64 });
    let mut sum = R::zero();
    for j in 0..p.len() {
        let (value, slope) = term.term(target.number(j), p[j]);
        sum = sum + value;
        if let Some(gradient) = &mut gradient {
            gradient[j] = slope * share;
        }
    }
    sum * share
}

/// (p − y)².
#[derive(Clone, Copy)]
pub struct Squared;
impl Term for Squared {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let error = p - y;
        (error * error, error + error)
    }
}

/// |p − y|.
#[derive(Clone, Copy)]
pub struct Absolute;
impl Term for Absolute {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let error = p - y;
        (error.abs(), error.signum())
    }
}

/// 0, with the derivative y.
#[derive(Clone, Copy)]
pub struct Given;
impl Term for Given {
    #[inline(always)]
    fn term<R: Real>(self, y: R, _: R) -> (R, R) {
        (R::zero(), y)
    }
}
