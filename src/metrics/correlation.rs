//! How alike a row's targets and predictions are: cosine, Pearson's correlation, Lin's concordance.
//!
//! Sources: `keras/src/metrics/correlation_metrics.py` and `regression_metrics.py`, whose epsilons these are.

use super::EPSILON;
use crate::losses::Target;
use crate::real::Real;

/// Σ yp / (|y| |p|), where a length below 10⁻⁷ counts as 10⁻⁷.
#[inline(always)]
pub fn cosine<R: Real>(target: Target<R>, p: &[R]) -> R {
    let (mut yy, mut pp, mut yp) = (R::zero(), R::zero(), R::zero());
    for (j, &entry) in p.iter().enumerate() {
        let y = target.number(j);
        (yy, pp, yp) = (y.mul_add(y, yy), entry.mul_add(entry, pp), y.mul_add(entry, yp));
    }
    let least = R::splat(EPSILON);
    yp / (least.max(yy.sqrt()) * least.max(pp.sqrt()))
}

/// Means of targets and predictions.
#[inline(always)]
fn means<R: Real>(target: Target<R>, p: &[R]) -> (R, R) {
    let (mut y, mut q, share) = (R::zero(), R::zero(), R::splat(1.0 / p.len() as f64));
    for (j, &entry) in p.iter().enumerate() {
        (y, q) = (y + target.number(j), q + entry);
    }
    (y * share, q * share)
}

/// Σ (y − ȳ)(p − p̄) / √(Σ (y − ȳ)² Σ (p − p̄)²); NaN for a row that does not vary, as in Keras.
#[inline(always)]
pub fn pearson<R: Real>(target: Target<R>, p: &[R]) -> R {
    let (y_mean, p_mean) = means(target, p);
    let (mut yy, mut pp, mut yp) = (R::zero(), R::zero(), R::zero());
    for (j, &entry) in p.iter().enumerate() {
        let (y, q) = (target.number(j) - y_mean, entry - p_mean);
        (yy, pp, yp) = (y.mul_add(y, yy), q.mul_add(q, pp), y.mul_add(q, yp));
    }
    yp / (yy.sqrt() * pp.sqrt())
}

/// (1/n) Σ 2 (y − p̄)(p − p̄) / (var y + var p + (ȳ − p̄)² + 10⁻⁷).
#[inline(always)]
pub fn concordance<R: Real>(target: Target<R>, p: &[R]) -> R {
    let (y_mean, p_mean) = means(target, p);
    let share = R::splat(1.0 / p.len() as f64);
    let (mut yy, mut pp, mut yp) = (R::zero(), R::zero(), R::zero());
    for (j, &entry) in p.iter().enumerate() {
        let (y, q) = (target.number(j) - y_mean, entry - p_mean);
        (yy, pp) = (y.mul_add(y, yy), q.mul_add(q, pp));
        yp = (target.number(j) - p_mean).mul_add(q, yp);
    }
    let norm = (yy + pp) * share + (y_mean - p_mean).square() + R::splat(EPSILON);
    (yp + yp) * share / norm
}
