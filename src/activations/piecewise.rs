//! Activations made of straight (or, for sparse-plus, parabolic) pieces. At a kink the derivative is the one that
//! JAX gives Keras.

use super::elementwise::{Formula, formula};
use crate::real::Real;

formula! {
    /// x.
    Linear() from output {
        f(x) = x;
        slope(x, y) = R::one();
    }
}

formula! {
    /// max(x, 0), with derivative 0 at 0.
    Relu() from output {
        f(x) = R::zero().max(x);
        slope(x, y) = R::select(y.gt(R::zero()), R::one(), R::zero());
    }
}

formula! {
    /// x held in [0, 6], with derivative 0 at both ends.
    Relu6() from output {
        f(x) = x.clamp(R::zero(), R::splat(6.0));
        slope(x, y) = within(y, 0.0, 6.0, R::one());
    }
}

formula! {
    /// x from 0 on, a·x below, for a > 0: there y has the sign of x.
    LeakyRelu(negative_slope) from output {
        f(x) = R::select(x.ge(R::zero()), x, x * negative_slope);
        slope(x, y) = R::select(y.ge(R::zero()), R::one(), negative_slope);
    }
}

formula! {
    /// The same for a ≤ 0, where the sign of y does not tell.
    LeakyReluOfInput(negative_slope) from input {
        f(x) = R::select(x.ge(R::zero()), x, x * negative_slope);
        slope(x, y) = R::select(x.ge(R::zero()), R::one(), negative_slope);
    }
}

formula! {
    /// x where |x| > t, else 0.
    HardShrink(threshold) from output {
        f(x) = R::select(x.abs().gt(threshold), x, R::zero());
        slope(x, y) = R::select(y.eq(R::zero()), R::zero(), R::one());
    }
}

formula! {
    /// x less its part in [−t, t].
    SoftShrink(threshold) from output {
        f(x) = x - x.clamp(-threshold, threshold);
        slope(x, y) = R::select(y.eq(R::zero()), R::zero(), R::one());
    }
}

formula! {
    /// relu6(x + 3)/6.
    HardSigmoid() from output {
        f(x) = hard_sigmoid(x);
        slope(x, y) = within(y, 0.0, 1.0, R::splat(1.0 / 6.0));
    }
}

formula! {
    /// x·hard_sigmoid(x).
    HardSilu() from input {
        f(x) = x * hard_sigmoid(x);
        slope(x, y) = hard_sigmoid(x) + within(x, -3.0, 3.0, x * R::splat(1.0 / 6.0));
    }
}

formula! {
    /// x held in [−1, 1], with derivative 1 at both ends.
    HardTanh() from input {
        f(x) = x.clamp(-R::one(), R::one());
        slope(x, y) = R::select(x.abs().le(R::one()), R::one(), R::zero());
    }
}

formula! {
    /// 0 up to −1, (x + 1)²/4 between, x from 1 on. On the parabola the slope (x + 1)/2 is √y.
    SparsePlus() from output {
        f(x) = R::select(
            x.ge(R::one()),
            x,
            R::select(x.le(-R::one()), R::zero(), (x + R::one()).square() * R::splat(0.25)),
        );
        slope(x, y) = R::one().min(y.sqrt());
    }
}

formula! {
    /// (x + 1)/2 held in [0, 1], with half the slope at both ends.
    SparseSigmoid() from input {
        f(x) = (x + R::one()).clamp(R::zero(), R::splat(2.0)) * R::splat(0.5);
        slope(x, y) = within(x, -1.0, 1.0, R::splat(0.5))
            + R::select(x.abs().eq(R::one()), R::splat(0.25), R::zero());
    }
}

formula! {
    /// x above t, else v.
    Threshold(threshold, default_value) from input {
        f(x) = R::select(x.gt(threshold), x, default_value);
        slope(x, y) = R::select(x.gt(threshold), R::one(), R::zero());
    }
}

/// Keras's general relu: clip(x if x > t else 0, low, high) − a·max(t − x, 0).
#[derive(Clone, Copy)]
pub struct ReluGeneral {
    negative_slope: f64,
    threshold: f64,
    low: f64,
    high: f64,
    tie: f64,
}

impl ReluGeneral {
    /// With Keras's arguments.
    pub fn new(negative_slope: f64, max_value: Option<f64>, threshold: f64) -> Self {
        // Keras clips from below too, but only where there is a ceiling; a negative threshold shows it.
        let (low, high) = max_value.map_or((f64::NEG_INFINITY, f64::INFINITY), |max| (0.0, max));
        // At the ceiling JAX's `clip` halves the derivative; a ceiling of 6 alone goes through relu6, which has 0.
        let tie = if max_value == Some(6.0) && threshold == 0.0 { 0.0 } else { 0.5 };
        ReluGeneral { negative_slope, threshold, low, high, tie }
    }
}

impl Formula for ReluGeneral {
    const NEEDS_INPUT: bool = true;
    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        let threshold = R::splat(self.threshold);
        let above = R::select(x.gt(threshold), x, R::zero()).clamp(R::splat(self.low), R::splat(self.high));
        above - R::splat(self.negative_slope) * R::zero().max(threshold - x)
    }
    #[inline(always)]
    fn slope<R: Real>(self, x: R, _: R) -> R {
        let (threshold, low, high) = (R::splat(self.threshold), R::splat(self.low), R::splat(self.high));
        let inside = R::select(R::both(x.gt(low), x.lt(high)), R::one(), R::zero());
        let tie = R::splat(self.tie);
        let clipped = R::select(x.eq(low), tie, R::select(x.eq(high), tie, inside));
        let above = R::select(x.gt(threshold), clipped, R::zero());
        above + R::select(x.lt(threshold), R::splat(self.negative_slope), R::zero())
    }
}

#[inline(always)]
fn hard_sigmoid<R: Real>(x: R) -> R {
    (x + R::splat(3.0)).clamp(R::zero(), R::splat(6.0)) * R::splat(1.0 / 6.0)
}

/// `yes` strictly between two bounds, 0 elsewhere.
#[inline(always)]
fn within<R: Real>(x: R, low: f64, high: f64, yes: R) -> R {
    R::select(R::both(x.gt(R::splat(low)), x.lt(R::splat(high))), yes, R::zero())
}
