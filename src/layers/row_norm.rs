//! Normalizations of each sample along some axes: `LayerNormalization`, `RMSNormalization`, `UnitNormalization`.
//!
//! - layer: γ(x − μ)/√(σ² + ε) + β (Ba, Kiros and Hinton, *Layer Normalization*, 2016);
//! - RMS: γx/√(mean x² + ε) (Zhang and Sennrich, *Root Mean Square Layer Normalization*, NeurIPS 2019);
//! - unit: x/max(‖x‖, 10⁻¹²).
//!
//! `LayerNormalization(rms_scaling=True)` is Keras's γx/√(σ² + ε), which it keeps for old models.

use super::axes::{all_of_sample, along, sizes};
use super::weights::{Weight, ones, zeros};
use super::{Kind, Layer, Shape, VariableSpec, same_axes};
use crate::config::{self, yes};
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::plan::{self, Builder, RowMoments, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn last() -> Value {
    json!(-1)
}

/// One axis or several.
fn axes(place: &str, value: &Value) -> Result<Vec<i64>> {
    let wrong = || Error::wrong_type(format!("{place}: axis"), "an integer or a list of integers", value.to_string());
    match value {
        Value::Array(axes) if !axes.is_empty() => axes.iter().map(|a| a.as_i64().ok_or_else(wrong)).collect(),
        _ => Ok(vec![value.as_i64().ok_or_else(wrong)?]),
    }
}

/// The sizes of the axes in a shape that was checked before.
fn parameters(axes: &[i64], input: &[usize]) -> Vec<usize> {
    all_of_sample("", axes, input.len()).unwrap_or_default().iter().map(|&axis| input[axis]).collect()
}

fn check(place: &str, axes: &[i64], input: &[Option<usize>]) -> Result<Shape> {
    sizes(place, input, &all_of_sample(place, axes, input.len())?)?;
    Ok(input.to_vec())
}

/// Adds a stage along axes.
fn lower(kind: plan::Kind, axes: &[i64], builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
    let axes = all_of_sample(&layer.place(), axes, builder.shape(input).len())?;
    Ok(along(builder, layer.name(), input, &axes, |builder, x| {
        let shape = builder.shape(x).to_vec();
        builder.stage(layer.name(), kind, &[x], shape)
    }))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "last")]
    axis: Value,
    #[serde(default = "epsilon")]
    epsilon: f64,
    #[serde(default = "yes")]
    center: bool,
    #[serde(default = "yes")]
    scale: bool,
    #[serde(default)]
    rms_scaling: bool,
    #[serde(default = "zeros")]
    beta_initializer: Value,
    #[serde(default = "ones")]
    gamma_initializer: Value,
    #[serde(default)]
    beta_regularizer: Value,
    #[serde(default)]
    gamma_regularizer: Value,
    #[serde(default)]
    beta_constraint: Value,
    #[serde(default)]
    gamma_constraint: Value,
}

fn epsilon() -> f64 {
    1e-3
}

/// By mean and variance.
#[derive(Debug)]
pub struct LayerNormalization {
    config: Config,
    axes: Vec<i64>,
    gamma: Option<Weight>,
    beta: Option<Weight>,
}

impl Kind for LayerNormalization {
    fn parse(_class: &str, value: &Value, place: &str) -> Result<Self> {
        let config: Config = config::read(value, place)?;
        let c = &config;
        let gamma = Weight::parse(place, "gamma", &c.gamma_initializer, &c.gamma_regularizer, &c.gamma_constraint)?;
        let beta = Weight::parse(place, "beta", &c.beta_initializer, &c.beta_regularizer, &c.beta_constraint)?;
        Ok(LayerNormalization {
            axes: axes(place, &config.axis)?,
            gamma: (config.scale || config.rms_scaling).then_some(gamma),
            beta: (config.center && !config.rms_scaling).then_some(beta),
            config,
        })
    }

    fn config(&self) -> Value {
        serde_json::to_value(&self.config).unwrap_or(Value::Null)
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        check(place, &self.axes, input)
    }

    fn variables(&self, input: &[usize]) -> Vec<VariableSpec> {
        self.gamma.iter().chain(&self.beta).map(|w| w.spec(parameters(&self.axes, input))).collect()
    }

    fn serves(&self, built: &[usize], input: &[Option<usize>]) -> bool {
        same_axes(&self.axes, built, input)
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let mut variables = match (&self.gamma, &self.beta) {
            (None, None) => [].iter(),
            _ => layer.all_built_variables()?.iter(),
        };
        let mut next = |wanted: bool| {
            let variable = wanted.then(|| variables.next()).flatten();
            variable.map(|v| builder.variable(v, layer.trainable()))
        };
        let (gamma, beta) = (next(self.gamma.is_some()), next(self.beta.is_some()));
        let moments = if self.config.rms_scaling { RowMoments::VarianceAlone } else { RowMoments::MeanAndVariance };
        let kind = plan::Kind::LayerNorm { gamma, beta, epsilon: self.config.epsilon, moments };
        lower(kind, &self.axes, builder, layer, input)
    }
}

/// By the root of the mean square.
#[derive(Debug)]
pub struct RmsNormalization {
    axis: Value,
    axes: Vec<i64>,
    epsilon: f64,
}

impl Kind for RmsNormalization {
    fn parse(_class: &str, value: &Value, place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Config {
            #[serde(default = "last")]
            axis: Value,
            #[serde(default = "epsilon")]
            epsilon: f64,
        }
        fn epsilon() -> f64 {
            1e-6
        }
        let Config { axis, epsilon } = config::read(value, place)?;
        Ok(RmsNormalization { axes: axes(place, &axis)?, axis, epsilon })
    }

    fn config(&self) -> Value {
        json!({"axis": self.axis, "epsilon": self.epsilon})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        check(place, &self.axes, input)
    }

    fn variables(&self, input: &[usize]) -> Vec<VariableSpec> {
        vec![VariableSpec::new("scale", parameters(&self.axes, input), Initializer::Ones)]
    }

    fn serves(&self, built: &[usize], input: &[Option<usize>]) -> bool {
        same_axes(&self.axes, built, input)
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let [scale] = layer.built_variables()?;
        let gamma = Some(builder.variable(scale, layer.trainable()));
        let moments = RowMoments::MeanSquare;
        let kind = plan::Kind::LayerNorm { gamma, beta: None, epsilon: self.epsilon, moments };
        lower(kind, &self.axes, builder, layer, input)
    }
}

/// To length 1.
#[derive(Debug)]
pub struct UnitNormalization {
    axis: Value,
    axes: Vec<i64>,
}

impl Kind for UnitNormalization {
    fn parse(_class: &str, value: &Value, place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Config {
            #[serde(default = "last")]
            axis: Value,
        }
        let Config { axis } = config::read(value, place)?;
        Ok(UnitNormalization { axes: axes(place, &axis)?, axis })
    }

    fn config(&self) -> Value {
        json!({"axis": self.axis})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        check(place, &self.axes, input)
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        // Of the square, so that the norm is at least 1e-12.
        lower(plan::Kind::UnitNormalize { epsilon: 1e-24 }, &self.axes, builder, layer, input)
    }
}
