//! How a loss is asked for: its spellings, its arguments, its reduction.

use super::{Alpha, Expression, Loss};
use crate::error::{Error, Result};
use crate::spec::Spec;
use serde::Serialize;
use serde_json::{Value, json};

/// What becomes of the rows' losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their sum over their number.
    SumOverBatchSize,
    /// Their sum.
    Sum,
    /// The same as [`Reduction::SumOverBatchSize`].
    Mean,
    /// Their weighted sum over the sum of the weights.
    MeanWithSampleWeight,
    /// They stay as they are.
    None,
}

/// A loss and its reduction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LossConfig {
    /// Of a row.
    pub loss: Loss,
    /// Over the rows.
    pub reduction: Reduction,
}

/// A loss as `compile` takes it.
#[derive(Clone, Debug, PartialEq)]
pub enum LossSpec {
    /// `"crossentropy"` or `"ce"`: the one that fits the shapes.
    AutoCrossentropy,
    /// This one.
    Exact(LossConfig),
}

/// Which of the three crossentropies (or accuracies) fits the shapes of output and target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossentropyKind {
    /// One output column.
    Binary,
    /// The target is a class.
    Sparse,
    /// The target has a number for each class.
    Categorical,
}

impl CrossentropyKind {
    /// For an output of so many columns and a target of so many; `None` for a target without the last axis.
    pub fn of(output_columns: usize, target_columns: Option<usize>) -> Self {
        match (output_columns, target_columns) {
            (1, _) => Self::Binary,
            (_, None | Some(1)) => Self::Sparse,
            _ => Self::Categorical,
        }
    }

    /// The crossentropy of this kind, on probabilities.
    pub fn loss(self) -> Loss {
        let (from_logits, label_smoothing) = (false, 0.0);
        match self {
            Self::Binary => Loss::BinaryCrossentropy { from_logits, label_smoothing },
            Self::Sparse => Loss::SparseCategoricalCrossentropy { from_logits, ignore_class: None },
            Self::Categorical => Loss::CategoricalCrossentropy { from_logits, label_smoothing },
        }
    }
}

/// Every spelling that `keras.losses.get` takes for the losses that are here, and those of Keras's past.
#[rustfmt::skip]
pub(crate) const SPELLINGS: [&str; 54] = [
    "mean_squared_error", "MeanSquaredError", "mse", "MSE",
    "mean_absolute_error", "MeanAbsoluteError", "mae", "MAE",
    "mean_absolute_percentage_error", "MeanAbsolutePercentageError", "mape", "MAPE",
    "mean_squared_logarithmic_error", "MeanSquaredLogarithmicError", "msle", "MSLE",
    "log_cosh", "LogCosh", "logcosh",
    "huber", "Huber",
    "cosine_similarity", "CosineSimilarity",
    "kl_divergence", "KLDivergence", "kld", "KLD", "kullback_leibler_divergence",
    "poisson", "Poisson",
    "binary_crossentropy", "BinaryCrossentropy", "bce", "BCE",
    "binary_focal_crossentropy", "BinaryFocalCrossentropy",
    "categorical_crossentropy", "CategoricalCrossentropy",
    "categorical_focal_crossentropy", "CategoricalFocalCrossentropy",
    "sparse_categorical_crossentropy", "SparseCategoricalCrossentropy",
    "categorical_generalized_cross_entropy", "CategoricalGeneralizedCrossEntropy",
    "hinge", "Hinge",
    "squared_hinge", "SquaredHinge",
    "categorical_hinge", "CategoricalHinge",
    "dice", "Dice",
    "tversky", "Tversky",
];

