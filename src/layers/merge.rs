//! Layers that merge several inputs element by element, with NumPy's broadcasting aligned at the last axes: `Add`,
//! `Subtract`, `Multiply`, `Average`, `Maximum`, `Minimum`.

use super::axes::{broadcast, broadcast_shape};
use super::{Kind, Layer, Shape};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{self, Builder, Merge, TensorId};
use serde::Deserialize;
use serde_json::{Value, json};

/// One of the six.
#[derive(Debug)]
pub struct MergeLayer {
    merge: Merge,
}

impl Kind for MergeLayer {
    fn parse(class: &str, config: &Value, place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Config {}
        let Config {} = config::read(config, place)?;
        let merge = match class {
            "Add" => Merge::Add,
            "Subtract" => Merge::Subtract,
            "Multiply" => Merge::Multiply,
            "Average" => Merge::Average,
            "Maximum" => Merge::Maximum,
            "Minimum" => Merge::Minimum,
            other => return Err(Error::invalid(place, "a merging layer", other)),
        };
        Ok(MergeLayer { merge })
    }

    fn config(&self) -> Value {
        json!({})
    }

    fn output_shape_of_many(&self, place: &str, inputs: &[Shape]) -> Result<Shape> {
        if self.merge == Merge::Subtract && inputs.len() != 2 {
            return Err(Error::invalid(place, "exactly 2 inputs", inputs.len().to_string()));
        }
        broadcast_shape(place, inputs)
    }

    fn lower_many(&self, builder: &mut Builder, layer: &Layer, inputs: &[TensorId]) -> Result<TensorId> {
        let shape = layer.shape_for(builder, inputs)?;
        let alike = |&input: &TensorId| {
            let own = builder.shape(input).to_vec();
            if own == shape {
                return input;
            }
            builder.rearrange(layer.name(), input, broadcast(&own, &shape), shape.clone())
        };
        let inputs: Vec<TensorId> = inputs.iter().map(alike).collect();
        if let [one] = inputs[..] {
            return Ok(one);
        }
        Ok(builder.stage(layer.name(), plan::Kind::Merge(self.merge), &inputs, shape))
    }
}
