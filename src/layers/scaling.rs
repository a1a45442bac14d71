//! Layers that scale by given numbers: `Rescaling` (scale·x + offset) and `Normalization` ((x − mean)/max(√variance, ε)
//! along some axes, ε = 10⁻⁷, or the inverse of it).

use super::axes::{all_of_sample, along, broadcast, sizes};
use super::{Kind, Layer, Shape, VariableSpec};
use crate::config;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::params::Variable;
use crate::plan::{self, Builder, TensorId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// A number, or nested lists of numbers, with their shape.
#[derive(Clone, Debug, PartialEq)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Numbers {
    fn parse(value: &Value, place: &str) -> Result<Self> {
        let wrong = || Error::invalid(place, "a number or a list of numbers", value.to_string());
        match value {
            Value::Array(items) => {
                let items: Vec<Numbers> = items.iter().map(|v| Numbers::parse(v, place)).collect::<Result<_>>()?;
                let inner = items.first().map(|n| n.shape.clone()).ok_or_else(wrong)?;
                if items.iter().any(|n| n.shape != inner) {
                    return Err(wrong());
                }
                let shape = [&[items.len()][..], &inner].concat();
                Ok(Numbers { shape, values: items.into_iter().flat_map(|n| n.values).collect() })
            }
            _ => Ok(Numbers { shape: Vec::new(), values: vec![value.as_f64().ok_or_else(wrong)?] }),
        }
    }

    fn floats(&self) -> Arc<[f32]> {
        self.values.iter().map(|&v| v as f32).collect()
    }
}

/// scale·x + offset, each a number or one a column.
#[derive(Debug, Serialize)]
pub struct Rescaling {
    scale: Value,
    offset: Value,
    #[serde(skip)]
    numbers: [Numbers; 2],
}

impl Kind for Rescaling {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Config {
            scale: Value,
            #[serde(default)]
            offset: Option<Value>,
        }
        let Config { scale, offset } = config::read(config, place)?;
        let offset = offset.unwrap_or_else(|| json!(0.0));
        let mut numbers = [
            Numbers::parse(&scale, &format!("{place}: scale"))?,
            Numbers::parse(&offset, &format!("{place}: offset"))?,
        ];
        for (key, own) in ["scale", "offset"].iter().zip(&mut numbers) {
            // Axes of size 1 in front change nothing.
            let last = own.shape.last().copied();
            if own.shape.iter().rev().skip(1).any(|&d| d != 1) {
                let received = format!("an array of shape {:?}", own.shape);
                return Err(Error::invalid(format!("{place}: {key}"), "a number, or one a column", received));
            }
            own.shape = last.into_iter().collect();
        }
        Ok(Rescaling { scale, offset, numbers })
    }

    fn config(&self) -> Value {
        json!({"scale": self.scale, "offset": self.offset})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        let columns = input.last().copied().unwrap_or(Some(1));
        for (key, own) in ["scale", "offset"].iter().zip(&self.numbers) {
            let count = own.values.len();
            if count != 1 && columns.is_some_and(|n| n != count) {
                let expected = format!("one number, or one for each of {} columns", columns.unwrap_or(0));
                return Err(Error::invalid(format!("{place}: {key}"), expected, format!("{count} numbers")));
            }
        }
        Ok(input.to_vec())
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let (scale, offset) = (self.numbers[0].floats(), self.numbers[1].floats());
        let shape = builder.shape(input).to_vec();
        Ok(builder.stage(layer.name(), plan::Kind::Affine { scale, offset }, &[input], shape))
    }
}

/// By mean and variance of data seen before, kept as variables, or by those that the configuration gives.
#[derive(Debug)]
pub struct Normalization {
    axis: Vec<i64>,
    invert: bool,
    /// `mean` and `variance` as they were given.
    given: Option<[(Value, Numbers); 2]>,
}

impl Normalization {
    fn axes(&self, place: &str, input: &[Option<usize>]) -> Result<Vec<usize>> {
        all_of_sample(place, &self.axis, input.len())
    }
}

