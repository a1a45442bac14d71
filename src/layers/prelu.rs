//! `PReLU`: x where x > 0, αx elsewhere, with a trained α for each element of a sample or shared along some axes.

use super::axes::{broadcast, countable};
use super::weights::{Weight, zeros};
use super::{Kind, Layer, VariableSpec, known};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{self, Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "zeros")]
    alpha_initializer: Value,
    #[serde(default)]
    alpha_regularizer: Value,
    #[serde(default)]
    alpha_constraint: Value,
    #[serde(default)]
    shared_axes: Value,
}

/// A rectifier with trained slopes.
#[derive(Debug)]
pub struct Prelu {
    config: Config,
    alpha: Weight,
    /// Axes of a sample.
    shared: Vec<usize>,
}

impl Prelu {
    fn alpha_shape(&self, input: &[usize]) -> Vec<usize> {
        input.iter().enumerate().map(|(axis, &d)| if self.shared.contains(&axis) { 1 } else { d }).collect()
    }
}

impl Kind for Prelu {
    fn parse(_class: &str, value: &Value, place: &str) -> Result<Self> {
        let mut config: Config = config::read(value, place)?;
        let wrong = || {
            let received = value["shared_axes"].to_string();
            Error::invalid(format!("{place}: shared_axes"), "axes of a sample, counted from 1, or None", received)
        };
        if config.shared_axes.is_i64() {
            config.shared_axes = json!([config.shared_axes]);
        }
        let shared = match &config.shared_axes {
            Value::Null => Vec::new(),
            Value::Array(axes) => axes
                .iter()
                .map(|axis| axis.as_u64().and_then(|a| (a as usize).checked_sub(1)).ok_or_else(wrong))
                .collect::<Result<_>>()?,
            _ => return Err(wrong()),
        };
        let Config { alpha_initializer, alpha_regularizer, alpha_constraint, .. } = &config;
        let alpha = Weight::parse(place, "alpha", alpha_initializer, alpha_regularizer, alpha_constraint)?;
        Ok(Prelu { config, alpha, shared })
    }

    fn config(&self) -> Value {
        serde_json::to_value(&self.config).unwrap_or(Value::Null)
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Vec<Option<usize>>> {
        if let Some(axis) = self.shared.iter().find(|&&axis| axis >= input.len()) {
            let expected = format!("axes up to {}", input.len());
            return Err(Error::invalid(format!("{place}: shared_axes"), expected, (axis + 1).to_string()));
        }
        let own: Vec<_> = (0..input.len()).filter(|axis| !self.shared.contains(axis)).map(|a| input[a]).collect();
        known(place, &own)?;
        countable(place, input)?;
        Ok(input.to_vec())
    }

    fn variables(&self, input: &[usize]) -> Vec<VariableSpec> {
        vec![self.alpha.spec(self.alpha_shape(input))]
    }

    fn serves(&self, built: &[usize], input: &[Option<usize>]) -> bool {
        let fits =
            |(axis, &size): (usize, &usize)| self.shared.contains(&axis) || input[axis].is_none_or(|d| d == size);
        built.len() == input.len() && built.iter().enumerate().all(fits)
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let [alpha] = layer.built_variables()?;
        let shape = builder.shape(input).to_vec();
        let map = broadcast(&self.alpha_shape(&shape), &shape).into();
        let alpha = builder.variable(alpha, layer.trainable());
        Ok(builder.stage(layer.name(), plan::Kind::Prelu { alpha, map }, &[input], shape))
    }
}
