//! `InputLayer`: the shape of what comes in; it computes nothing.

use super::{Kind, Layer};
use crate::config;
use crate::error::Result;
use crate::plan::{Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The configuration of an input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputLayer {
    /// The shape with the batch in front.
    batch_shape: Vec<Option<usize>>,
}

impl Kind for InputLayer {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        config::read(config, place)
    }
    fn config(&self) -> Value {
        json!({"batch_shape": self.batch_shape})
    }
    fn output_shape(&self, _place: &str, input: &[Option<usize>]) -> Result<Vec<Option<usize>>> {
        Ok(input.to_vec())
    }
    fn lower(&self, _builder: &mut Builder, _layer: &Layer, input: TensorId) -> Result<TensorId> {
        Ok(input)
    }
}
