//! The crossentropies, on probabilities as Keras computes them and on logits.
//!
//! On probabilities: the categorical ones divide by the row's sum, then all clip to [10⁻⁷, 1 − 10⁻⁷]; where a
//! prediction is clipped its derivative is 0. On logits, with p = softmax(z) and T = Σy:
//! L = T·ln Σe^(z−m) − Σ y(z − m) for the row's maximum m, and dL/dz = T·p − y.

use super::Target;
use super::mean::Term;
use crate::activations::maximum;
use crate::real::Real;

/// Keras's `epsilon()`.
pub(super) const EPSILON: f64 = 1e-7;
/// 1 − ε in single precision, which is 1.2·10⁻⁷ from 1: so the bound is the same at every precision.
pub(super) const HIGH: f64 = 1.0 - f32::EPSILON as f64;

/// A target with label smoothing, and whether its row counts.
#[derive(Clone, Copy)]
pub struct Labels<'a, R> {
    /// As given.
    pub target: Target<'a, R>,
    /// How much of each label is spread over all classes.
    pub smoothing: f64,
    /// 1, or 0 for a row that is left out.
    pub presence: R,
}

impl<R: Real> Labels<'_, R> {
    /// y(1 − s) + s/n, for n classes.
    #[inline(always)]
    fn weight(&self, j: usize, classes: usize) -> R {
        let spread = R::splat(self.smoothing / classes as f64);
        self.target.weight(j).mul_add(R::splat(1.0 - self.smoothing), spread)
    }

    /// `x`, or 0 in the lanes that are left out, whatever x is there.
    #[inline(always)]
    fn present(&self, x: R) -> R {
        R::select(self.presence.eq(R::zero()), R::zero(), x)
    }
}

/// y(1 − s) + s/2.
#[inline(always)]
pub(super) fn smooth<R: Real>(y: R, smoothing: f64) -> R {
    y.mul_add(R::splat(1.0 - smoothing), R::splat(0.5 * smoothing))
}

/// Categorical, of probabilities.
#[inline(always)]
pub fn of_probabilities<R: Real>(labels: Labels<R>, p: &[R], gradient: Option<&mut [R]>) -> R {
    let (zero, low, high) = (R::zero(), R::splat(EPSILON), R::splat(HIGH));
    let (n, mut sum, mut loss) = (p.len(), zero, zero);
    for &entry in p {
        sum = sum + entry;
    }
    for (j, &entry) in p.iter().enumerate() {
        loss = loss - labels.weight(j, n) * (entry / sum).clamp(low, high).ln();
    }
    if let Some(gradient) = gradient {
        let mut inner = zero;
        for (j, slope) in gradient.iter_mut().enumerate() {
            let q = p[j] / sum;
            let inside = R::both(q.ge(low), q.le(high));
            *slope = R::select(inside, -labels.weight(j, n) / q, zero);
            inner = slope.mul_add(q, inner);
        }
        for entry in gradient {
            *entry = labels.present((*entry - inner) / sum);
        }
    }
    labels.present(loss)
}

/// Categorical, of logits that stay.
#[inline(always)]
pub fn of_logits<R: Real>(labels: Labels<R>, z: &[R], gradient: Option<&mut [R]>) -> R {
    let n = z.len();
    match gradient {
        Some(gradient) => {
            gradient.copy_from_slice(z);
            let (loss, total) = softmax_in_place(&labels, gradient);
            for (j, entry) in gradient.iter_mut().enumerate() {
                *entry = labels.present(total * *entry - labels.weight(j, n));
            }
            labels.present(loss)
        }
        None => {
            let (max, mut sum, mut total, mut hit) = (maximum(z), R::zero(), R::zero(), R::zero());
            for (j, &entry) in z.iter().enumerate() {
                let (weight, shifted) = (labels.weight(j, n), entry - max);
                (sum, total, hit) = (sum + shifted.exp(), total + weight, hit + product(weight, shifted));
            }
            labels.present(total * sum.ln() - hit)
        }
    }
}

/// Categorical, of logits that become probabilities.
#[inline(always)]
pub fn with_softmax<R: Real>(labels: Labels<R>, z: &mut [R], gradient: Option<&mut [R]>) -> R {
    let n = z.len();
    let (loss, total) = softmax_in_place(&labels, z);
    if let Some(gradient) = gradient {
        for j in 0..n {
            gradient[j] = labels.present(total * z[j] - labels.weight(j, n));
        }
    }
    labels.present(loss)
}

/// z → softmax(z); returns the crossentropy with the labels, and the labels' sum.
#[inline(always)]
fn softmax_in_place<R: Real>(labels: &Labels<R>, z: &mut [R]) -> (R, R) {
    let (n, max) = (z.len(), maximum(z));
    let (mut sum, mut total, mut hit) = (R::zero(), R::zero(), R::zero());
    for (j, entry) in z.iter_mut().enumerate() {
        let (weight, shifted) = (labels.weight(j, n), *entry - max);
        *entry = shifted.exp();
        (sum, total, hit) = (sum + *entry, total + weight, hit + product(weight, shifted));
    }
    let scale = R::one() / sum;
    for entry in z {
        *entry = *entry * scale;
    }
    (total * sum.ln() - hit, total)
}

/// weight·x, and 0 for weight 0 even if z − m has overflowed to −∞.
#[inline(always)]
fn product<R: Real>(weight: R, x: R) -> R {
    R::select(weight.eq(R::zero()), R::zero(), weight * x)
}

/// Binary, of a probability.
#[derive(Clone, Copy)]
pub struct Probability {
    /// How far labels are moved towards ½.
    pub smoothing: f64,
}

impl Term for Probability {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let (y, low, high) = (smooth(y, self.smoothing), R::splat(EPSILON), R::splat(HIGH));
        let (c, rest) = (p.clamp(low, high), R::one() - y);
        let d = R::one() - c;
        let inside = R::both(p.ge(low), p.le(high));
        (-(y * c.ln() + rest * d.ln()), R::select(inside, rest / d - y / c, R::zero()))
    }
}

/// Binary, of a logit.
#[derive(Clone, Copy)]
pub struct Logit {
    /// How far labels are moved towards ½.
    pub smoothing: f64,
}

impl Logit {
    /// The loss, and σ(z) − y, and σ(z), for one exponential.
    #[inline(always)]
    fn parts<R: Real>(self, y: R, z: R) -> (R, R, R) {
        let y = smooth(y, self.smoothing);
        let e = (-z.abs()).exp();
        let tail = R::one() / (R::one() + e);
        let sigmoid = R::select(z.lt(R::zero()), e * tail, tail);
        (R::zero().max(z) - z * y + e.ln_1p(), sigmoid - y, sigmoid)
    }
}

impl Term for Logit {
    #[inline(always)]
    fn term<R: Real>(self, y: R, z: R) -> (R, R) {
        let (value, slope, _) = self.parts(y, z);
        (value, slope)
    }
}

/// Binary, of logits that become probabilities.
#[inline(always)]
pub fn with_sigmoid<R: Real>(labels: Labels<R>, z: &mut [R], mut gradient: Option<&mut [R]>) -> R {
    let (logit, share) = (Logit { smoothing: labels.smoothing }, R::splat(1.0 / z.len() as f64));
    let mut sum = R::zero();
    for (j, entry) in z.iter_mut().enumerate() {
        let (value, slope, sigmoid) = logit.parts(labels.target.number(j), *entry);
        (sum, *entry) = (sum + value, sigmoid);
        if let Some(gradient) = &mut gradient {
            gradient[j] = slope * share;
        }
    }
    sum * share
}
