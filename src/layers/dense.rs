//! `Dense`: y = f(x · W + b) along the last axis, W (inputs × units), b (units).

use super::weights::{Weight, zeros};
use super::{Kind, Layer, VariableSpec};
use crate::activations::Activation;
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{Builder, TensorId};
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

/// A fully connected layer.
#[derive(Debug)]
pub struct Dense {
    config: Config,
    units: usize,
    activation: Activation,
    kernel: Weight,
    bias: Option<Weight>,
}

impl Kind for Dense {
    fn parse(_class: &str, value: &Value, place: &str) -> Result<Self> {
        let config: Config = config::read(value, place)?;
        let units = usize::try_from(config.units)
            .ok()
            .filter(|&u| u > 0)
            .ok_or_else(|| Error::invalid(format!("{place}: units"), "a positive integer", config.units.to_string()))?;
        let c = &config;
        let kernel =
            Weight::parse(place, "kernel", &c.kernel_initializer, &c.kernel_regularizer, &c.kernel_constraint)?;
        let bias = Weight::parse(place, "bias", &c.bias_initializer, &c.bias_regularizer, &c.bias_constraint)?;
        let activation = Activation::parse(&config.activation, &format!("{place}: activation"))?;
        Ok(Dense { units, activation, kernel, bias: config.use_bias.then_some(bias), config })
    }

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
        let kernel = std::iter::once(self.kernel.spec(vec![inputs, self.units]));
        kernel.chain(self.bias.iter().map(|bias| bias.spec(vec![self.units]))).collect()
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let sum = builder.dense(layer.name(), input, layer.all_built_variables()?, layer.trainable());
        builder.activation(layer.name(), sum, &self.activation)
    }
}
