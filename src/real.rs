//! What a formula may ask of a number.
//!
//! Every activation, loss, metric and update rule is written once, generically over [`Real`]. The CPU backend
//! runs it on SIMD registers (one lane a sample or an element), the tests run it on `f64` against finite
//! differences. A formula therefore branches with [`Real::select`], never with `if`.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number, or a register of numbers that all take the same path.
pub trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The result of a comparison: one truth value a lane.
    type Mask: Copy;

    /// The constant `x` in every lane.
    fn splat(x: f64) -> Self;
    /// `self * a + b`, with one rounding where the hardware has it.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// The larger; `other` where either is NaN, so `zero.max(x)` keeps a NaN in `x`.
    fn max(self, other: Self) -> Self;
    /// The smaller; `other` where either is NaN.
    fn min(self, other: Self) -> Self;
    /// |self|.
    fn abs(self) -> Self;
    /// √self.
    fn sqrt(self) -> Self;
    /// self < other; false for NaN.
    fn lt(self, other: Self) -> Self::Mask;
    /// self ≤ other; false for NaN.
    fn le(self, other: Self) -> Self::Mask;
    /// self = other; false for NaN.
    fn eq(self, other: Self) -> Self::Mask;
    /// Both masks.
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// `yes` where the mask is true, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// eˣ.
    fn exp(self) -> Self;
    /// Natural logarithm; −∞ at 0, NaN below.
    fn ln(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;

    /// 0.
    #[inline(always)]
    fn zero() -> Self {
        Self::splat(0.0)
    }
    /// 1.
    #[inline(always)]
    fn one() -> Self {
        Self::splat(1.0)
    }
    /// self > other; false for NaN.
    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }
    /// self ≥ other; false for NaN.
    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        other.le(self)
    }
    /// self · self.
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }
    /// −1, 0 or 1.
    #[inline(always)]
    fn signum(self) -> Self {
        let (zero, one) = (Self::zero(), Self::one());
        Self::select(self.gt(zero), one, Self::select(self.lt(zero), -one, self * zero))
    }
    /// `self` held between two bounds; NaN stays NaN.
    #[inline(always)]
    fn clamp(self, low: Self, high: Self) -> Self {
        high.min(low.max(self))
    }
    /// 1/(1 + e⁻ˣ), without overflow.
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let e = (-self.abs()).exp();
        let tail = Self::one() / (Self::one() + e);
        Self::select(self.lt(Self::zero()), e * tail, tail)
    }
    /// ln(1 + x) for x ≥ 0, exact for tiny x: ln(w)·x/(w − 1) with w = 1 + x (Kahan).
    #[inline(always)]
    fn ln_1p(self) -> Self {
        let w = Self::one() + self;
        let d = w - Self::one();
        let safe = Self::select(d.eq(Self::zero()), Self::one(), d);
        Self::select(d.eq(Self::zero()), self, w.ln() * self / safe)
    }
    /// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
    #[inline(always)]
    fn softplus(self) -> Self {
        Self::zero().max(self) + (-self.abs()).exp().ln_1p()
    }
}

/// The reference: plain double precision, against which the tests hold every formula.
impl Real for f64 {
    type Mask = bool;
    fn splat(x: f64) -> Self {
        x
    }
    fn mul_add(self, a: Self, b: Self) -> Self {
        f64::mul_add(self, a, b)
    }
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
    fn abs(self) -> Self {
        f64::abs(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn lt(self, other: Self) -> bool {
        self < other
    }
    fn le(self, other: Self) -> bool {
        self <= other
    }
    fn eq(self, other: Self) -> bool {
        self == other
    }
    fn both(a: bool, b: bool) -> bool {
        a && b
    }
    fn select(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    fn erf(self) -> Self {
        libm::erf(self)
    }
}
