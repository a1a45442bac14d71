//! Registers of every level against double precision and scalar code.

use super::{Level, PANEL, Task, Vector};
use crate::real::Real;
use crate::rng::{Bits, Stream, threefry};
use strum::IntoEnumIterator;

fn levels() -> impl Iterator<Item = Level> {
    Level::iter().filter(|l| l.is_available())
}

#[derive(Clone, Copy, Debug, strum::EnumIter)]
enum Function {
    Exp,
    Ln,
    Tanh,
    Erf,
    Sigmoid,
    Softplus,
    Sqrt,
}

impl Function {
    #[inline(always)]
    fn of<R: Real>(self, x: R) -> R {
        match self {
            Function::Exp => x.exp(),
            Function::Ln => x.ln(),
            Function::Tanh => x.tanh(),
            Function::Erf => x.erf(),
            Function::Sigmoid => x.sigmoid(),
            Function::Softplus => x.softplus(),
            Function::Sqrt => x.sqrt(),
        }
    }
}

struct Apply<'a>(Function, &'a [f32], &'a mut [f32]);

impl Task for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        for at in (0..self.1.len()).step_by(V::LANES) {
            // SAFETY: the lengths are multiples of a panel and equal.
            unsafe { self.0.of(V::load(self.1.as_ptr().add(at))).store(self.2.as_mut_ptr().add(at)) };
        }
    }
}

fn apply(level: Level, f: Function, x: &[f32]) -> Vec<f32> {
    let mut padded = x.to_vec();
    padded.resize(x.len().next_multiple_of(PANEL), 1.0);
    let mut y = vec![0.0; padded.len()];
    level.run(Apply(f, &padded, &mut y));
    y.truncate(x.len());
    y
}

#[test]
fn functions_agree_with_double_precision() {
    let mut x: Vec<f32> = (-4000..4000).map(|i| i as f32 * 0.021_7).collect();
    x.extend((-120..120).map(|i| (i as f32 * 0.3).exp2() * 1.1));
    x.extend((-120..0).map(|i| -(i as f32 * 0.3).exp2() * 1.1));
    for level in levels() {
        for f in Function::iter() {
            for (&x, y) in x.iter().zip(apply(level, f, &x)) {
                let exact = f.of(f64::from(x));
                if exact.is_nan() {
                    assert!(y.is_nan(), "{level} {f:?}({x}) = {y}");
                    continue;
                }
                // Below the normal range results may be flushed to zero.
                let close = f64::from(y) == exact || (f64::from(y) - exact).abs() <= 4e-7 * exact.abs() + 3e-38;
                assert!(
                    close || (exact > f64::from(f32::MAX) && y == f32::INFINITY),
                    "{level} {f:?}({x}) = {y}, not {exact}"
                );
            }
        }
    }
}

#[test]
fn special_values_pass() {
    let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0];
    for level in levels() {
        let of = |f| apply(level, f, &x);
        for f in Function::iter() {
            assert!(of(f)[0].is_nan(), "{level} {f:?}(NaN)");
        }
        assert_eq!(of(Function::Exp)[1..], [f32::INFINITY, 0.0, 1.0]);
        assert_eq!(of(Function::Tanh)[1..], [1.0, -1.0, 0.0]);
        assert_eq!(of(Function::Ln)[1], f32::INFINITY);
        assert_eq!(of(Function::Ln)[3], f32::NEG_INFINITY);
        assert!(of(Function::Ln)[2].is_nan());
        assert_eq!(of(Function::Sigmoid)[1..], [1.0, 0.0, 0.5]);
    }
}

#[derive(Clone, Copy)]
struct Words(Stream, u64, u32, u32);

impl Task for Words {
    type Output = Vec<[bool; 4]>;
    #[inline(always)]
    fn run<V: Vector>(self) -> Self::Output {
        let mut out = Vec::new();
        let threshold = V::Bits::splat(1 << 30);
        for lane in (0..PANEL).step_by(V::LANES) {
            let words = self.0.rows(self.1, self.2, V::Bits::iota(self.3 + lane as u32));
            let mut lanes = [[0.0_f32; PANEL]; 4];
            for (word, lanes) in words.into_iter().zip(&mut lanes) {
                // SAFETY: `lanes` holds a register.
                unsafe { V::select(word.ge(threshold), V::one(), V::zero()).store(lanes.as_mut_ptr()) };
            }
            out.extend((0..V::LANES).map(|l| [0, 1, 2, 3].map(|i| lanes[i][l] == 1.0)));
        }
        out
    }
}

#[test]
fn random_bits_are_the_scalar_generator_s() {
    let stream = Stream::new(0x0123_4567_89ab_cdef, "3/mask");
    let (step, quad, column) = (1 << 40 | 5, 77, 1_000);
    for level in levels() {
        for (lane, keep) in level.run(Words(stream, step, quad, column)).into_iter().enumerate() {
            let counter = [column + lane as u32, quad, step as u32, (step >> 32) as u32];
            assert_eq!(keep, threefry(stream.key(), counter).map(|word| word >= 1 << 30), "{level} lane {lane}");
        }
    }
}
