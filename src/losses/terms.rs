//! Terms of a column: of regression, of counts, of distributions and of margins. Formulas: keras/src/losses/losses.py.

use super::crossentropy::{EPSILON, HIGH, smooth};
use super::mean::Term;
use super::power::{power, power_slope, step};
use crate::real::Real;
use std::f64::consts::LN_2;

/// 100·|y − p| / max(|y|, ε).
#[derive(Clone, Copy)]
pub struct Percentage;
impl Term for Percentage {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let (error, scale) = (p - y, R::splat(100.0) / R::splat(EPSILON).max(y.abs()));
        (error.abs() * scale, error.signum() * scale)
    }
}

/// (ln(1 + p) − ln(1 + y))², where both are at least ε. Where p < ε the derivative is 0.
#[derive(Clone, Copy)]
pub struct Logarithmic;
impl Term for Logarithmic {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let (low, one) = (R::splat(EPSILON), R::one());
        let held = low.max(p);
        let error = (held + one).ln() - (low.max(y) + one).ln();
        (error * error, step(p - low) * (error + error) / (held + one))
    }
}

/// ln cosh e for e = p − y, as |e| + ln(1 + e^(−2|e|)) − ln 2; its derivative is tanh e.
#[derive(Clone, Copy)]
pub struct LogCosh;
impl Term for LogCosh {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let error = p - y;
        let size = error.abs();
        (size + (-(size + size)).exp().ln_1p() - R::splat(LN_2), error.tanh())
    }
}

/// e²/2 for |e| ≤ δ, and δ|e| − δ²/2 beyond.
#[derive(Clone, Copy)]
pub struct Huber {
    /// Where it stops to be a square.
    pub delta: f64,
}
impl Term for Huber {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let (error, delta, half) = (p - y, R::splat(self.delta), R::splat(0.5));
        let (size, near) = (error.abs(), error.abs().le(delta));
        let value = R::select(near, half * error * error, delta * size - half * delta * delta);
        (value, R::select(near, error, delta * error.signum()))
    }
}

/// p − y·ln(p + ε).
#[derive(Clone, Copy)]
pub struct Poisson;
impl Term for Poisson {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let shifted = p + R::splat(EPSILON);
        (p - y * shifted.ln(), R::one() - y / shifted)
    }
}

/// y·ln(y/p), both held between ε and 1; where p is held the derivative is 0. Summed, not averaged.
#[derive(Clone, Copy)]
pub struct Divergence;
impl Term for Divergence {
    const SUMMED: bool = true;
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let (low, one) = (R::splat(EPSILON), R::one());
        let (y, c) = (y.clamp(low, one), p.clamp(low, one));
        let inside = R::both(p.ge(low), p.le(one));
        (y * (y / c).ln(), R::select(inside, -y / c, R::zero()))
    }
}

/// max(1 − yp, 0), or its square, for labels −1 and 1. A label 0 means −1.
///
/// Keras does that only where every label of the batch is 0 or 1; so batches that mix 0 with other labels differ.
#[derive(Clone, Copy)]
pub struct Hinge {
    /// Whether the margin is squared.
    pub squared: bool,
}
impl Term for Hinge {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let (zero, one) = (R::zero(), R::one());
        let y = R::select(y.eq(zero), -one, y);
        let gap = one - y * p;
        let margin = zero.max(gap);
        if self.squared { (margin * margin, -(y + y) * margin) } else { (margin, -y * step(gap)) }
    }
}

/// w·(1 − p_t)^γ·B, for the binary crossentropy B and p_t = yp + (1 − y)(1 − p); w is 1, or with balancing
/// yα + (1 − y)(1 − α). B holds p between ε and 1 − ε, p_t does not.
#[derive(Clone, Copy)]
pub struct BinaryFocal {
    /// α, if the classes are balanced.
    pub alpha: Option<f64>,
    /// γ.
    pub gamma: f64,
    /// Whether predictions are logits.
    pub from_logits: bool,
    /// How far labels are moved towards ½.
    pub label_smoothing: f64,
}
impl Term for BinaryFocal {
    #[inline(always)]
    fn term<R: Real>(self, y: R, p: R) -> (R, R) {
        let (zero, one, low, high) = (R::zero(), R::one(), R::splat(EPSILON), R::splat(HIGH));
        let y = smooth(y, self.label_smoothing);
        let p = if self.from_logits { p.sigmoid() } else { p };
        let (c, rest) = (p.clamp(low, high), one - y);
        let d = one - c;
        let entropy = -(y * c.ln() + rest * d.ln());
        let inside = R::both(p.ge(low), p.le(high));
        let by_c = R::select(inside, rest / d - y / c, zero);
        let miss = one - (y * p + rest * (one - p));
        let focus = power(miss, self.gamma);
        let weight = match self.alpha {
            Some(alpha) => y * R::splat(alpha) + rest * R::splat(1.0 - alpha),
            None => one,
        };
        // d(1 − p_t)/dp = 1 − 2y.
        let by_focus = power_slope(miss, self.gamma) * (rest - y);
        let slope = weight * (by_focus * entropy + focus * by_c);
        let slope = if self.from_logits { slope * p * (one - p) } else { slope };
        (weight * focus * entropy, slope)
    }
}
