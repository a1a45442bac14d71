//! Noise in training, the identity otherwise: `GaussianNoise`, `GaussianDropout`, `AlphaDropout`.
//!
//! The formulas are those of [`plan::Noise`]. α′ of an alpha dropout is −1.0507 · 1.6733, what a SELU saturates at
//! (Klambauer and others, *Self-Normalizing Neural Networks*, NIPS 2017).

use super::{Kind, Layer};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{self, Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A fraction from 0 to 1.
fn fraction(place: &str, key: &str, value: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Error::invalid(format!("{place}: {key}"), "a number from 0 to 1", value.to_string()))
}

/// At 1 these have an infinite variance.
fn below_one(layer: &Layer, rate: f64) -> Result<f64> {
    if rate < 1.0 {
        return Ok(rate);
    }
    Err(Error::invalid(format!("{}: rate", layer.place()), "a rate below 1 in a model", rate.to_string()))
}

fn lower(
    noise: plan::Noise,
    seed: Option<u64>,
    builder: &mut Builder,
    layer: &Layer,
    input: TensorId,
) -> Result<TensorId> {
    let (stream, shape) = (builder.stream("noise", seed), builder.shape(input).to_vec());
    Ok(builder.stage(layer.name(), plan::Kind::Noise { noise, stream }, &[input], shape))
}

/// x + σn.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianNoise {
    stddev: f64,
    #[serde(default)]
    seed: Option<u64>,
}

impl Kind for GaussianNoise {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        let own: GaussianNoise = config::read(config, place)?;
        fraction(place, "stddev", own.stddev)?;
        Ok(own)
    }
    fn config(&self) -> Value {
        json!({"stddev": self.stddev, "seed": self.seed})
    }
    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        if self.stddev == 0.0 {
            return Ok(input);
        }
        lower(plan::Noise::Gaussian { stddev: self.stddev }, self.seed, builder, layer, input)
    }
}

/// x·(1 + n·√(rate/(1 − rate))).
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianDropout {
    rate: f64,
    #[serde(default)]
    seed: Option<u64>,
}

impl Kind for GaussianDropout {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        let own: GaussianDropout = config::read(config, place)?;
        fraction(place, "rate", own.rate)?;
        Ok(own)
    }
    fn config(&self) -> Value {
        json!({"rate": self.rate, "seed": self.seed})
    }
    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        if self.rate == 0.0 {
            return Ok(input);
        }
        let rate = below_one(layer, self.rate)?;
        lower(plan::Noise::GaussianDropout { rate }, self.seed, builder, layer, input)
    }
}

/// a·(x·m + α′(1 − m)) + b, with masks m.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlphaDropout {
    rate: f64,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    noise_shape: Value,
}

impl Kind for AlphaDropout {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        let own: AlphaDropout = config::read(config, place)?;
        fraction(place, "rate", own.rate)?;
        if !own.noise_shape.is_null() {
            let received = format!("{}, which is not supported", own.noise_shape);
            return Err(Error::invalid(format!("{place}: noise_shape"), "None", received));
        }
        Ok(own)
    }
    fn config(&self) -> Value {
        json!({"rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape})
    }
    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        if self.rate == 0.0 {
            return Ok(input);
        }
        let rate = below_one(layer, self.rate)?;
        lower(plan::Noise::AlphaDropout { rate }, self.seed, builder, layer, input)
    }
}
