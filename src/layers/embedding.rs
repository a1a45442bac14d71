//! `Embedding`: each element, a row number, becomes that row of a trained table.

use super::weights::Weight;
use super::{Kind, Layer, Shape, VariableSpec};
use crate::config;
use crate::error::{Error, Result};
use crate::plan::{self, Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    input_dim: Value,
    output_dim: Value,
    #[serde(default = "uniform")]
    embeddings_initializer: Value,
    #[serde(default)]
    embeddings_regularizer: Value,
    #[serde(default)]
    embeddings_constraint: Value,
    #[serde(default)]
    mask_zero: bool,
}

fn uniform() -> Value {
    json!("uniform")
}

/// A table of vectors.
#[derive(Debug)]
pub struct Embedding {
    config: Config,
    rows: usize,
    columns: usize,
    table: Weight,
}

impl Kind for Embedding {
    fn parse(_class: &str, value: &Value, place: &str) -> Result<Self> {
        let config: Config = config::read(value, place)?;
        let positive = |key: &str, value: &Value| {
            let size = value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
            size.ok_or_else(|| Error::invalid(format!("{place}: {key}"), "a positive integer", value.to_string()))
        };
        let (rows, columns) = (positive("input_dim", &config.input_dim)?, positive("output_dim", &config.output_dim)?);
        if u32::try_from(rows).is_err() {
            return Err(Error::invalid(format!("{place}: input_dim"), "less than 2³²", rows.to_string()));
        }
        if config.mask_zero {
            return Err(Error::invalid(format!("{place}: mask_zero"), "False", "True, and masks are not supported"));
        }
        let Config { embeddings_initializer, embeddings_regularizer, embeddings_constraint, .. } = &config;
        let (initializer, regularizer) = (embeddings_initializer, embeddings_regularizer);
        let table = Weight::parse(place, "embeddings", initializer, regularizer, embeddings_constraint)?;
        Ok(Embedding { config, rows, columns, table })
    }

    fn config(&self) -> Value {
        serde_json::to_value(&self.config).unwrap_or(Value::Null)
    }

    fn output_shape(&self, _place: &str, input: &[Option<usize>]) -> Result<Shape> {
        Ok([input, &[Some(self.columns)]].concat())
    }

    fn variables(&self, _input: &[usize]) -> Vec<VariableSpec> {
        vec![self.table.spec(vec![self.rows, self.columns])]
    }

    fn serves(&self, _built: &[usize], _input: &[Option<usize>]) -> bool {
        true
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let [table] = layer.built_variables()?;
        let table = builder.variable(table, layer.trainable());
        let shape = [builder.shape(input), &[self.columns]].concat();
        Ok(builder.stage(layer.name(), plan::Kind::Embedding { table }, &[input], shape))
    }
}
