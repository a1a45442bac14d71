//! `Dropout`: in training y = x·mask/(1 − rate), where the mask is 0 with probability `rate`; otherwise y = x.

use super::{Kind, Layer};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{self, Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The configuration of a dropout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    rate: f64,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    noise_shape: Option<Vec<Option<usize>>>,
}

impl Kind for Dropout {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        let dropout: Dropout = config::read(config, place)?;
        if !(0.0..=1.0).contains(&dropout.rate) {
            return Err(Error::invalid(format!("{place}: rate"), "a number from 0 to 1", dropout.rate.to_string()));
        }
        if dropout.noise_shape.is_some() {
            return Err(Error::invalid(format!("{place}: noise_shape"), "None", "a shape, which is not supported"));
        }
        Ok(dropout)
    }
    fn config(&self) -> Value {
        json!({"rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape})
    }
    fn output_shape(&self, _place: &str, input: &[Option<usize>]) -> Result<Vec<Option<usize>>> {
        Ok(input.to_vec())
    }
    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        if self.rate == 0.0 {
            return Ok(input);
        }
        let stream = builder.stream("mask", self.seed);
        let shape = builder.shape(input).to_vec();
        Ok(builder.stage(layer.name(), plan::Kind::Dropout { rate: self.rate, stream }, &[input], shape))
    }
}
