//! Layers that keep the elements and change the shape: `Flatten`.

use super::{Kind, Layer, known};
use crate::error::{Error, Result};
use crate::plan::{Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// All axes of a sample as one. `data_format` is accepted: with one layout of memory it changes nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {
    #[serde(default)]
    data_format: Option<String>,
}

impl Kind for Flatten {
    fn config(&self) -> Value {
        json!({"data_format": self.data_format.as_deref().unwrap_or("channels_last")})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Vec<Option<usize>>> {
        if input.contains(&None) {
            return Ok(vec![None]);
        }
        let size = known(place, input)?.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        Ok(vec![Some(size.ok_or_else(|| Error::invalid(place, "a shape that fits memory", format!("{input:?}")))?)])
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let size = builder.shape(input).iter().product();
        Ok(builder.reshape(layer.name(), input, vec![size]))
    }
}
