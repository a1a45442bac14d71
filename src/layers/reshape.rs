//! Layers that keep the elements and change the shape or the order: `Flatten`, `Reshape`, `Permute`, `RepeatVector`.

use super::axes::{broadcast, countable, permuted};
use super::{Kind, Layer, Shape, known};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How many elements a shape has.
fn size(place: &str, shape: &[usize]) -> Result<usize> {
    let size = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    size.ok_or_else(|| Error::invalid(place, "a shape that fits memory", format!("{shape:?}")))
}

/// All axes of a sample as one. `data_format` is accepted: with one layout of memory it changes nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {
    #[serde(default)]
    data_format: Option<String>,
}

impl Kind for Flatten {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        config::read(config, place)
    }

    fn config(&self) -> Value {
        json!({"data_format": self.data_format.as_deref().unwrap_or("channels_last")})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        if input.contains(&None) {
            return Ok(vec![None]);
        }
        Ok(vec![Some(size(place, &known(place, input)?)?)])
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let size = builder.shape(input).iter().product();
        Ok(builder.reshape(layer.name(), input, vec![size]))
    }
}

/// Another shape of the same size; one axis may be −1, which is then what remains.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    target_shape: Vec<i64>,
}

impl Kind for Reshape {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        let own: Reshape = config::read(config, place)?;
        let free = own.target_shape.iter().filter(|&&d| d == -1).count();
        if free > 1 || own.target_shape.iter().any(|&d| d < -1) {
            let expected = "sizes of at least 0, and -1 at most once";
            let received = format!("{:?}", own.target_shape);
            return Err(Error::invalid(format!("{place}: target_shape"), expected, received));
        }
        Ok(own)
    }

    fn config(&self) -> Value {
        json!({"target_shape": self.target_shape})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        let target: Shape = self.target_shape.iter().map(|&d| usize::try_from(d).ok()).collect();
        if input.contains(&None) {
            return Ok(target);
        }
        let whole = size(place, &known(place, input)?)?;
        let fixed: Vec<usize> = target.iter().flatten().copied().collect();
        let fixed = size(place, &fixed)?;
        let wrong = || {
            let expected = format!("the size of the input, {whole}, to be unchanged");
            Error::invalid(format!("{place}: target_shape"), expected, format!("{:?}", self.target_shape))
        };
        if !target.contains(&None) {
            return if fixed == whole { Ok(target) } else { Err(wrong()) };
        }
        if fixed == 0 || whole % fixed != 0 {
            return Err(wrong());
        }
        Ok(target.into_iter().map(|d| d.or(Some(whole / fixed))).collect())
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let shape = layer.shape_for(builder, &[input])?;
        Ok(builder.reshape(layer.name(), input, shape))
    }
}

/// The axes of a sample in another order; `dims` counts them from 1.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permute {
    dims: Vec<usize>,
}

impl Permute {
    fn order(&self) -> Vec<usize> {
        self.dims.iter().map(|d| d - 1).collect()
    }
}

impl Kind for Permute {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        let own: Permute = config::read(config, place)?;
        let mut sorted = own.dims.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(1..=own.dims.len()) {
            let expected = "each axis from 1 on once, consecutive";
            return Err(Error::invalid(format!("{place}: dims"), expected, format!("{:?}", own.dims)));
        }
        Ok(own)
    }

    fn config(&self) -> Value {
        json!({"dims": self.dims})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        if input.len() != self.dims.len() {
            let expected = format!("an input of {} axes, batch included", self.dims.len() + 1);
            return Err(Error::invalid(place, expected, (input.len() + 1).to_string()));
        }
        countable(place, input)?;
        Ok(self.order().iter().map(|&axis| input[axis]).collect())
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let (map, shape) = permuted(builder.shape(input), &self.order());
        Ok(builder.rearrange(layer.name(), input, map, shape))
    }
}

/// A vector n times: (d) → (n, d).
#[derive(Debug)]
pub struct RepeatVector {
    n: usize,
}

impl Kind for RepeatVector {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Config {
            n: Value,
        }
        let Config { n } = config::read(config, place)?;
        let place = format!("{place}: n");
        let Some(count) = n.as_i64() else { return Err(Error::wrong_type(place, "an integer", n.to_string())) };
        let count = usize::try_from(count).ok().filter(|&n| n > 0);
        let n = count.ok_or_else(|| Error::invalid(place, "a positive integer", n.to_string()))?;
        Ok(RepeatVector { n })
    }

    fn config(&self) -> Value {
        json!({"n": self.n})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        let [size] = *input else {
            let received = format!("{} axes", input.len() + 1);
            return Err(Error::invalid(place, "an input of 2 axes (batch, features)", received));
        };
        let shape = vec![Some(self.n), size];
        countable(place, &shape)?;
        Ok(shape)
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let from = builder.shape(input).to_vec();
        let shape = vec![self.n, from[0]];
        Ok(builder.rearrange(layer.name(), input, broadcast(&from, &shape), shape))
    }
}