impl Reduction {
    /// Reads the argument `reduction`; absent, it is the mean.
    fn of(spec: &Spec, given: Option<&Value>) -> Result<Self> {
        const NAMES: [&str; 5] = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"];
        match given {
            None => Ok(Self::SumOverBatchSize),
            Some(Value::Null) => Ok(Self::None),
            Some(Value::String(name)) => match name.as_str() {
                "sum_over_batch_size" => Ok(Self::SumOverBatchSize),
                "sum" => Ok(Self::Sum),
                "mean" => Ok(Self::Mean),
                "mean_with_sample_weight" => Ok(Self::MeanWithSampleWeight),
                "none" => Ok(Self::None),
                _ => Err(Error::unknown(&spec.place("reduction"), name, &NAMES)),
            },
            Some(other) => {
                let expected = format!("null or one of {}", NAMES.join(", "));
                Err(Error::wrong_type(spec.place("reduction"), expected, other.to_string()))
            }
        }
    }
}

impl Loss {
    /// The loss that `spec` names, and the arguments of its own that it takes. Metrics of the same names share this.
    pub(crate) fn of(spec: &Spec) -> Result<Option<(Self, &'static [&'static str])>> {
        let from_logits = || spec.flag("from_logits", false);
        let label_smoothing =
            || spec.number_where("label_smoothing", 0.0, "a number from 0 to 1", |s| (0.0..=1.0).contains(&s));
        let number = |key, default| spec.number(key, default);
        let axis = || spec.integer("axis");
        Ok(Some(match spec.name {
            "mean_squared_error" | "MeanSquaredError" | "mse" | "MSE" => (Self::MeanSquaredError, &[]),
            "given" => (Self::Given, &[]),
            "mean_absolute_error" | "MeanAbsoluteError" | "mae" | "MAE" => (Self::MeanAbsoluteError, &[]),
            "mean_absolute_percentage_error" | "MeanAbsolutePercentageError" | "mape" | "MAPE" => {
                (Self::MeanAbsolutePercentageError, &[])
            }
            "mean_squared_logarithmic_error" | "MeanSquaredLogarithmicError" | "msle" | "MSLE" => {
                (Self::MeanSquaredLogarithmicError, &[])
            }
            "log_cosh" | "LogCosh" | "logcosh" => (Self::LogCosh, &[]),
            "huber" | "Huber" => (Self::Huber { delta: number("delta", 1.0)? }, &["delta"]),
            "cosine_similarity" | "CosineSimilarity" => (Self::CosineSimilarity, &["axis"]),
            "kl_divergence" | "KLDivergence" | "kld" | "KLD" | "kullback_leibler_divergence" => {
                (Self::KlDivergence, &[])
            }
            "poisson" | "Poisson" => (Self::Poisson, &[]),
            "binary_crossentropy" | "BinaryCrossentropy" | "bce" | "BCE" => {
                let loss =
                    Self::BinaryCrossentropy { from_logits: from_logits()?, label_smoothing: label_smoothing()? };
                (loss, &["from_logits", "label_smoothing", "axis"])
            }
            "binary_focal_crossentropy" | "BinaryFocalCrossentropy" => {
                let loss = Self::BinaryFocalCrossentropy {
                    apply_class_balancing: spec.flag("apply_class_balancing", false)?,
                    alpha: number("alpha", 0.25)?,
                    gamma: number("gamma", 2.0)?,
                    from_logits: from_logits()?,
                    label_smoothing: label_smoothing()?,
                };
                (loss, &["apply_class_balancing", "alpha", "gamma", "from_logits", "label_smoothing", "axis"])
            }
            "categorical_crossentropy" | "CategoricalCrossentropy" => {
                let loss =
                    Self::CategoricalCrossentropy { from_logits: from_logits()?, label_smoothing: label_smoothing()? };
                (loss, &["from_logits", "label_smoothing", "axis"])
            }
            "categorical_focal_crossentropy" | "CategoricalFocalCrossentropy" => {
                let loss = Self::CategoricalFocalCrossentropy {
                    alpha: Alpha::of(spec)?,
                    gamma: number("gamma", 2.0)?,
                    from_logits: from_logits()?,
                    label_smoothing: label_smoothing()?,
                };
                (loss, &["alpha", "gamma", "from_logits", "label_smoothing", "axis"])
            }
            "sparse_categorical_crossentropy" | "SparseCategoricalCrossentropy" => {
                let (from_logits, ignore_class) = (from_logits()?, spec.integer("ignore_class")?);
                (
                    Self::SparseCategoricalCrossentropy { from_logits, ignore_class },
                    &["from_logits", "ignore_class", "axis"],
                )
            }
            "categorical_generalized_cross_entropy" | "CategoricalGeneralizedCrossEntropy" => {
                let q = spec.number_where("q", 0.5, "a number between 0 and 1", |q| 0.0 < q && q < 1.0)?;
                (Self::CategoricalGeneralizedCrossEntropy { q }, &["q"])
            }
            "hinge" | "Hinge" => (Self::Hinge, &[]),
            "squared_hinge" | "SquaredHinge" => (Self::SquaredHinge, &[]),
            "categorical_hinge" | "CategoricalHinge" => (Self::CategoricalHinge, &[]),
            "dice" | "Dice" => (Self::Dice { axis: axis()? }, &["axis"]),
            "tversky" | "Tversky" => {
                let (alpha, beta) = (number("alpha", 0.5)?, number("beta", 0.5)?);
                (Self::Tversky { alpha, beta, axis: axis()? }, &["alpha", "beta", "axis"])
            }
            "expression" => (Self::Expression(Expression::parse(spec.get("nodes"), &spec.place("nodes"))?), &["nodes"]),
            _ => return Ok(None),
        }))
    }

    /// Refuses what is no mean over rows.
    pub(crate) fn check_axis(&self, spec: &Spec) -> Result<()> {
        match self {
            Self::Dice { axis } | Self::Tversky { axis, .. } if *axis != Some(-1) => {
                let expected = "-1 (Keras's default, one coefficient of the whole batch, is no mean over rows)";
                let received = axis.map_or("null".to_string(), |axis| axis.to_string());
                Err(Error::invalid(spec.place("axis"), expected, received))
            }
            _ => spec.unavailable("axis", Some(&(-1).into())),
        }
    }
}