impl Kind for Normalization {
    fn parse(_class: &str, config: &Value, place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Config {
            #[serde(default = "last")]
            axis: Value,
            #[serde(default)]
            mean: Value,
            #[serde(default)]
            variance: Value,
            #[serde(default)]
            invert: bool,
        }
        fn last() -> Value {
            json!(-1)
        }
        let Config { axis, mean, variance, invert } = config::read(config, place)?;
        let wrong = || Error::invalid(format!("{place}: axis"), "None, an integer or integers", axis.to_string());
        let axis = match &axis {
            Value::Null => Vec::new(),
            Value::Array(axes) => axes.iter().map(|a| a.as_i64().ok_or_else(wrong)).collect::<Result<_>>()?,
            _ => vec![axis.as_i64().ok_or_else(wrong)?],
        };
        if mean.is_null() != variance.is_null() {
            let received = format!("mean={mean} and variance={variance}");
            return Err(Error::invalid(place, "both `mean` and `variance`, or neither", received));
        }
        if mean.is_null() {
            return Ok(Normalization { axis, invert, given: None });
        }
        let numbers = [Numbers::parse(&mean, place)?, Numbers::parse(&variance, place)?];
        if numbers[0].shape != numbers[1].shape {
            let received = format!("shapes {:?} and {:?}", numbers[0].shape, numbers[1].shape);
            return Err(Error::invalid(place, "`mean` and `variance` of the same shape", received));
        }
        if numbers[0].shape.len() > axis.len() {
            let expected = format!("`mean` with at most {} axes, as many as `axis` names", axis.len());
            return Err(Error::invalid(place, expected, format!("shape {:?}", numbers[0].shape)));
        }
        let [m, v] = numbers;
        Ok(Normalization { axis, invert, given: Some([(mean, m), (variance, v)]) })
    }

    fn config(&self) -> Value {
        let given = |i: usize| self.given.as_ref().map_or(Value::Null, |given| given[i].0.clone());
        json!({"axis": self.axis, "invert": self.invert, "mean": given(0), "variance": given(1)})
    }

    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Shape> {
        let kept = sizes(place, input, &self.axes(place, input)?)?;
        if let Some([(_, mean), _]) = &self.given {
            let fits = kept.iter().rev().zip(mean.shape.iter().rev()).all(|(&size, &own)| own == 1 || own == size);
            if !fits {
                let received = format!("shape {:?}", mean.shape);
                return Err(Error::invalid(place, format!("`mean` for axes of sizes {kept:?}"), received));
            }
        }
        Ok(input.to_vec())
    }

    fn variables(&self, input: &[usize]) -> Vec<VariableSpec> {
        if self.given.is_some() {
            return Vec::new();
        }
        let shape: Vec<Option<usize>> = input.iter().map(|&d| Some(d)).collect();
        // The axes were checked when the output's shape was asked for.
        let kept: Vec<usize> = self.axes("", &shape).unwrap_or_default().iter().map(|&axis| input[axis]).collect();
        let fixed =
            |name, shape, initializer| VariableSpec { trainable: false, ..VariableSpec::new(name, shape, initializer) };
        vec![
            fixed("mean", kept.clone(), Initializer::Zeros),
            fixed("variance", kept, Initializer::Ones),
            fixed("count", Vec::new(), Initializer::Zeros),
        ]
    }

    fn serves(&self, built: &[usize], input: &[Option<usize>]) -> bool {
        super::same_axes(&self.axis, built, input)
    }

    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId> {
        let shape = builder.shape(input).to_vec();
        let open: Vec<Option<usize>> = shape.iter().map(|&d| Some(d)).collect();
        let axes = self.axes(&layer.place(), &open)?;
        let kept: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
        let [mean, variance] = match &self.given {
            None => {
                let [mean, variance, _count] = layer.built_variables()?;
                [mean.clone(), variance.clone()]
            }
            Some([(_, mean), (_, variance)]) => {
                let constant = |name: &str, numbers: &Numbers| {
                    let map = broadcast(&numbers.shape, &kept);
                    let values: Vec<f32> = map.iter().map(|&i| numbers.values[i as usize] as f32).collect();
                    let path = format!("{}/{name}", layer.name());
                    Ok::<_, Error>(Arc::new(Variable::new(name, &path, &kept, false, &values)?))
                };
                [constant("mean", mean)?, constant("variance", variance)?]
            }
        };
        let [mean, variance] = [&mean, &variance].map(|v| builder.variable(v, false));
        let (name, kind) = (layer.name(), plan::Kind::Standardize { mean, variance, invert: self.invert });
        let stage = |builder: &mut Builder, x: TensorId| {
            let shape = builder.shape(x).to_vec();
            builder.stage(name, kind, &[x], shape)
        };
        if axes.is_empty() {
            return Ok(stage(builder, input));
        }
        Ok(along(builder, name, input, &axes, stage))
    }
}
