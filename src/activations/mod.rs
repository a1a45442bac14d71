//! Activation functions: the closed set of Keras's, each with its value and its derivative.
//!
//! Elementwise kinds are [`Formula`]s, reached by [`Activation::visit`], which matches the kind once, outside the
//! loops. Softmax, log-softmax, sparsemax and GLU need the whole row: [`Activation::row`].

mod elementwise;
mod piecewise;
mod rowwise;
mod smooth;
#[cfg(test)]
mod tests;
#[cfg(feature = "gpu")]
mod wgsl;

pub use elementwise::{Formula, Visitor};
pub(crate) use rowwise::maximum;

use crate::error::{Error, Result};
use crate::spec::Spec;
use serde::Serialize;
use serde_json::Value;
use strum::VariantNames;

/// An activation function with its parameters. Serialised as `{"class_name": "relu", "config": {…}}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, strum::IntoStaticStr, strum::VariantNames)]
#[serde(tag = "class_name", content = "config", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "each field is Keras's argument of the same name, explained at the variant")]
pub enum Activation {
    /// max(x, 0) + α(e^(min(x, 0)/α) − 1).
    Celu { alpha: f64 },
    /// x above 0, α(eˣ − 1) below.
    Elu { alpha: f64 },
    /// eˣ.
    Exponential,
    /// x·Φ(x), or its approximation by tanh.
    Gelu { approximate: bool },
    /// a·σ(b), for the two halves a, b of a row.
    Glu,
    /// x where |x| exceeds the threshold, else 0.
    HardShrink { threshold: f64 },
    /// x/6 + ½ held in [0, 1].
    HardSigmoid,
    /// x·hard_sigmoid(x).
    HardSilu,
    /// x held in [−1, 1].
    HardTanh,
    /// x from 0 on, `negative_slope`·x below.
    LeakyRelu { negative_slope: f64 },
    /// x.
    Linear,
    /// ln σ(x).
    LogSigmoid,
    /// ln softmax(x), over a row.
    LogSoftmax,
    /// x·tanh(softplus(x)).
    Mish,
    /// max(x, 0), or Keras's generalisation with a slope, a ceiling and a threshold.
    Relu { negative_slope: f64, max_value: Option<f64>, threshold: f64 },
    /// x held in [0, 6].
    Relu6,
    /// The self-normalising s·elu(x, α).
    Selu,
    /// σ(x) = 1/(1 + e⁻ˣ).
    Sigmoid,
    /// x·σ(x), also called swish.
    Silu,
    /// x moved towards 0 by the threshold, and 0 within it.
    SoftShrink { threshold: f64 },
    /// e^xⱼ/Σe^xₖ, over a row.
    Softmax,
    /// ln(1 + eˣ).
    Softplus,
    /// x/(1 + |x|).
    Softsign,
    /// 0 up to −1, (x + 1)²/4 between, x from 1 on.
    SparsePlus,
    /// (x + 1)/2 held in [0, 1].
    SparseSigmoid,
    /// The Euclidean projection of a row onto the simplex.
    Sparsemax,
    /// (x + √(x² + b))/2.
    Squareplus { b: f64 },
    /// tanh x.
    Tanh,
    /// x − tanh x.
    TanhShrink,
    /// x above the threshold, else `default_value`.
    Threshold { threshold: f64, default_value: f64 },
}

