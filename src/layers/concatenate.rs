//! `Concatenate`: inputs one after the other along an axis.

use super::axes::of_sample;
use super::{Kind, Layer, Shape};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{self, Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The configuration of a concatenation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concatenate {
    #[serde(default = "last")]
    axis: i64,
}

fn last() -> i64 {
    -1
}

impl Kind for Concatenate {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        config::read(config, place)
    }

    fn config(&self) -> Value {
        json!({"axis": self.axis})
    }

    fn output_shape_of_many(&self, place: &str, inputs: &[Shape]) -> Result<Shape> {
        let Some(first) = inputs.first() else { return Err(Error::invalid(place, "at least 1 input", "none")) };
        let axis = of_sample(place, self.axis, first.len())?;
        let mut shape = first.clone();
        for other in &inputs[1..] {
            let agree = |(i, (a, b)): (usize, (&Option<usize>, &Option<usize>))| {
                i == axis || a.is_none() || b.is_none() || a == b
            };
            if other.len() != first.len() || !shape.iter().zip(other).enumerate().all(agree) {
                let expected = "inputs with matching shapes except for the concatenation axis";
                return Err(Error::invalid(place, expected, format!("{inputs:?}")));
            }
            for (i, (size, own)) in shape.iter_mut().zip(other).enumerate() {
                *size = if i == axis { size.zip(*own).map(|(a, b)| a + b) } else { size.or(*own) };
            }
        }
        Ok(shape)
    }

    fn lower_many(&self, builder: &mut Builder, layer: &Layer, inputs: &[TensorId]) -> Result<TensorId> {
        if let [one] = *inputs {
            return Ok(one);
        }
        let shape = layer.shape_for(builder, inputs)?;
        let axis = of_sample(&layer.place(), self.axis, shape.len())?;
        // With the axes from this one on as one, the parts lie side by side.
        let flat = |shape: &[usize]| [&shape[..axis], &[shape[axis..].iter().product()]].concat();
        let parts: Vec<TensorId> = inputs
            .iter()
            .map(|&input| {
                let own = flat(builder.shape(input));
                builder.reshape(layer.name(), input, own)
            })
            .collect();
        let joined = builder.stage(layer.name(), plan::Kind::Concatenate, &parts, flat(&shape));
        Ok(builder.reshape(layer.name(), joined, shape))
    }
}