impl Alpha {
    /// Reads a number or a list of numbers.
    fn of(spec: &Spec) -> Result<Self> {
        match spec.get("alpha").and_then(Value::as_array) {
            None => spec.number("alpha", 0.25).map(Self::One),
            Some(list) => {
                let numbers: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
                let numbers = numbers.filter(|list| !list.is_empty() && list.iter().all(|x| x.is_finite()));
                let wrong =
                    || Error::wrong_type(spec.place("alpha"), "a number or a list of them", json!(list).to_string());
                numbers.map(Self::Each).ok_or_else(wrong)
            }
        }
    }
}

impl LossConfig {
    /// Reads a name, or a class name with arguments.
    pub fn parse(value: &Value, place: &str) -> Result<Self> {
        let spec = Spec::parse(value, place)?;
        let (loss, arguments) = Loss::of(&spec)?.ok_or_else(|| spec.unknown(&SPELLINGS))?;
        spec.only(&[arguments, &["name", "reduction", "dtype"]].concat())?;
        loss.check_axis(&spec)?;
        // Absent and null are different here: null asks for no reduction.
        let reduction = Reduction::of(&spec, value.get("config").and_then(|c| c.get("reduction")))?;
        Ok(LossConfig { loss, reduction })
    }
}

impl LossSpec {
    /// Reads what [`LossConfig::parse`] reads, or `"crossentropy"`.
    pub fn parse(value: &Value, place: &str) -> Result<Self> {
        match value.as_str().map(str::to_lowercase).as_deref() {
            Some("crossentropy" | "ce") => Ok(Self::AutoCrossentropy),
            _ => LossConfig::parse(value, place).map(Self::Exact),
        }
    }

    /// The loss for an output of so many columns and a target of so many; `None` for a target without the last axis.
    pub fn resolve(&self, output_columns: usize, target_columns: Option<usize>) -> LossConfig {
        match self {
            Self::Exact(config) => config.clone(),
            Self::AutoCrossentropy => LossConfig {
                loss: CrossentropyKind::of(output_columns, target_columns).loss(),
                reduction: Reduction::SumOverBatchSize,
            },
        }
    }
}
