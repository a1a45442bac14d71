//! Numbers as categories and categories as rows: `Discretization` (the number of the bin that x falls into) and
//! `CategoryEncoding` (one-hot, multi-hot, counts).
//!
//! As in Keras, one-hot keeps the shape and adds an axis of categories (in place of a last axis of 1); multi-hot and counts
//! are taken over the first axis of a sample. A number that is no category counts for nothing.

use super::axes::{Moved, countable};
use super::{Kind, Layer, Shape};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{self, Builder, Encoding, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn encoding(name: &str) -> Option<Encoding> {
    match name {
        "one_hot" => Some(Encoding::OneHot),
        "multi_hot" => Some(Encoding::MultiHot),
        "count" => Some(Encoding::Count),
        _ => None,
    }
}

fn encoded_shape(place: &str, encoding: Encoding, tokens: usize, input: &[Option<usize>]) -> Result<Shape> {
    let kept = match (encoding, input) {
        (Encoding::OneHot, [before @ .., Some(1)]) => before,
        (Encoding::OneHot, all) => all,
        (_, [_, rest @ ..]) => rest,
        (_, []) => {
            let expected = "an input of at least 2 axes (batch, categories) for multi_hot and count";
            return Err(Error::invalid(place, expected, "1 axis"));
        }
    };
    let shape = [kept, &[Some(tokens)]].concat();
    countable(place, &shape)?;
    Ok(shape)
}

fn encode(
    encoding: Encoding,
    tokens: usize,
    builder: &mut Builder,
    layer: &Layer,
    input: TensorId,
) -> Result<TensorId> {
    let open: Shape = builder.shape(input).iter().map(|&d| Some(d)).collect();
    let shape = encoded_shape(&layer.place(), encoding, tokens, &open)?;
    let shape: Vec<usize> = shape.into_iter().flatten().collect();
    let rows = &shape[..shape.len() - 1];
    let input = match encoding {
        Encoding::OneHot => builder.reshape(layer.name(), input, [rows, &[1]].concat()),
        _ => Moved::to_end(builder, layer.name(), input, &[0]).tensor,
    };
    Ok(builder.stage(layer.name(), plan::Kind::Encode { tokens, encoding }, &[input], shape))
}

/// Refuses sparse results, which this library does not have.
fn dense(place: &str, sparse: bool) -> Result<()> {
    if sparse {
        return Err(Error::invalid(format!("{place}: sparse"), "False", "True, which is not supported"));
    }
    Ok(())
}

/// How many boundaries are ≤ x, from 0 on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discretization {
    #[serde(default)]
    bin_boundaries: Option<Vec<f64>>,
    #[serde(default)]
    num_bins: Option<i64>,
    #[serde(default = "epsilon")]
    epsilon: f64,
    #[serde(default = "int")]
    output_mode: String,
    #[serde(default)]
    sparse: bool,
}

fn epsilon() -> f64 {
    0.01
}
fn int() -> String {
    "int".into()
}

impl Discretization {
    fn tokens(&self) -> usize {
        let bins = usize::try_from(self.num_bins.unwrap_or(0)).unwrap_or(0);
        self.bin_boundaries.as_ref().map_or(bins, |b| b.len() + 1)
    }
}

impl Kind for Discretization {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        let own: Discretization = config::read(config, place)?;
        dense(place, own.sparse)?;
        if own.output_mode != "int" && encoding(&own.output_mode).is_none() {
            let expected = "'int', 'one_hot', 'multi_hot' or 'count'";
            return Err(Error::invalid(format!("{place}: output_mode"), expected, format!("'{}'", own.output_mode)));
        }
        if let Some(bins) = own.num_bins.filter(|&n| n < 0) {
            return Err(Error::invalid(format!("{place}: num_bins"), "at least 0", bins.to_string()));
        }
        let boundaries = own.bin_boundaries.as_deref();
        if boundaries.is_none() && own.num_bins.is_none() {
            return Err(Error::invalid(place, "either `num_bins` or `bin_boundaries`", "neither"));
        }
        if boundaries.is_some_and(|b| !b.is_sorted() || b.iter().any(|x| x.is_nan())) {
            let received = format!("{:?}", boundaries.unwrap_or_default());
            return Err(Error::invalid(format!("{place}: bin_boundaries"), "numbers in ascending order", received));
        }
        Ok(own)
    }

    fn config(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        match encoding(&self.output_mode) {
            None => Ok(input.to_vec()),
            Some(encoding) => encoded_shape(place, encoding, self.tokens(), input),
        }
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let Some(boundaries) = &self.bin_boundaries else {
            let text = "has no bin boundaries yet: pass `bin_boundaries` or call `adapt` first";
            return Err(Error::invalid(layer.place(), "bin boundaries", format!("a layer that {text}")));
        };
        let kind = plan::Kind::Discretize { boundaries: boundaries.iter().map(|&b| b as f32).collect() };
        let shape = builder.shape(input).to_vec();
        let bins = builder.stage(layer.name(), kind, &[input], shape);
        match encoding(&self.output_mode) {
            None => Ok(bins),
            Some(encoding) => encode(encoding, self.tokens(), builder, layer, bins),
        }
    }
}

/// Categories from 0 to `num_tokens` − 1 as rows.
#[derive(Debug)]
pub struct CategoryEncoding {
    tokens: usize,
    output_mode: String,
    encoding: Encoding,
}

impl Kind for CategoryEncoding {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Config {
            #[serde(default)]
            num_tokens: Option<i64>,
            #[serde(default = "multi_hot")]
            output_mode: String,
            #[serde(default)]
            sparse: bool,
        }
        fn multi_hot() -> String {
            "multi_hot".into()
        }
        let Config { num_tokens, mut output_mode, sparse } = config::read(config, place)?;
        dense(place, sparse)?;
        if output_mode == "binary" {
            output_mode = multi_hot();
        }
        let encoding = encoding(&output_mode).ok_or_else(|| {
            let expected = "'one_hot', 'multi_hot' or 'count'";
            Error::invalid(format!("{place}: output_mode"), expected, format!("'{output_mode}'"))
        })?;
        let wrong = |received: String| Error::invalid(format!("{place}: num_tokens"), "at least 1", received);
        let Some(given) = num_tokens else { return Err(wrong("None; it must be set to use this layer".into())) };
        let tokens = usize::try_from(given).ok().filter(|&n| n > 0).ok_or_else(|| wrong(given.to_string()))?;
        Ok(CategoryEncoding { tokens, output_mode, encoding })
    }

    fn config(&self) -> Value {
        json!({"num_tokens": self.tokens, "output_mode": self.output_mode})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        encoded_shape(place, self.encoding, self.tokens, input)
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        encode(self.encoding, self.tokens, builder, layer, input)
    }
}
