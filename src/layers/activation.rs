//! `Activation` and the activation layers: y = f(x).

use super::{Kind, Layer};
use crate::activations::Activation;
use crate::error::{Error, Result};
use crate::plan::{Builder, TensorId};
use serde_json::{Value, json};

/// A layer that is nothing but an activation, with the configuration it was given.
#[derive(Debug)]
pub struct ActivationLayer {
    activation: Activation,
    config: Value,
}

impl Kind for ActivationLayer {
    fn parse(class: &str, config: &Value, place: &str) -> Result<Self> {
        if let Some(axis) = config.get("axis")
            && *axis != -1
        {
            return Err(Error::invalid(format!("{place}: axis"), "-1", axis.to_string()));
        }
        let activation = if class == "Activation" {
            let named = config.get("activation").unwrap_or(&Value::Null);
            Activation::parse(named, place)?
        } else {
            Activation::parse(&json!({"class_name": class, "config": config}), place)?
        };
        Ok(ActivationLayer { activation, config: config.clone() })
    }

    fn config(&self) -> Value {
        self.config.clone()
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Vec<Option<usize>>> {
        let mut shape = input.to_vec();
        if let Some(Some(last)) = shape.last_mut() {
            *last = self.activation.output_columns(*last).ok_or_else(|| {
                Error::invalid(format!("{place}: {}", self.activation.name()), "an even last axis", last.to_string())
            })?;
        }
        Ok(shape)
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        builder.activation(layer.name(), input, &self.activation)
    }
}
