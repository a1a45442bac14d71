//! `BatchNormalization`: γ(x − μ)/√(σ² + ε) + β for each column, with the batch's mean and variance in training and
//! moving averages of them otherwise (Ioffe and Szegedy, *Batch Normalization*, ICML 2015).
//!
//! A layer that is not trainable always takes the moving ones, as in Keras.

use super::axes::{along, of_sample, sizes};
use super::weights::{Weight, ones, zeros};
use super::{Kind, Layer, Shape, VariableSpec, same_axes};
use crate::config::{self, yes};
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::plan::{self, Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "last")]
    axis: i64,
    #[serde(default = "momentum")]
    momentum: f64,
    #[serde(default = "epsilon")]
    epsilon: f64,
    #[serde(default = "yes")]
    center: bool,
    #[serde(default = "yes")]
    scale: bool,
    #[serde(default = "zeros")]
    beta_initializer: Value,
    #[serde(default = "ones")]
    gamma_initializer: Value,
    #[serde(default = "zeros")]
    moving_mean_initializer: Value,
    #[serde(default = "ones")]
    moving_variance_initializer: Value,
    #[serde(default)]
    beta_regularizer: Value,
    #[serde(default)]
    gamma_regularizer: Value,
    #[serde(default)]
    beta_constraint: Value,
    #[serde(default)]
    gamma_constraint: Value,
    #[serde(default)]
    synchronized: bool,
    #[serde(default)]
    renorm: bool,
    #[serde(default)]
    renorm_clipping: Value,
    #[serde(default = "momentum")]
    renorm_momentum: f64,
}

fn last() -> i64 {
    -1
}
fn momentum() -> f64 {
    0.99
}
fn epsilon() -> f64 {
    1e-3
}

/// A normalization over the batch.
#[derive(Debug)]
pub struct BatchNormalization {
    config: Config,
    gamma: Option<Weight>,
    beta: Option<Weight>,
    moving_mean: Initializer,
    moving_variance: Initializer,
}

impl Kind for BatchNormalization {
    fn parse(_class: &str, value: &Value, place: &str) -> Result<Self> {
        let config: Config = config::read(value, place)?;
        for (key, given) in [("renorm", config.renorm), ("synchronized", config.synchronized)] {
            if given {
                return Err(Error::invalid(format!("{place}: {key}"), "False", "True, which is not supported"));
            }
        }
        if !(config.epsilon >= 0.0 && config.momentum.is_finite()) {
            let received = format!("momentum={}, epsilon={}", config.momentum, config.epsilon);
            return Err(Error::invalid(place, "a finite momentum and an epsilon of at least 0", received));
        }
        let c = &config;
        let gamma = Weight::parse(place, "gamma", &c.gamma_initializer, &c.gamma_regularizer, &c.gamma_constraint)?;
        let beta = Weight::parse(place, "beta", &c.beta_initializer, &c.beta_regularizer, &c.beta_constraint)?;
        let initializer = |value, key| Initializer::parse(value, &format!("{place}: {key}_initializer"));
        Ok(BatchNormalization {
            gamma: config.scale.then_some(gamma),
            beta: config.center.then_some(beta),
            moving_mean: initializer(&config.moving_mean_initializer, "moving_mean")?,
            moving_variance: initializer(&config.moving_variance_initializer, "moving_variance")?,
            config,
        })
    }

    fn config(&self) -> Value {
        serde_json::to_value(&self.config).unwrap_or(Value::Null)
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        sizes(place, input, &[of_sample(place, self.config.axis, input.len())?])?;
        Ok(input.to_vec())
    }

    fn variables(&self, input: &[usize]) -> Vec<VariableSpec> {
        // The axis was checked when the output's shape was asked for.
        let axis = of_sample("", self.config.axis, input.len()).unwrap_or(0);
        let shape = vec![input[axis]];
        let moving = |name, initializer| VariableSpec {
            trainable: false,
            ..VariableSpec::new(name, shape.clone(), initializer)
        };
        let trained = self.gamma.iter().chain(&self.beta).map(|weight| weight.spec(shape.clone()));
        let moving = [moving("moving_mean", self.moving_mean), moving("moving_variance", self.moving_variance)];
        trained.chain(moving).collect()
    }

    fn serves(&self, built: &[usize], input: &[Option<usize>]) -> bool {
        same_axes(&[self.config.axis], built, input)
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let axis = of_sample(&layer.place(), self.config.axis, builder.shape(input).len())?;
        let mut variables = layer.all_built_variables()?.iter();
        let mut next = |wanted: bool| {
            let variable = wanted.then(|| variables.next()).flatten();
            variable.map(|v| builder.variable(v, layer.trainable()))
        };
        let (gamma, beta) = (next(self.gamma.is_some()), next(self.beta.is_some()));
        let (Some(mean), Some(variance)) = (next(true), next(true)) else {
            return Err(Error::Internal(format!("{} lacks variables", layer.place())));
        };
        let Config { momentum, epsilon, .. } = self.config;
        let training = layer.trainable();
        let kind = plan::Kind::BatchNorm { gamma, beta, mean, variance, momentum, epsilon, training };
        Ok(along(builder, layer.name(), input, &[axis], |builder, x| {
            let shape = builder.shape(x).to_vec();
            builder.stage(layer.name(), kind, &[x], shape)
        }))
    }
}
