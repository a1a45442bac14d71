//! How an optimizer is asked for, and what it is made of.

use super::{Adadelta, Adagrad, Adam, Adamax, Ftrl, Lamb, LearningRate, Lion, Nadam, RmsProp, Sgd};
use crate::error::{Error, Result};
use crate::spec::Spec;
use serde::Serialize;
use serde_json::Value;

/// An update rule with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Rule {
    /// Gradient descent, with or without momentum.
    Sgd(Sgd),
    /// Adam and AMSGrad; AdamW is Adam with another decay at the start.
    Adam(Adam),
    /// RMSprop.
    RmsProp(RmsProp),
    /// Adagrad.
    Adagrad(Adagrad),
    /// Adadelta.
    Adadelta(Adadelta),
    /// Adamax.
    Adamax(Adamax),
    /// Nadam.
    Nadam(Nadam),
    /// Follow the regularised leader.
    Ftrl(Ftrl),
    /// Lion.
    Lion(Lion),
    /// Lamb.
    Lamb(Lamb),
}

/// The moving average of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ema {
    /// How much of the old average stays.
    pub momentum: f64,
    /// After how many updates the averages replace the weights; at the end only, if it is not given.
    pub overwrite_frequency: Option<u64>,
}

/// A rule and what every optimizer has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OptimizerConfig {
    /// The rule.
    pub rule: Rule,
    /// Its name; the rule's, where none was given.
    pub name: String,
    /// η, at the start or at every step.
    pub learning_rate: LearningRate,
    /// Decoupled decay of the weights, times η; applied to every variable that is not excluded, biases too.
    pub weight_decay: Option<f64>,
    /// The most that a variable's gradient may have as its norm. At most one of the three clips is set.
    pub clipnorm: Option<f64>,
    /// The most that an element of a gradient may be.
    pub clipvalue: Option<f64>,
    /// The most that all gradients together may have as their norm.
    pub global_clipnorm: Option<f64>,
    /// The moving average of the weights, if there is one.
    pub use_ema: Option<Ema>,
    /// What a loss was multiplied by before its gradient was taken. A `fit` multiplies no loss: it computes in single
    /// precision.
    pub loss_scale_factor: Option<f64>,
    /// How many gradients' mean makes one update, from 2.
    pub gradient_accumulation_steps: Option<u64>,
    /// What it was read from, for the model file.
    pub source: Source,
}

/// The text of a configuration. Two ways to say the same are equal.
#[derive(Clone, Debug, Serialize)]
pub struct Source(pub Value);

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
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
        vec!["SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl", "Lion", "Lamb"]
    }

    /// Reads a name, in any case, or a class name with arguments.
    pub fn parse(value: &Value) -> Result<Self> {
        let spec = &Spec::parse(value, "optimizer")?;
        let (rule, default_rate, arguments): (Rule, f64, &[&str]) = match spec.name.to_lowercase().as_str() {
            "sgd" => (Rule::Sgd(Sgd::parse(spec)?), 0.01, &Sgd::ARGUMENTS),
            "rmsprop" => (Rule::RmsProp(RmsProp::parse(spec)?), 0.001, &RmsProp::ARGUMENTS),
            "adam" | "adamw" => (Rule::Adam(Adam::parse(spec)?), 0.001, &Adam::ARGUMENTS),
            "adadelta" => (Rule::Adadelta(Adadelta::parse(spec)?), 0.001, &Adadelta::ARGUMENTS),
            "adagrad" => (Rule::Adagrad(Adagrad::parse(spec)?), 0.001, &Adagrad::ARGUMENTS),
            "adamax" => (Rule::Adamax(Adamax::parse(spec)?), 0.001, &Adamax::ARGUMENTS),
            "nadam" => (Rule::Nadam(Nadam::parse(spec)?), 0.001, &Nadam::ARGUMENTS),
            "ftrl" => (Rule::Ftrl(Ftrl::parse(spec)?), 0.001, &Ftrl::ARGUMENTS),
            "lion" => (Rule::Lion(Lion::parse(spec)?), 0.001, &Lion::ARGUMENTS),
            "lamb" => (Rule::Lamb(Lamb::parse(spec)?), 0.001, &Lamb::ARGUMENTS),
            _ => return Err(spec.unknown(&Self::names())),
        };
        spec.only(&[&ARGUMENTS, arguments].concat())?;
        let (clipnorm, clipvalue) = (positive(spec, "clipnorm")?, positive(spec, "clipvalue")?);
        let global_clipnorm = positive(spec, "global_clipnorm")?;
        if [clipnorm, clipvalue, global_clipnorm].iter().flatten().count() > 1 {
            return Err(Error::invalid(
                format!("optimizer '{}'", spec.name),
                "at most one of clipnorm, clipvalue and global_clipnorm",
                format!("clipnorm={clipnorm:?}, clipvalue={clipvalue:?}, global_clipnorm={global_clipnorm:?}"),
            ));
        }
        let default_decay = spec.name.eq_ignore_ascii_case("adamw").then_some(0.004);
        Ok(OptimizerConfig {
            rule,
            name: spec.text("name")?.map_or_else(|| spec.name.to_lowercase(), str::to_string),
            learning_rate: match spec.get("learning_rate") {
                Some(schedule @ Value::Object(_)) => LearningRate::parse(schedule)?,
                _ => LearningRate::Constant(spec.number("learning_rate", default_rate)?),
            },
            weight_decay: spec.optional_number("weight_decay")?.or(default_decay),
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema: ema(spec)?,
            loss_scale_factor: positive(spec, "loss_scale_factor")?,
            gradient_accumulation_steps: count(spec, "gradient_accumulation_steps", 2)?,
            source: Source(value.clone()),
        })
    }
}

fn ema(spec: &Spec) -> Result<Option<Ema>> {
    let momentum = spec.number("ema_momentum", 0.99)?;
    if !spec.flag("use_ema", false)? {
        return Ok(None);
    }
    if !(0.0..=1.0).contains(&momentum) {
        return Err(Error::invalid(spec.place("ema_momentum"), "a number from 0 to 1", momentum.to_string()));
    }
    Ok(Some(Ema { momentum, overwrite_frequency: count(spec, "ema_overwrite_frequency", 1)? }))
}

/// An integer of at least `least`; 0 is none.
fn count(spec: &Spec, key: &str, least: i64) -> Result<Option<u64>> {
    match spec.integer(key)? {
        None | Some(0) => Ok(None),
        Some(n) if n >= least => Ok(Some(n as u64)),
        Some(n) => Err(Error::invalid(spec.place(key), format!("an integer ≥ {least}, or null"), n.to_string())),
    }
}

fn positive(spec: &Spec, key: &str) -> Result<Option<f64>> {
    match spec.optional_number(key)? {
        Some(x) if x <= 0.0 => Err(Error::invalid(spec.place(key), "a number > 0", x.to_string())),
        other => Ok(other),
    }
}
