//! How an initializer is asked for: Keras's class names, snake-case names and short names, with their arguments.

use super::{Distribution, FanMode, Initializer};
use crate::error::{Error, Result};
use crate::spec::Spec;
use serde_json::Value;

/// Class name, snake-case name, and the short name where there is one.
const SPELLINGS: [(&str, &str, &str); 15] = [
    ("Zeros", "zeros", "zero"),
    ("Ones", "ones", "one"),
    ("Constant", "constant", ""),
    ("RandomNormal", "random_normal", "normal"),
    ("RandomUniform", "random_uniform", "uniform"),
    ("TruncatedNormal", "truncated_normal", ""),
    ("VarianceScaling", "variance_scaling", ""),
    ("GlorotUniform", "glorot_uniform", ""),
    ("GlorotNormal", "glorot_normal", ""),
    ("HeUniform", "he_uniform", ""),
    ("HeNormal", "he_normal", ""),
    ("LecunUniform", "lecun_uniform", ""),
    ("LecunNormal", "lecun_normal", ""),
    ("Orthogonal", "orthogonal", "OrthogonalInitializer"),
    ("Identity", "identity", "IdentityInitializer"),
];

impl Initializer {
    /// Keras's name, e.g. `glorot_uniform`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Zeros => "zeros",
            Self::Ones => "ones",
            Self::Constant { .. } => "constant",
            Self::RandomNormal { .. } => "random_normal",
            Self::RandomUniform { .. } => "random_uniform",
            Self::TruncatedNormal { .. } => "truncated_normal",
            Self::VarianceScaling { .. } => "variance_scaling",
            Self::GlorotUniform { .. } => "glorot_uniform",
            Self::GlorotNormal { .. } => "glorot_normal",
            Self::HeUniform { .. } => "he_uniform",
            Self::HeNormal { .. } => "he_normal",
            Self::LecunUniform { .. } => "lecun_uniform",
            Self::LecunNormal { .. } => "lecun_normal",
            Self::Orthogonal { .. } => "orthogonal",
            Self::Identity { .. } => "identity",
        }
    }

    /// Every initializer's name.
    pub fn names() -> Vec<&'static str> {
        SPELLINGS.iter().map(|s| s.1).collect()
    }

    /// Reads a name, or a class name with arguments.
    pub fn parse(value: &Value, place: &str) -> Result<Self> {
        let spec = Spec::parse(value, place)?;
        let known = SPELLINGS.iter().find(|s| !spec.name.is_empty() && [s.0, s.1, s.2].contains(&spec.name));
        let Some(&(_, name, _)) = known else {
            let all: Vec<&str> = SPELLINGS.iter().flat_map(|s| [s.1, s.0, s.2]).filter(|s| !s.is_empty()).collect();
            return Err(spec.unknown(&all));
        };
        let number = |key, default| spec.number(key, default);
        let seed = seed(&spec)?;
        let (initializer, arguments): (Self, &[&str]) = match name {
            "zeros" => (Self::Zeros, &[]),
            "ones" => (Self::Ones, &[]),
            "constant" => (Self::Constant { value: number("value", 0.0)? }, &["value"]),
            "random_normal" => (
                Self::RandomNormal { mean: number("mean", 0.0)?, stddev: stddev(&spec)?, seed },
                &["mean", "stddev", "seed"],
            ),
            "truncated_normal" => (
                Self::TruncatedNormal { mean: number("mean", 0.0)?, stddev: stddev(&spec)?, seed },
                &["mean", "stddev", "seed"],
            ),
            "random_uniform" => {
                let (minval, maxval) = (number("minval", -0.05)?, number("maxval", 0.05)?);
                (Self::RandomUniform { minval, maxval, seed }, &["minval", "maxval", "seed"])
            }
            "variance_scaling" => {
                let scale = spec.number_where("scale", 1.0, "a number > 0", |x| x > 0.0)?;
                let (mode, distribution) = (mode(&spec)?, distribution(&spec)?);
                let arguments = &["scale", "mode", "distribution", "seed", "input_axes", "output_axes"];
                (Self::VarianceScaling { scale, mode, distribution, seed }, arguments)
            }
            "orthogonal" => (Self::Orthogonal { gain: number("gain", 1.0)?, seed }, &["gain", "seed"]),
            "identity" => (Self::Identity { gain: number("gain", 1.0)? }, &["gain"]),
            _ => {
                let initializer = match name {
                    "glorot_uniform" => Self::GlorotUniform { seed },
                    "glorot_normal" => Self::GlorotNormal { seed },
                    "he_uniform" => Self::HeUniform { seed },
                    "he_normal" => Self::HeNormal { seed },
                    "lecun_uniform" => Self::LecunUniform { seed },
                    _ => Self::LecunNormal { seed },
                };
                (initializer, &["seed", "input_axes", "output_axes"])
            }
        };
        spec.only(arguments)?;
        spec.unavailable("input_axes", None)?;
        spec.unavailable("output_axes", None)?;
        Ok(initializer)
    }
}

