//! `Dot`: for each sample the sums of products along one axis of each of two inputs; `normalize` first makes those vectors
//! of length 1, which gives cosines.

use super::axes::{Moved, of_sample};
use super::{Kind, Layer, Shape};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{self, Builder, TensorId};
use serde::Deserialize;
use serde_json::{Value, json};

/// Keras's ε of a normalized dot product, 10⁻⁷, squared.
const EPSILON: f64 = 1e-14;

/// The configuration of a dot product.
#[derive(Debug)]
pub struct Dot {
    given: Value,
    axes: [i64; 2],
    normalize: bool,
}

impl Dot {
    fn axes(&self, place: &str, ranks: [usize; 2]) -> Result<[usize; 2]> {
        Ok([of_sample(place, self.axes[0], ranks[0])?, of_sample(place, self.axes[1], ranks[1])?])
    }
}

impl Kind for Dot {
    fn parse(_class: &str, value: &Value, place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Config {
            axes: Value,
            #[serde(default)]
            normalize: bool,
        }
        let Config { axes: given, normalize } = config::read(value, place)?;
        let place = format!("{place}: axes");
        let axes = match &given {
            Value::Array(axes) => {
                let pair: Option<Vec<i64>> = axes.iter().map(Value::as_i64).collect();
                let pair: Option<[i64; 2]> = pair.and_then(|axes| axes.try_into().ok());
                pair.ok_or_else(|| Error::invalid(place, "two integers", given.to_string()))?
            }
            one => {
                let axis = one.as_i64();
                [axis.ok_or_else(|| Error::wrong_type(place, "an integer or a list", given.to_string()))?; 2]
            }
        };
        Ok(Dot { given, axes, normalize })
    }

    fn config(&self) -> Value {
        json!({"axes": self.given, "normalize": self.normalize})
    }

    fn output_shape_of_many(&self, place: &str, inputs: &[Shape]) -> Result<Shape> {
        let [x, y] = inputs else {
            return Err(Error::invalid(place, "exactly 2 inputs", inputs.len().to_string()));
        };
        let [a, b] = self.axes(place, [x.len(), y.len()])?;
        if let (Some(m), Some(n)) = (x[a], y[b])
            && m != n
        {
            let received = format!("{m} and {n}, in inputs of shapes {x:?} and {y:?}");
            return Err(Error::invalid(place, "the same size along both axes", received));
        }
        let others = |shape: &Shape, axis: usize| [&shape[..axis], &shape[axis + 1..]].concat();
        let shape = [others(x, a), others(y, b)].concat();
        Ok(if shape.is_empty() { vec![Some(1)] } else { shape })
    }

    fn lower_many(&self, builder: &mut Builder, layer: &Layer, inputs: &[TensorId]) -> Result<TensorId> {
        let shape = layer.shape_for(builder, inputs)?;
        let ranks = [inputs[0], inputs[1]].map(|t| builder.shape(t).len());
        let axes = self.axes(&layer.place(), ranks)?;
        let mut counts = [0; 2];
        let mut sides = [0; 2];
        for side in 0..2 {
            let moved = Moved::to_end(builder, layer.name(), inputs[side], &[axes[side]]).tensor;
            let own = builder.shape(moved);
            let (rows, depth) = (own[..own.len() - 1].iter().product(), own[own.len() - 1]);
            counts[side] = rows;
            sides[side] = builder.reshape(layer.name(), moved, vec![rows, depth]);
            if self.normalize {
                let kind = plan::Kind::UnitNormalize { epsilon: EPSILON };
                sides[side] = builder.stage(layer.name(), kind, &[sides[side]], vec![rows, depth]);
            }
        }
        let [m, n] = counts;
        let product = builder.stage(layer.name(), plan::Kind::Dot { m, n }, &sides, vec![m, n]);
        Ok(builder.reshape(layer.name(), product, shape))
    }
}
