//! Activations made of exponentials and their kin.
//!
//! They are written so that no finite x makes a NaN: an exponential is taken of something not above 0, or its
//! overflow is in the lane that `select` drops.

use super::elementwise::{Formula, exp_m1, formula};
use crate::real::Real;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// SELU's α and scale (Klambauer et al. 2017), as JAX has them.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// √(2/π).
const SQRT_2_OVER_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

formula! {
    /// max(x, 0) + α(e^(min(x, 0)/α) − 1).
    Celu(alpha) from output {
        f(x) = R::zero().max(x) + alpha * exp_m1(R::zero().min(x) / alpha);
        slope(x, y) = R::select(y.gt(R::zero()), R::one(), y / alpha + R::one());
    }
}

formula! {
    /// x above 0, α(eˣ − 1) below, for α ≥ 0: there y > 0 exactly where x > 0.
    Elu(alpha) from output {
        f(x) = R::select(x.gt(R::zero()), x, alpha * exp_m1(R::zero().min(x)));
        slope(x, y) = R::select(y.gt(R::zero()), R::one(), y + alpha);
    }
}

formula! {
    /// The same for α < 0, where y is positive on both sides.
    EluOfInput(alpha) from input {
        f(x) = R::select(x.gt(R::zero()), x, alpha * exp_m1(R::zero().min(x)));
        slope(x, y) = R::select(x.gt(R::zero()), R::one(), y + alpha);
    }
}

formula! {
    /// s·elu(x, α).
    Selu() from output {
        f(x) = R::select(
            x.gt(R::zero()),
            x * R::splat(SELU_SCALE),
            R::splat(SELU_SCALE * SELU_ALPHA) * exp_m1(R::zero().min(x)),
        );
        slope(x, y) =
            R::select(y.gt(R::zero()), R::splat(SELU_SCALE), y + R::splat(SELU_SCALE * SELU_ALPHA));
    }
}

formula! {
    /// eˣ.
    Exponential() from output {
        f(x) = x.exp();
        slope(x, y) = y;
    }
}

formula! {
    /// x·Φ(x); the slope is Φ(x) + x·φ(x).
    Gelu() from input {
        f(x) = R::splat(0.5) * x * (R::one() + (x * R::splat(FRAC_1_SQRT_2)).erf());
        slope(x, y) = {
            let cdf = R::splat(0.5) * (R::one() + (x * R::splat(FRAC_1_SQRT_2)).erf());
            let pdf = (x * x * R::splat(-0.5)).exp() * R::splat(0.5 * SQRT_2_OVER_PI);
            x.mul_add(pdf, cdf)
        };
    }
}

formula! {
    /// x(1 + tanh u)/2 with u = √(2/π)(x + 0.044715x³).
    GeluTanh() from input {
        f(x) = R::splat(0.5) * x * (R::one() + gelu_tanh(x).0);
        slope(x, y) = {
            let (t, du) = gelu_tanh(x);
            R::splat(0.5) * (R::one() + t + x * (R::one() - t * t) * du)
        };
    }
}

/// tanh u and u′. Beyond ±20 the tanh is ±1 to the last bit, and holding x there keeps x³ from overflowing.
#[inline(always)]
fn gelu_tanh<R: Real>(x: R) -> (R, R) {
    let x = x.clamp(R::splat(-20.0), R::splat(20.0));
    let (square, c) = (x * x, R::splat(SQRT_2_OVER_PI));
    let u = c * x * square.mul_add(R::splat(0.044715), R::one());
    (u.tanh(), c * square.mul_add(R::splat(3.0 * 0.044715), R::one()))
}

formula! {
    /// −softplus(−x); the slope is 1 − e^y.
    LogSigmoid() from output {
        f(x) = -(-x).softplus();
        slope(x, y) = -exp_m1(y);
    }
}

formula! {
    /// x·tanh(softplus(x)).
    Mish() from input {
        f(x) = x * mish_gate(x).0;
        slope(x, y) = {
            let (gate, bend) = mish_gate(x);
            x.mul_add(bend * x.sigmoid(), gate)
        };
    }
}

/// t = tanh(softplus(x)) and 1 − t². With w = eˣ, t = (w² + 2w)/(w² + 2w + 2); for x ≥ 0 both parts are divided by w².
#[inline(always)]
fn mish_gate<R: Real>(x: R) -> (R, R) {
    let (one, two) = (R::one(), R::splat(2.0));
    let e = (-x.abs()).exp();
    let negative = x.lt(R::zero());
    let top = R::select(negative, e * (e + two), e.mul_add(two, one));
    let rest = two * R::select(negative, one, e * e);
    let inverse = one / (top + rest);
    (top * inverse, rest * inverse * ((top + top + rest) * inverse))
}

formula! {
    /// σ(x).
    Sigmoid() from output {
        f(x) = x.sigmoid();
        slope(x, y) = y * (R::one() - y);
    }
}

formula! {
    /// x·σ(x).
    Silu() from input {
        f(x) = x * x.sigmoid();
        slope(x, y) = {
            let s = x.sigmoid();
            // (x·s)(1 − s) in this order: for large −x, s is 0 before x grows.
            (x * s).mul_add(R::one() - s, s)
        };
    }
}

formula! {
    /// ln(1 + eˣ); the slope σ(x) is 1 − e⁻ʸ.
    Softplus() from output {
        f(x) = x.softplus();
        slope(x, y) = -exp_m1(-y);
    }
}

formula! {
    /// x/(1 + |x|); the slope 1/(1 + |x|)² is (1 − |y|)².
    Softsign() from output {
        f(x) = x / (R::one() + x.abs());
        slope(x, y) = (R::one() - y.abs()).square();
    }
}

formula! {
    /// (x + √(x² + b))/2, for b > 0. Below 0 by the conjugate, b/(2(√(x² + b) + |x|)), which does not cancel. From
    /// y² − xy = b/4 the slope y/√(x² + b) is 1/(1 + b/(4y²)).
    Squareplus(b) from output {
        f(x) = {
            let (size, half) = (x.abs(), R::splat(0.5));
            // Where x² could overflow, b no longer shows.
            let root = R::select(size.gt(R::splat(1e18)), size, size.mul_add(size, b).sqrt());
            let sum = half * root + half * size;
            R::select(x.lt(R::zero()), b * R::splat(0.25) / sum, sum)
        };
        slope(x, y) = R::one() / (R::one() + b * R::splat(0.25) / (y * y));
    }
}

formula! {
    /// tanh x.
    Tanh() from output {
        f(x) = x.tanh();
        slope(x, y) = R::one() - y * y;
    }
}

formula! {
    /// x − tanh x.
    TanhShrink() from input {
        f(x) = x - x.tanh();
        slope(x, y) = x.tanh().square();
    }
}
