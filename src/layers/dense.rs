//! `Dense`: y = f(x · W + b) along the last axis, W (inputs × units), b (units).

use super::{Kind, Layer, VariableSpec};
use crate::activations::Activation;
use crate::config;
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::plan::{Builder, TensorId};
use crate::regularizers::Regularizer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a configuration holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    units: i64,
    #[serde(default)]
    activation: Value,
    #[serde(default = "config::yes")]
    use_bias: bool,
    #[serde(default = "glorot_uniform")]
    kernel_initializer: Value,
    #[serde(default = "zeros")]
    bias_initializer: Value,
    #[serde(default)]
    kernel_regularizer: Value,
    #[serde(default)]
    bias_regularizer: Value,
    #[serde(default)]
    kernel_constraint: Value,
    #[serde(default)]
    bias_constraint: Value,
}

fn glorot_uniform() -> Value {
    json!("glorot_uniform")
}

fn zeros() -> Value {
    json!("zeros")
}

/// A fully connected layer.
#[derive(Debug)]
pub struct Dense {
    config: Config,
    units: usize,
    activation: Activation,
    kernel_initializer: Initializer,
    bias_initializer: Initializer,
    kernel_regularizer: Option<Regularizer>,
    bias_regularizer: Option<Regularizer>,
    kernel_constraint: Option<Constraint>,
    bias_constraint: Option<Constraint>,
}

impl Dense {
    pub(super) fn parse(value: &Value, place: &str) -> Result<Self> {
        let config: Config = config::read(value, place)?;
        let units = usize::try_from(config.units)
            .ok()
            .filter(|&u| u > 0)
            .ok_or_else(|| Error::invalid(format!("{place}: units"), "a positive integer", config.units.to_string()))?;
        let regularizer = |value, key| Regularizer::parse(value, &format!("{place}: {key}"));
        let constraint = |value, key| Constraint::parse(value, &format!("{place}: {key}"));
        Ok(Dense {
            units,
            activation: Activation::parse(&config.activation, &format!("{place}: activation"))?,
            kernel_initializer: Initializer::parse(
                &config.kernel_initializer,
                &format!("{place}: kernel_initializer"),
            )?,
            bias_initializer: Initializer::parse(&config.bias_initializer, &format!("{place}: bias_initializer"))?,
            kernel_regularizer: regularizer(&config.kernel_regularizer, "kernel_regularizer")?,
            bias_regularizer: regularizer(&config.bias_regularizer, "bias_regularizer")?,
            kernel_constraint: constraint(&config.kernel_constraint, "kernel_constraint")?,
            bias_constraint: constraint(&config.bias_constraint, "bias_constraint")?,
            config,
        })
    }
}

impl Kind for Dense {
    fn config(&self) -> Value {
        serde_json::to_value(&self.config).unwrap_or(Value::Null)
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Vec<Option<usize>>> {
        match input.last() {
            None => Err(Error::invalid(place, "an input of at least 2 axes (batch, features)", "1 axis")),
            Some(None) => Err(Error::invalid(place, "an input whose last axis is known", format!("{input:?}"))),
            Some(Some(0)) => Err(Error::invalid(place, "an input with at least one feature", "a last axis of 0")),
            Some(_) => {
                let mut shape = input.to_vec();
                let last = shape.len() - 1;
                shape[last] = Some(self.activation.output_columns(self.units).ok_or_else(|| {
                    Error::invalid(
                        format!("{place}: units"),
                        format!("an even number with {}", self.activation.name()),
                        self.units.to_string(),
                    )
                })?);
                Ok(shape)
            }
        }
    }

    fn variables(&self, input: &[usize]) -> Vec<VariableSpec> {
        let inputs = input.last().copied().unwrap_or(1);
        let kernel = VariableSpec {
            regularizer: self.kernel_regularizer.clone(),
            constraint: self.kernel_constraint.clone(),
            ..VariableSpec::new("kernel", vec![inputs, self.units], self.kernel_initializer)
        };
        let bias = VariableSpec {
            regularizer: self.bias_regularizer.clone(),
            constraint: self.bias_constraint.clone(),
            ..VariableSpec::new("bias", vec![self.units], self.bias_initializer)
        };
        if self.config.use_bias { vec![kernel, bias] } else { vec![kernel] }
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        if !layer.is_built() {
            return Err(Error::State(format!("{} is not built: its input shape is not known yet", layer.place())));
        }
        let sum = builder.dense(layer.name(), input, layer.variables(), layer.trainable());
        builder.activation(layer.name(), sum, &self.activation)
    }
}
