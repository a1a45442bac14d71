//! Shares of hits: equality, the largest prediction, the k largest.

use crate::losses::Target;
use crate::real::Real;

/// (1/n) Σ [y = (p > threshold)], for the threshold in single precision, as Keras compares.
#[inline(always)]
pub fn binary<R: Real>(target: Target<R>, p: &[R], threshold: f64) -> R {
    let (zero, one, threshold) = (R::zero(), R::one(), R::splat(f64::from(threshold as f32)));
    let mut hits = zero;
    for (j, &entry) in p.iter().enumerate() {
        let predicted = R::select(entry.gt(threshold), one, zero);
        hits = hits + R::select(target.number(j).eq(predicted), one, zero);
    }
    hits * R::splat(1.0 / p.len() as f64)
}

/// (1/n) Σ [y = p].
#[inline(always)]
pub fn equal<R: Real>(target: Target<R>, p: &[R]) -> R {
    let mut hits = R::zero();
    for (j, &entry) in p.iter().enumerate() {
        hits = hits + R::select(target.number(j).eq(entry), R::one(), R::zero());
    }
    hits * R::splat(1.0 / p.len() as f64)
}

/// [fewer than k predictions exceed that of the class]. Ties count as hits, as in Keras's `in_top_k`; a class that is
/// no column, or whose prediction is NaN, is below all others.
#[inline(always)]
pub fn in_top_k<R: Real>(target: Target<R>, p: &[R], k: usize) -> R {
    let class = class_of(target);
    let (zero, one) = (R::zero(), R::one());
    let mut at_class = R::splat(f64::NEG_INFINITY);
    for (j, &entry) in p.iter().enumerate() {
        let here = R::both(class.eq(R::splat(j as f64)), entry.eq(entry));
        at_class = R::select(here, entry, at_class);
    }
    let mut better = zero;
    for &entry in p {
        better = better + R::select(entry.gt(at_class), one, zero);
    }
    R::select(better.lt(R::splat(k as f64)), one, zero)
}

/// [the class is one of the first k ids].
#[inline(always)]
pub fn among_first<R: Real>(target: Target<R>, ids: &[R], k: usize) -> R {
    let class = class_of(target);
    let mut hit = R::zero();
    for &id in ids.iter().take(k) {
        hit = R::select(id.eq(class), R::one(), hit);
    }
    hit
}

/// The class, or the column of the largest target.
#[inline(always)]
pub fn class_of<R: Real>(target: Target<R>) -> R {
    match target {
        Target::Dense(y) => argmax(y),
        Target::Class(class) => class,
    }
}

/// The first column that holds the row's maximum, as numpy's `argmax`.
#[inline(always)]
pub fn argmax<R: Real>(x: &[R]) -> R {
    let (mut best, mut place) = (x[0], R::zero());
    for (j, &entry) in x.iter().enumerate().skip(1) {
        let better = entry.gt(best);
        best = R::select(better, entry, best);
        place = R::select(better, R::splat(j as f64), place);
    }
    place
}
