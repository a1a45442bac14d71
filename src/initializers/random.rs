//! Random numbers of given distributions from uniform ones.

/// The largest |x| of a truncated normal is 2; this is Φ(−2).
const PHI_MINUS_2: f64 = 0.022_750_131_948_179_21;

/// A unit normal: Φ⁻¹(u), by Acklam's rational approximations (relative error 1.2·10⁻⁹).
pub fn normal(u: f64) -> f64 {
    // A generator of 53 bits never comes nearer to 0 than this, except at 0 itself.
    let u = u.max(f64::EPSILON / 4.0);
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / horner(&D, q)
    };
    const LOW: f64 = 0.02425;
    if u < LOW {
        tail(u)
    } else if u > 1.0 - LOW {
        -tail(1.0 - u)
    } else {
        let q = u - 0.5;
        q * horner(&A, q * q) / horner(&B, q * q)
    }
}

/// A unit normal that is within ±2, from the part of [0, 1) that leads there.
pub fn truncated_normal(u: f64) -> f64 {
    normal(PHI_MINUS_2 + u * (1.0 - 2.0 * PHI_MINUS_2)).clamp(-2.0, 2.0)
}

/// `gain`·Q of shape rows × columns, Q from the QR decomposition of a tall matrix of normals (transposed if the wanted
/// one is wide). Gram–Schmidt leaves a positive diagonal in R, which makes Q uniform; it is done twice, which makes
/// it orthogonal to the last bits.
pub fn orthogonal(rows: usize, columns: usize, gain: f64, out: &mut [f32], draw: &mut dyn FnMut() -> f64) {
    let (long, short) = (rows.max(columns), rows.min(columns));
    // Vector k lies at k·long.
    let mut vectors: Vec<f64> = (0..long * short).map(|_| normal(draw())).collect();
    for k in 0..short {
        let (done, rest) = vectors.split_at_mut(k * long);
        let vector = &mut rest[..long];
        for _ in 0..2 {
            for previous in done.chunks_exact(long) {
                let overlap = dot(previous, vector);
                vector.iter_mut().zip(previous).for_each(|(v, p)| *v -= overlap * p);
            }
        }
        let scale = 1.0 / dot(vector, vector).sqrt();
        vector.iter_mut().for_each(|v| *v *= scale);
    }
    for (i, x) in out.iter_mut().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let place = if rows >= columns { column * long + row } else { row * long + column };
        *x = (gain * vectors[place]) as f32;
    }
}

