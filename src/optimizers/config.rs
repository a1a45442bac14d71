//! How an optimizer is asked for, and what it is made of.

use super::{Adam, Sgd};
use crate::error::{Error, Result};
use crate::spec::Spec;
use serde::Serialize;
use serde_json::Value;

/// An update rule with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Rule {
    /// Gradient descent, with or without momentum.
    Sgd(Sgd),
    /// Adam and AMSGrad.
    Adam(Adam),
}

/// A rule and what every optimizer has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OptimizerConfig {
    /// The rule.
    pub rule: Rule,
    /// Its name; the rule's, where none was given.
    pub name: String,
    /// η at the start.
    pub learning_rate: f64,
    /// Decoupled decay of the weights, times η; applied to every variable, biases too.
    pub weight_decay: Option<f64>,
    /// The most that a variable's gradient may have as its norm. At most one of the three clips is set.
    pub clipnorm: Option<f64>,
    /// The most that an element of a gradient may be.
    pub clipvalue: Option<f64>,
    /// The most that all gradients together may have as their norm.
    pub global_clipnorm: Option<f64>,
}

/// What every optimizer takes.
const ARGUMENTS: [&str; 11] = [
    "name",
    "learning_rate",
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
];

impl OptimizerConfig {
    /// Every rule's class name.
    pub fn names() -> Vec<&'static str> {
        vec!["SGD", "Adam"]
    }

    /// Reads a name, in any case, or a class name with arguments.
    pub fn parse(value: &Value) -> Result<Self> {
        let spec = Spec::parse(value, "optimizer")?;
        let (rule, default_rate, arguments): (Rule, f64, &[&str]) = match spec.name.to_lowercase().as_str() {
            "sgd" => (Rule::Sgd(Sgd::parse(&spec)?), 0.01, &Sgd::ARGUMENTS),
            "adam" => (Rule::Adam(Adam::parse(&spec)?), 0.001, &Adam::ARGUMENTS),
            _ => return Err(spec.unknown(&Self::names())),
        };
        spec.only(&[&ARGUMENTS, arguments].concat())?;
        spec.unavailable("use_ema", Some(&false.into()))?;
        spec.unavailable("loss_scale_factor", None)?;
        spec.unavailable("gradient_accumulation_steps", None)?;
        if let Some(schedule @ Value::Object(_)) = spec.get("learning_rate") {
            let expected = "a number (schedules are not available yet)";
            return Err(Error::invalid(spec.place("learning_rate"), expected, schedule.to_string()));
        }
        let (clipnorm, clipvalue) = (positive(&spec, "clipnorm")?, positive(&spec, "clipvalue")?);
        let global_clipnorm = positive(&spec, "global_clipnorm")?;
        if [clipnorm, clipvalue, global_clipnorm].iter().flatten().count() > 1 {
            return Err(Error::invalid(
                format!("optimizer '{}'", spec.name),
                "at most one of clipnorm, clipvalue and global_clipnorm",
                format!("clipnorm={clipnorm:?}, clipvalue={clipvalue:?}, global_clipnorm={global_clipnorm:?}"),
            ));
        }
        Ok(OptimizerConfig {
            rule,
            name: spec.text("name")?.map_or_else(|| spec.name.to_lowercase(), str::to_string),
            learning_rate: spec.number("learning_rate", default_rate)?,
            weight_decay: spec.optional_number("weight_decay")?,
            clipnorm,
            clipvalue,
            global_clipnorm,
        })
    }
}

fn positive(spec: &Spec, key: &str) -> Result<Option<f64>> {
    match spec.optional_number(key)? {
        Some(x) if x <= 0.0 => Err(Error::invalid(spec.place(key), "a number > 0", x.to_string())),
        other => Ok(other),
    }
}