impl Activation {
    /// Keras's name of the function.
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Every function's name; the aliases `swish` and `hard_swish` and the layers' names are not among them.
    pub fn names() -> Vec<&'static str> {
        Self::VARIANTS.to_vec()
    }

    /// Whether the function works on whole rows ([`Activation::row`]) and has no [`Formula`].
    pub fn is_rowwise(&self) -> bool {
        matches!(self, Self::Softmax | Self::LogSoftmax | Self::Sparsemax | Self::Glu)
    }

    /// Whether the derivative reads the input x; if not, keeping the output y is enough.
    pub fn needs_input(&self) -> bool {
        struct Needs;
        impl Visitor for Needs {
            type Output = bool;
            fn visit<F: Formula>(self, _: F) -> bool {
                F::NEEDS_INPUT
            }
        }
        self.visit(Needs).unwrap_or(*self == Self::Glu)
    }

    /// Reads a name, null (which is [`Activation::Linear`]), or a class name with arguments: a function's, or one of
    /// the layers `ReLU`, `LeakyReLU`, `ELU` and `Softmax`.
    pub fn parse(value: &Value, place: &str) -> Result<Self> {
        if value.is_null() {
            return Ok(Self::Linear);
        }
        let spec = Spec::parse(value, place)?;
        let not_negative = |key, default| spec.number_where(key, default, "a number ≥ 0", |x| x >= 0.0);
        // A layer's configuration also carries what any layer has.
        let (activation, arguments): (Self, &[&str]) = match spec.name {
            "celu" => (
                Self::Celu { alpha: spec.number_where("alpha", 1.0, "a number other than 0", |x| x != 0.0)? },
                &["alpha"],
            ),
            "elu" => (Self::Elu { alpha: spec.number("alpha", 1.0)? }, &["alpha"]),
            "ELU" => (Self::Elu { alpha: spec.number("alpha", 1.0)? }, &["alpha", "name", "trainable", "dtype"]),
            "exponential" => (Self::Exponential, &[]),
            "gelu" => (Self::Gelu { approximate: spec.flag("approximate", false)? }, &["approximate"]),
            "glu" => (Self::Glu, &["axis"]),
            "hard_shrink" => (Self::HardShrink { threshold: not_negative("threshold", 0.5)? }, &["threshold"]),
            "hard_sigmoid" => (Self::HardSigmoid, &[]),
            "hard_silu" | "hard_swish" => (Self::HardSilu, &[]),
            "hard_tanh" => (Self::HardTanh, &[]),
            "leaky_relu" => {
                (Self::LeakyRelu { negative_slope: spec.number("negative_slope", 0.2)? }, &["negative_slope"])
            }
            "LeakyReLU" => {
                let negative_slope = not_negative("negative_slope", 0.3)?;
                (Self::LeakyRelu { negative_slope }, &["negative_slope", "name", "trainable", "dtype"])
            }
            "linear" => (Self::Linear, &[]),
            "log_sigmoid" => (Self::LogSigmoid, &[]),
            "log_softmax" => (Self::LogSoftmax, &["axis"]),
            "mish" => (Self::Mish, &[]),
            "relu" => {
                let negative_slope = spec.number("negative_slope", 0.0)?;
                let (max_value, threshold) = (spec.optional_number("max_value")?, spec.number("threshold", 0.0)?);
                (Self::Relu { negative_slope, max_value, threshold }, &["negative_slope", "max_value", "threshold"])
            }
            "ReLU" => {
                let negative_slope = not_negative("negative_slope", 0.0)?;
                not_negative("max_value", 0.0)?;
                let (max_value, threshold) = (spec.optional_number("max_value")?, not_negative("threshold", 0.0)?);
                let arguments = &["negative_slope", "max_value", "threshold", "name", "trainable", "dtype"];
                (Self::Relu { negative_slope, max_value, threshold }, arguments)
            }
            "relu6" => (Self::Relu6, &[]),
            "selu" => (Self::Selu, &[]),
            "sigmoid" => (Self::Sigmoid, &[]),
            "silu" | "swish" => (Self::Silu, &[]),
            "soft_shrink" => (Self::SoftShrink { threshold: not_negative("threshold", 0.5)? }, &["threshold"]),
            "softmax" => (Self::Softmax, &["axis"]),
            "Softmax" => (Self::Softmax, &["axis", "name", "trainable", "dtype"]),
            "softplus" => (Self::Softplus, &[]),
            "softsign" => (Self::Softsign, &[]),
            "sparse_plus" => (Self::SparsePlus, &[]),
            "sparse_sigmoid" => (Self::SparseSigmoid, &[]),
            "sparsemax" => (Self::Sparsemax, &["axis"]),
            "squareplus" => (Self::Squareplus { b: spec.number_where("b", 4.0, "a number > 0", |b| b > 0.0)? }, &["b"]),
            "tanh" => (Self::Tanh, &[]),
            "tanh_shrink" => (Self::TanhShrink, &[]),
            "threshold" => {
                let required = |key| {
                    let missing = || Error::invalid(spec.place(key), "a number (it has no default)", "nothing");
                    spec.optional_number(key)?.ok_or_else(missing)
                };
                let (threshold, default_value) = (required("threshold")?, required("default_value")?);
                (Self::Threshold { threshold, default_value }, &["threshold", "default_value"])
            }
            _ => return Err(spec.unknown(&[Self::VARIANTS, &["swish", "hard_swish"]].concat())),
        };
        spec.only(arguments)?;
        spec.unavailable("axis", Some(&(-1).into()))?;
        Ok(activation)
    }
}