/// In eight sums, so that the compiler may use registers of several lanes.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a.zip(b) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::super::{Initializer, compute_fans};
    use super::*;

    /// Weyl's sequence: evenly spread, so that moments converge like 1/n.
    fn even() -> impl FnMut() -> f64 {
        let mut i = 0.0;
        move || {
            i += 1.0;
            (i * 0.618_033_988_749_894_9_f64).fract()
        }
    }

    /// SplitMix64, where the order must not matter.
    fn mixed() -> impl FnMut() -> f64 {
        let mut state = 1u64;
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    fn filled(initializer: Initializer, shape: &[usize]) -> Vec<f32> {
        let mut out = vec![f32::NAN; shape.iter().product()];
        initializer.fill(shape, &mut out, &mut even()).unwrap();
        out
    }

    #[test]
    fn normal_inverts_the_distribution() {
        for u in [0.0, 1e-12, 1e-4, 0.02, 0.03, 0.3, 0.5, 0.9, 0.98, 1.0 - 1e-9] {
            let phi = 0.5 * libm::erfc(-normal(u) / 2f64.sqrt());
            assert!((phi - u).abs() < 1e-7 * u + 1e-16, "{u}: {phi}");
        }
        assert!((normal(0.975) - 1.959963984540054).abs() < 1e-8);
        assert!((truncated_normal(0.0) + 2.0).abs() < 1e-8 && truncated_normal(0.5).abs() < 1e-8);
    }

    #[test]
    fn variances_and_limits() {
        let moments = |x: &[f32]| {
            let mean = x.iter().map(|&x| x as f64).sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / x.len() as f64;
            let largest = x.iter().fold(0.0, |m: f64, &x| m.max(x.abs() as f64));
            (mean, variance, largest)
        };
        let (fan_in, fan_out) = (300.0, 100.0);
        let mean = (fan_in + fan_out) / 2.0;
        let uniform = |variance: f64| (variance, (3.0 * variance).sqrt());
        // The cut-off normal, widened: same variance, at most 2σ/0.8796.
        let cut = |variance: f64| (variance, 2.0 * variance.sqrt() / 0.8796256610342398);
        for (initializer, (variance, limit)) in [
            (Initializer::GlorotUniform { seed: None }, uniform(1.0 / mean)),
            (Initializer::GlorotNormal { seed: None }, cut(1.0 / mean)),
            (Initializer::HeUniform { seed: None }, uniform(2.0 / fan_in)),
            (Initializer::HeNormal { seed: None }, cut(2.0 / fan_in)),
            (Initializer::LecunUniform { seed: None }, uniform(1.0 / fan_in)),
            (Initializer::LecunNormal { seed: None }, cut(1.0 / fan_in)),
            (Initializer::RandomUniform { minval: -0.05, maxval: 0.05, seed: None }, (0.05f64.powi(2) / 3.0, 0.05)),
            (Initializer::RandomNormal { mean: 0.0, stddev: 0.05, seed: None }, (0.05f64.powi(2), 0.25)),
            // 0.7737 is the variance of a unit normal cut off at ±2, 0.87962566².
            (Initializer::TruncatedNormal { mean: 0.0, stddev: 0.05, seed: None }, (0.7737413 * 0.05f64.powi(2), 0.1)),
        ] {
            let (mean, got, largest) = moments(&filled(initializer, &[300, 100]));
            assert!((got / variance - 1.0).abs() < 2e-3, "{initializer:?}: {got} is not {variance}");
            assert!(mean.abs() < 2e-3 * got.sqrt(), "{initializer:?}: mean {mean}");
            assert!(largest <= limit * 1.000001 && largest > 0.75 * limit, "{initializer:?}: {largest} of {limit}");
        }
    }

    #[test]
    fn fixed_values() {
        assert_eq!(filled(Initializer::Zeros, &[3]), [0.0; 3]);
        assert_eq!(filled(Initializer::Ones, &[3]), [1.0; 3]);
        assert_eq!(filled(Initializer::Constant { value: 0.5 }, &[2, 2]), [0.5; 4]);
        assert_eq!(filled(Initializer::Identity { gain: 2.0 }, &[2, 3]), [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
        assert_eq!(filled(Initializer::HeNormal { seed: None }, &[0, 4]), [0.0; 0]);
        assert_eq!((compute_fans(&[]), compute_fans(&[5]), compute_fans(&[5, 7])), ((1, 1), (5, 5), (5, 7)));
        assert_eq!(compute_fans(&[3, 2, 5, 7]), (30, 42));
    }

    #[test]
    fn orthogonal_is() {
        for shape in [vec![13, 13], vec![40, 9], vec![9, 40], vec![2, 5, 7], vec![1, 4]] {
            let mut out = vec![0.0; shape.iter().product()];
            Initializer::Orthogonal { gain: 3.0, seed: None }.fill(&shape, &mut out, &mut mixed()).unwrap();
            let columns = *shape.last().unwrap();
            let rows = out.len() / columns;
            let at =
                |v: usize, i: usize| (if rows >= columns { out[i * columns + v] } else { out[v * columns + i] }) as f64;
            for a in 0..rows.min(columns) {
                for b in 0..=a {
                    let product: f64 = (0..rows.max(columns)).map(|i| at(a, i) * at(b, i)).sum();
                    let want = if a == b { 9.0 } else { 0.0 };
                    assert!((product - want).abs() < 1e-5, "{shape:?} {a} {b}: {product}");
                }
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit() {
        let error =
            |i: Initializer, shape: &[usize]| i.fill(shape, &mut [0.0; 8], &mut even()).unwrap_err().to_string();
        let orthogonal = Initializer::Orthogonal { gain: 1.0, seed: None };
        assert_eq!(
            error(orthogonal, &[8]),
            "initializer 'orthogonal': expected a shape of at least two dimensions, received [8]"
        );
        assert!(error(Initializer::Identity { gain: 1.0 }, &[2, 2, 2]).contains("two dimensions"));
    }
}
