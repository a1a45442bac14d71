//! Powers by a constant, and steps.

use crate::real::Real;

/// xᶜ for a constant c: by multiplication for small whole c, else e^(c·ln x), which is NaN for x < 0.
#[inline(always)]
pub fn power<R: Real>(x: R, exponent: f64) -> R {
    if exponent.fract() == 0.0 && exponent.abs() <= 64.0 {
        let (mut result, mut square, mut left) = (None, x, exponent.abs() as u32);
        while left > 0 {
            if left & 1 == 1 {
                result = Some(match result {
                    Some(product) => product * square,
                    None => square,
                });
            }
            left >>= 1;
            if left > 0 {
                square = square * square;
            }
        }
        return match result {
            None => R::one(),
            Some(product) if exponent < 0.0 => R::one() / product,
            Some(product) => product,
        };
    }
    if exponent == 0.5 { x.sqrt() } else { (x.ln() * R::splat(exponent)).exp() }
}

/// Its derivative c·xᶜ⁻¹.
#[inline(always)]
pub fn power_slope<R: Real>(x: R, exponent: f64) -> R {
    if exponent == 0.0 { R::zero() } else { R::splat(exponent) * power(x, exponent - 1.0) }
}

/// The derivative of max(x, 0): 0, ½ at 0 (as JAX has it), 1.
#[inline(always)]
pub fn step<R: Real>(x: R) -> R {
    let (zero, one) = (R::zero(), R::one());
    R::select(x.gt(zero), one, R::select(x.lt(zero), zero, R::splat(0.5)))
}
