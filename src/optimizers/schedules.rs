//! Learning rates, constant or a function of the step s, in double precision. Keras's formulas:
//!
//! exponential: η·γ^(s/n); inverse time: η/(1 + γs/n), both with ⌊s/n⌋ for a staircase; polynomial:
//! (η − η₁)(1 − s/n)^p + η₁ with s ≤ n or, cyclic, n the next multiple; cosine: η(α + (1 − α)·½(1 + cos πs/n)) with
//! s ≤ n, after a linear warm-up; the same again and again, each time `t_mul` as long and `m_mul` as high
//! (Loshchilov & Hutter 2016).

use crate::error::{Error, Result};
use crate::spec::Spec;
use serde::Serialize;
use serde_json::Value;
use std::f64::consts::PI;

/// η.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum LearningRate {
    /// The same at every step.
    Constant(f64),
    /// A function of the step.
    Schedule(Schedule),
}

/// η as a function of the step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Schedule {
    /// η·γ^(s/n).
    ExponentialDecay {
        /// η.
        initial_learning_rate: f64,
        /// n.
        decay_steps: f64,
        /// γ.
        decay_rate: f64,
        /// Whether s/n is rounded down.
        staircase: bool,
    },
    /// `values[i]` up to and with `boundaries[i]`, the last one after.
    PiecewiseConstantDecay {
        /// Where the values change.
        boundaries: Vec<f64>,
        /// The values, one more.
        values: Vec<f64>,
    },
    /// (η − η₁)(1 − s/n)^p + η₁.
    PolynomialDecay {
        /// η.
        initial_learning_rate: f64,
        /// n.
        decay_steps: f64,
        /// η₁.
        end_learning_rate: f64,
        /// p.
        power: f64,
        /// Whether it begins anew after n steps, each time longer.
        cycle: bool,
    },
    /// η/(1 + γs/n).
    InverseTimeDecay {
        /// η.
        initial_learning_rate: f64,
        /// n.
        decay_steps: f64,
        /// γ.
        decay_rate: f64,
        /// Whether s/n is rounded down.
        staircase: bool,
    },
    /// Half a cosine, perhaps after a line up.
    CosineDecay {
        /// η; where the warm-up begins, if there is one.
        initial_learning_rate: f64,
        /// n.
        decay_steps: f64,
        /// α, the share that is left in the end.
        alpha: f64,
        /// Where the warm-up ends and the cosine begins.
        warmup_target: Option<f64>,
        /// How long the warm-up is.
        warmup_steps: f64,
    },
    /// Half a cosine, again and again.
    CosineDecayRestarts {
        /// η.
        initial_learning_rate: f64,
        /// How long the first is.
        first_decay_steps: f64,
        /// How many times as long each next one is.
        t_mul: f64,
        /// How many times as high.
        m_mul: f64,
        /// α, the share that is left at each end.
        alpha: f64,
    },
}

impl LearningRate {
    /// The rate of step `step`, from 0.
    pub fn at(&self, step: u64) -> f64 {
        match self {
            LearningRate::Constant(rate) => *rate,
            LearningRate::Schedule(schedule) => schedule.at(step as f64),
        }
    }

    /// A number, or a schedule with its arguments.
    pub fn parse(value: &Value) -> Result<Self> {
        match value.as_f64() {
            Some(rate) => Ok(LearningRate::Constant(rate)),
            None => Ok(LearningRate::Schedule(Schedule::parse(value)?)),
        }
    }
}