fn seed(spec: &Spec) -> Result<Option<u64>> {
    let wrong = |value: &Value| Error::wrong_type(spec.place("seed"), "an integer ≥ 0", value.to_string());
    spec.get("seed").map(|value| value.as_u64().ok_or_else(|| wrong(value))).transpose()
}

fn stddev(spec: &Spec) -> Result<f64> {
    spec.number_where("stddev", 0.05, "a number ≥ 0", |x| x >= 0.0)
}

fn mode(spec: &Spec) -> Result<FanMode> {
    match spec.text("mode")?.unwrap_or("fan_in") {
        "fan_in" => Ok(FanMode::FanIn),
        "fan_out" => Ok(FanMode::FanOut),
        "fan_avg" => Ok(FanMode::FanAvg),
        other => Err(Error::unknown(&spec.place("mode"), other, &["fan_in", "fan_out", "fan_avg"])),
    }
}

fn distribution(spec: &Spec) -> Result<Distribution> {
    let given = spec.text("distribution")?.unwrap_or("truncated_normal");
    match given.to_lowercase().as_str() {
        "normal" | "truncated_normal" => Ok(Distribution::TruncatedNormal),
        "untruncated_normal" => Ok(Distribution::UntruncatedNormal),
        "uniform" => Ok(Distribution::Uniform),
        _ => {
            let known = ["uniform", "truncated_normal", "untruncated_normal"];
            Err(Error::unknown(&spec.place("distribution"), given, &known))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_spelling_parses_and_prints() {
        for (class, name, short) in SPELLINGS {
            for spelling in [class, name, short].into_iter().filter(|s| !s.is_empty()) {
                let initializer = Initializer::parse(&json!(spelling), "i").unwrap();
                assert_eq!(initializer.name(), name);
                let written = serde_json::to_value(initializer).unwrap();
                assert_eq!(written["class_name"], class);
                assert_eq!(Initializer::parse(&written, "i"), Ok(initializer));
            }
        }
        let value = json!({"class_name": "VarianceScaling", "config": {"scale": 2, "mode": "fan_avg",
            "distribution": "normal", "seed": 7, "input_axes": null}});
        let (mode, distribution) = (FanMode::FanAvg, Distribution::TruncatedNormal);
        let initializer = Initializer::VarianceScaling { scale: 2.0, mode, distribution, seed: Some(7) };
        assert_eq!((Initializer::parse(&value, "i"), initializer.seed()), (Ok(initializer), Some(7)));
    }

    #[test]
    fn parse_refuses_what_it_does_not_know() {
        let error = |value| Initializer::parse(&value, "Dense 'd', argument 'kernel_initializer'").unwrap_err();
        let text = error(json!("glorot_unifrom")).to_string();
        assert!(text.starts_with("Dense 'd', argument 'kernel_initializer'") && text.contains("'glorot_uniform'"));
        assert!(error(json!("")).to_string().contains("received ''"));
        let with = |name: &str, config: Value| error(json!({"class_name": name, "config": config})).to_string();
        assert!(with("RandomNormal", json!({"stddev": -1})).contains("≥ 0"));
        assert!(with("VarianceScaling", json!({"scale": 0})).contains("> 0"));
        assert!(with("VarianceScaling", json!({"mode": "fan"})).contains("'mode'"));
        assert!(with("HeNormal", json!({"seed": -3})).contains("an integer"));
        assert!(with("HeNormal", json!({"input_axes": [0]})).contains("not available"));
        assert!(with("Zeros", json!({"value": 1})).contains("no argument"));
    }
}
