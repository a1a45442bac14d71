//! exp, ln, tanh and erf on registers, to about two units in the last place of `f32`.
//!
//! exp and ln follow Cephes (`expf`, `logf`: S. L. Moshier); tanh and erf are the clamped rational approximations
//! x·P(x²)/Q(x²) that Eigen and XLA use. NaN stays NaN.

use super::Vector;

/// Σ cᵢ xⁱ by Horner, highest coefficient first.
#[inline(always)]
fn polynomial<V: Vector, const N: usize>(x: V, coefficients: [f64; N]) -> V {
    let mut sum = V::splat(coefficients[0]);
    let mut i = 1;
    while i < N {
        sum = sum.mul_add(x, V::splat(coefficients[i]));
        i += 1;
    }
    sum
}

/// eˣ = 2ⁿ eʳ with n = round(x / ln 2); results below 2⁻¹²⁵ are 0.
#[inline(always)]
pub fn exp<V: Vector>(x: V) -> V {
    const LOW: f64 = -86.6;
    const HIGH: f64 = 88.722_84;
    let held = x.clamp(V::splat(LOW), V::splat(HIGH));
    let n = (held * V::splat(std::f64::consts::LOG2_E)).round();
    let r = n.mul_add(V::splat(-0.693_359_375), held);
    let r = n.mul_add(V::splat(2.121_944_4e-4), r);
    let p = polynomial(
        r,
        [
            1.987_569_15e-4,
            1.398_199_950_7e-3,
            8.333_451_907_3e-3,
            4.166_579_589_4e-2,
            1.666_666_545_9e-1,
            5.000_000_120_1e-1,
        ],
    );
    let y = p.mul_add(r * r, r) + V::one();
    // n reaches 128, one more than an exponent can hold: double y and take one from n.
    let y = (y + y) * (n - V::one()).pow2();
    let y = V::select(x.lt(V::splat(LOW)), V::zero(), y);
    V::select(x.gt(V::splat(HIGH)), V::splat(f64::INFINITY), y)
}

/// ln x = e ln 2 + ln m with m in [√½, √2).
#[inline(always)]
pub fn ln<V: Vector>(x: V) -> V {
    const SMALLEST_NORMAL: f64 = f32::MIN_POSITIVE as f64;
    let tiny = x.lt(V::splat(SMALLEST_NORMAL));
    let scaled = V::select(tiny, x * V::splat(16_777_216.0), x);
    let (m, e) = scaled.frexp();
    let e = V::select(tiny, e - V::splat(24.0), e);
    let below = m.lt(V::splat(std::f64::consts::FRAC_1_SQRT_2));
    let e = V::select(below, e - V::one(), e);
    let z = V::select(below, m + m, m) - V::one();
    let z2 = z * z;
    let p = polynomial(
        z,
        [
            7.037_683_629_2e-2,
            -1.151_461_031e-1,
            1.167_699_874e-1,
            -1.242_014_084_6e-1,
            1.424_932_278_7e-1,
            -1.666_805_766_5e-1,
            2.000_071_476_5e-1,
            -2.499_999_399_3e-1,
            3.333_333_117_4e-1,
        ],
    );
    let y = e.mul_add(V::splat(-2.121_944_4e-4), p * z * z2);
    let y = z2.mul_add(V::splat(-0.5), y);
    let y = e.mul_add(V::splat(0.693_359_375), z + y);
    let y = V::select(x.eq(V::zero()), V::splat(f64::NEG_INFINITY), y);
    let y = V::select(x.lt(V::zero()), V::splat(f64::NAN), y);
    // Infinity and NaN pass through.
    let ordinary = x.lt(V::splat(f64::INFINITY));
    V::select(ordinary, y, x)
}

/// tanh x = x·P(x²)/Q(x²) on |x| ≤ 7.905, where it is 1 to four units in the last place.
#[inline(always)]
pub fn tanh<V: Vector>(x: V) -> V {
    let held = x.clamp(V::splat(-7.905_311), V::splat(7.905_311));
    let x2 = held * held;
    let p = polynomial(
        x2,
        [
            -2.760_768_477_423_55e-16,
            2.000_187_904_824_77e-13,
            -8.604_671_522_137_35e-11,
            5.122_297_090_371_14e-8,
            1.485_722_357_179_79e-5,
            6.372_619_288_754_36e-4,
            4.893_524_558_917_86e-3,
        ],
    );
    let q = polynomial(
        x2,
        [1.198_258_394_667_02e-6, 1.185_347_056_866_54e-4, 2.268_434_632_439_00e-3, 4.893_525_185_543_85e-3],
    );
    let y = held * p / q;
    // Below the approximation's own rounding, tanh x = x; far out it is ±1, from where the approximation stops short.
    let y = V::select(x.abs().lt(V::splat(0.0004)), x, y);
    V::select(x.abs().gt(V::splat(9.0)), x.signum(), y)
}

/// erf x = x·P(x²)/Q(x²) on |x| ≤ 4, where it is 1 to the last bit.
#[inline(always)]
pub fn erf<V: Vector>(x: V) -> V {
    let held = x.clamp(V::splat(-4.0), V::splat(4.0));
    let x2 = held * held;
    let p = polynomial(
        x2,
        [
            -2.726_142_258_013_06e-10,
            2.770_681_424_959_02e-8,
            -2.101_024_020_821_08e-6,
            -5.692_506_394_623_46e-5,
            -7.349_906_303_268_55e-4,
            -2.954_599_808_540_25e-3,
            -1.609_603_332_624_15e-2,
        ],
    );
    let q = polynomial(
        x2,
        [
            -1.456_607_184_649_96e-5,
            -2.133_740_552_789_05e-4,
            -1.682_826_974_382_03e-3,
            -7.373_329_167_204_68e-3,
            -1.426_473_905_141_89e-2,
        ],
    );
    held * p / q
}
