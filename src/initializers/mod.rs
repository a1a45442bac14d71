//! Initial values of variables: Keras's initializers.
//!
//! The variance-scaling family draws with variance scale/n, where n is the number of inputs (fan in), of outputs
//! (fan out) or their mean: uniformly in ±√(3·scale/n), or from a normal cut off at ±2σ, whose σ is divided by
//! 0.87962566 to keep the variance. Every random value but the orthogonal ones is a function of one uniform number
//! (normals by the inverse distribution), so that element i needs the i-th draw only.

mod parse;
mod random;

pub(crate) use random::normal;

use crate::error::{Error, Result};
use random::{orthogonal, truncated_normal};
use serde::Serialize;

/// How many units a [`Initializer::VarianceScaling`] divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FanMode {
    /// Inputs.
    FanIn,
    /// Outputs.
    FanOut,
    /// The mean of both.
    FanAvg,
}

/// What a [`Initializer::VarianceScaling`] draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// A normal, cut off at two standard deviations.
    TruncatedNormal,
    /// A normal.
    UntruncatedNormal,
    /// An interval around 0.
    Uniform,
}

/// How a variable gets its first values. Serialised as Keras's `{"class_name": …, "config": {…}}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "class_name", content = "config")]
#[allow(missing_docs, reason = "each field is Keras's argument of the same name")]
pub enum Initializer {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// One number everywhere.
    Constant { value: f64 },
    /// Normal.
    RandomNormal { mean: f64, stddev: f64, seed: Option<u64> },
    /// Uniform in [minval, maxval).
    RandomUniform { minval: f64, maxval: f64, seed: Option<u64> },
    /// Normal, cut off at two standard deviations.
    TruncatedNormal { mean: f64, stddev: f64, seed: Option<u64> },
    /// Any of the family below.
    VarianceScaling { scale: f64, mode: FanMode, distribution: Distribution, seed: Option<u64> },
    /// Uniform, scale 1, fan average: the limit is √(6/(fan in + fan out)).
    GlorotUniform { seed: Option<u64> },
    /// Truncated normal, scale 1, fan average.
    GlorotNormal { seed: Option<u64> },
    /// Uniform, scale 2, fan in.
    HeUniform { seed: Option<u64> },
    /// Truncated normal, scale 2, fan in.
    HeNormal { seed: Option<u64> },
    /// Uniform, scale 1, fan in.
    LecunUniform { seed: Option<u64> },
    /// Truncated normal, scale 1, fan in.
    LecunNormal { seed: Option<u64> },
    /// `gain` times a random matrix with orthonormal rows or columns.
    Orthogonal { gain: f64, seed: Option<u64> },
    /// `gain` times the identity.
    Identity { gain: f64 },
}

/// Inputs and outputs of a weight of this shape (of a convolution's kernel, times its receptive field).
pub fn compute_fans(shape: &[usize]) -> (usize, usize) {
    match *shape {
        [] => (1, 1),
        [n] => (n, n),
        [ref field @ .., inputs, outputs] => {
            let field: usize = field.iter().product();
            (inputs * field, outputs * field)
        }
    }
}

impl Initializer {
    /// The seed of its own, where it was given one.
    pub fn seed(&self) -> Option<u64> {
        match *self {
            Self::Zeros | Self::Ones | Self::Constant { .. } | Self::Identity { .. } => None,
            Self::RandomNormal { seed, .. }
            | Self::RandomUniform { seed, .. }
            | Self::TruncatedNormal { seed, .. }
            | Self::VarianceScaling { seed, .. }
            | Self::GlorotUniform { seed }
            | Self::GlorotNormal { seed }
            | Self::HeUniform { seed }
            | Self::HeNormal { seed }
            | Self::LecunUniform { seed }
            | Self::LecunNormal { seed }
            | Self::Orthogonal { seed, .. } => seed,
        }
    }

    /// Fills `out`, which is a variable of this shape in row-major order, from uniform numbers in [0, 1).
    pub fn fill(&self, shape: &[usize], out: &mut [f32], draw: &mut dyn FnMut() -> f64) -> Result<()> {
        debug_assert_eq!(out.len(), shape.iter().product::<usize>());
        let place = || format!("initializer '{}'", self.name());
        let mut fill = |value: &mut dyn FnMut(f64) -> f64| out.iter_mut().for_each(|x| *x = value(draw()) as f32);
        match *self {
            Self::Zeros => out.fill(0.0),
            Self::Ones => out.fill(1.0),
            Self::Constant { value } => out.fill(value as f32),
            Self::RandomNormal { mean, stddev, .. } => fill(&mut |u| mean + stddev * normal(u)),
            Self::TruncatedNormal { mean, stddev, .. } => fill(&mut |u| mean + stddev * truncated_normal(u)),
            Self::RandomUniform { minval, maxval, .. } => fill(&mut |u| minval + (maxval - minval) * u),
            Self::Orthogonal { gain, .. } => match *shape {
                [ref rows @ .., columns] if !rows.is_empty() => {
                    orthogonal(rows.iter().product(), columns, gain, out, draw)
                }
                _ => return Err(Error::invalid(place(), "a shape of at least two dimensions", format!("{shape:?}"))),
            },
            Self::Identity { gain } => match *shape {
                [_, columns] => {
                    for (i, x) in out.iter_mut().enumerate() {
                        *x = if i / columns == i % columns { gain as f32 } else { 0.0 };
                    }
                }
                _ => return Err(Error::invalid(place(), "a shape of two dimensions", format!("{shape:?}"))),
            },
            _ => {
                let (scale, mode, distribution) = self.scaling();
                let (fan_in, fan_out) = compute_fans(shape);
                let n = match mode {
                    FanMode::FanIn => fan_in as f64,
                    FanMode::FanOut => fan_out as f64,
                    FanMode::FanAvg => (fan_in + fan_out) as f64 / 2.0,
                };
                let variance = scale / n.max(1.0);
                match distribution {
                    Distribution::Uniform => {
                        let limit = (3.0 * variance).sqrt();
                        fill(&mut |u| limit * (2.0 * u - 1.0));
                    }
                    Distribution::UntruncatedNormal => fill(&mut |u| variance.sqrt() * normal(u)),
                    Distribution::TruncatedNormal => {
                        // The standard deviation of a unit normal that is cut off at ±2.
                        let stddev = variance.sqrt() / 0.879_625_661_034_239_8;
                        fill(&mut |u| stddev * truncated_normal(u));
                    }
                }
            }
        }
        Ok(())
    }

    /// The family's kinds as its general case.
    fn scaling(&self) -> (f64, FanMode, Distribution) {
        use {Distribution::*, FanMode::*};
        match *self {
            Self::VarianceScaling { scale, mode, distribution, .. } => (scale, mode, distribution),
            Self::GlorotUniform { .. } => (1.0, FanAvg, Uniform),
            Self::GlorotNormal { .. } => (1.0, FanAvg, TruncatedNormal),
            Self::HeUniform { .. } => (2.0, FanIn, Uniform),
            Self::HeNormal { .. } => (2.0, FanIn, TruncatedNormal),
            Self::LecunUniform { .. } => (1.0, FanIn, Uniform),
            Self::LecunNormal { .. } => (1.0, FanIn, TruncatedNormal),
            _ => unreachable!("'{}' is not of the variance-scaling family", self.name()),
        }
    }
}
