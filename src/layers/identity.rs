//! `Identity`, and `ActivityRegularization`: the identity with a penalty l1·Σ|x| + l2·Σx², over the batch's size.

use super::{Kind, Layer};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{self, Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// y = x.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {}

impl Kind for Identity {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        config::read(config, place)
    }
    fn config(&self) -> Value {
        json!({})
    }
    fn lower(&self, _builder: &mut Builder, _layer: &Layer, input: TensorId) -> Result<TensorId> {
        Ok(input)
    }
}

/// y = x, at a price.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityRegularization {
    #[serde(default)]
    l1: f64,
    #[serde(default)]
    l2: f64,
}

impl Kind for ActivityRegularization {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        let own: ActivityRegularization = config::read(config, place)?;
        for (key, factor) in [("l1", own.l1), ("l2", own.l2)] {
            if !(factor.is_finite() && factor >= 0.0) {
                return Err(Error::invalid(format!("{place}: {key}"), "a number of at least 0", factor.to_string()));
            }
        }
        Ok(own)
    }
    fn config(&self) -> Value {
        json!({"l1": self.l1, "l2": self.l2})
    }
    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let shape = builder.shape(input).to_vec();
        let kind = plan::Kind::Penalty { l1: self.l1, l2: self.l2 };
        Ok(builder.stage(layer.name(), kind, &[input], shape))
    }
}