impl Schedule {
    /// Every schedule's class name.
    pub fn names() -> Vec<&'static str> {
        vec![
            "ExponentialDecay",
            "PiecewiseConstantDecay",
            "PolynomialDecay",
            "InverseTimeDecay",
            "CosineDecay",
            "CosineDecayRestarts",
        ]
    }

    /// Reads a class name with its arguments.
    pub fn parse(value: &Value) -> Result<Self> {
        let spec = &Spec::parse(value, "schedule")?;
        let initial_learning_rate = || required(spec, "initial_learning_rate");
        let (schedule, arguments): (Self, &[&str]) = match spec.name {
            "ExponentialDecay" | "InverseTimeDecay" => {
                let (initial_learning_rate, decay_steps) = (initial_learning_rate()?, steps(spec, "decay_steps")?);
                let (decay_rate, staircase) = (required(spec, "decay_rate")?, spec.flag("staircase", false)?);
                let schedule = if spec.name == "ExponentialDecay" {
                    Schedule::ExponentialDecay { initial_learning_rate, decay_steps, decay_rate, staircase }
                } else {
                    Schedule::InverseTimeDecay { initial_learning_rate, decay_steps, decay_rate, staircase }
                };
                (schedule, &["initial_learning_rate", "decay_steps", "decay_rate", "staircase"])
            }
            "PiecewiseConstantDecay" => {
                let (boundaries, values) = (numbers(spec, "boundaries")?, numbers(spec, "values")?);
                if boundaries.len() + 1 != values.len() || boundaries.is_empty() {
                    let expected = "at least one boundary, and one value more than boundaries";
                    let received = format!("{} values and {} boundaries", values.len(), boundaries.len());
                    return Err(Error::invalid(spec.place("values"), expected, received));
                }
                (Schedule::PiecewiseConstantDecay { boundaries, values }, &["boundaries", "values"])
            }
            "PolynomialDecay" => (
                Schedule::PolynomialDecay {
                    initial_learning_rate: initial_learning_rate()?,
                    decay_steps: steps(spec, "decay_steps")?,
                    end_learning_rate: spec.number("end_learning_rate", 0.0001)?,
                    power: spec.number("power", 1.0)?,
                    cycle: spec.flag("cycle", false)?,
                },
                &["initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle"],
            ),
            "CosineDecay" => (
                Schedule::CosineDecay {
                    initial_learning_rate: initial_learning_rate()?,
                    decay_steps: steps(spec, "decay_steps")?,
                    alpha: spec.number("alpha", 0.0)?,
                    warmup_target: spec.optional_number("warmup_target")?,
                    warmup_steps: spec.number("warmup_steps", 0.0)?,
                },
                &["initial_learning_rate", "decay_steps", "alpha", "warmup_target", "warmup_steps"],
            ),
            "CosineDecayRestarts" => (
                Schedule::CosineDecayRestarts {
                    initial_learning_rate: initial_learning_rate()?,
                    first_decay_steps: steps(spec, "first_decay_steps")?,
                    t_mul: spec.number_where("t_mul", 2.0, "a number > 0", |t| t > 0.0)?,
                    m_mul: spec.number("m_mul", 1.0)?,
                    alpha: spec.number("alpha", 0.0)?,
                },
                &["initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha"],
            ),
            _ => return Err(spec.unknown(&Self::names())),
        };
        spec.only(&[arguments, &["name"]].concat())?;
        Ok(schedule)
    }

    /// η after `s` steps.
    pub fn at(&self, s: f64) -> f64 {
        match *self {
            Schedule::ExponentialDecay { initial_learning_rate, decay_steps, decay_rate, staircase } => {
                initial_learning_rate * decay_rate.powf(periods(s, decay_steps, staircase))
            }
            Schedule::InverseTimeDecay { initial_learning_rate, decay_steps, decay_rate, staircase } => {
                initial_learning_rate / (1.0 + decay_rate * periods(s, decay_steps, staircase))
            }
            Schedule::PiecewiseConstantDecay { ref boundaries, ref values } => {
                let passed = boundaries.iter().take_while(|b| s > **b).count();
                values[passed]
            }
            Schedule::PolynomialDecay { initial_learning_rate, decay_steps, end_learning_rate, power, cycle } => {
                let (s, n) = match cycle {
                    true => (s, decay_steps * if s == 0.0 { 1.0 } else { (s / decay_steps).ceil() }),
                    false => (s.min(decay_steps), decay_steps),
                };
                (initial_learning_rate - end_learning_rate) * (1.0 - s / n).powf(power) + end_learning_rate
            }
            Schedule::CosineDecay { initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps } => {
                let cosine = |from: f64, s: f64| from * ((1.0 - alpha) * half_cosine(s / decay_steps) + alpha);
                match warmup_target {
                    None => cosine(initial_learning_rate, s.min(decay_steps)),
                    Some(target) if s < warmup_steps => {
                        (target - initial_learning_rate) * (s / warmup_steps) + initial_learning_rate
                    }
                    Some(target) => cosine(target, (s - warmup_steps).min(decay_steps)),
                }
            }
            Schedule::CosineDecayRestarts { initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha } => {
                let (restarts, fraction) = restarts(s / first_decay_steps, t_mul);
                initial_learning_rate * ((1.0 - alpha) * m_mul.powf(restarts) * half_cosine(fraction) + alpha)
            }
        }
    }
}

/// From 1 at 0 down to 0 at 1.
fn half_cosine(x: f64) -> f64 {
    0.5 * (1.0 + (PI * x).cos())
}

fn periods(s: f64, n: f64, staircase: bool) -> f64 {
    if staircase { (s / n).floor() } else { s / n }
}

/// How many periods are over after `x` times the first, and how much of the present one.
fn restarts(x: f64, t_mul: f64) -> (f64, f64) {
    if t_mul == 1.0 {
        return (x.floor(), x - x.floor());
    }
    let begin = |i: f64| (1.0 - t_mul.powf(i)) / (1.0 - t_mul);
    // A logarithm may be off by its rounding just where a period begins.
    let mut i = ((1.0 - x * (1.0 - t_mul)).ln() / t_mul.ln()).floor();
    if begin(i + 1.0) <= x {
        i += 1.0;
    } else if begin(i) > x {
        i -= 1.0;
    }
    (i, (x - begin(i)) / t_mul.powf(i))
}

fn required(spec: &Spec, key: &str) -> Result<f64> {
    spec.optional_number(key)?.ok_or_else(|| Error::invalid(spec.place(key), "a number", "nothing"))
}

fn steps(spec: &Spec, key: &str) -> Result<f64> {
    let steps = required(spec, key)?;
    if steps > 0.0 { Ok(steps) } else { Err(Error::invalid(spec.place(key), "a number > 0", steps.to_string())) }
}

fn numbers(spec: &Spec, key: &str) -> Result<Vec<f64>> {
    let wrong = |value: &Value| Error::wrong_type(spec.place(key), "a list of numbers", value.to_string());
    let value = spec.get(key).unwrap_or(&Value::Null);
    let list = value.as_array().ok_or_else(|| wrong(value))?;
    list.iter().map(|x| x.as_f64().ok_or_else(|| wrong(value))).collect()
}
