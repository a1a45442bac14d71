//! How a metric is asked for: its spellings, its arguments, and the automatic ones.

use super::Metric;
use super::arguments::{confusion, count, fscore, iou, r2};
use crate::error::Result;
use crate::losses::{CrossentropyKind, Loss, SPELLINGS};
use crate::spec::Spec;
use serde_json::{Value, json};

/// A metric as `compile` takes it.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricSpec {
    /// `"accuracy"` or `"acc"`: the accuracy that fits the shapes.
    AutoAccuracy,
    /// `"crossentropy"` or `"ce"`, likewise (Keras 3.15 has that only for losses).
    AutoCrossentropy,
    /// This one.
    Exact(Metric),
}

/// A metric and what the logs call it.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricConfig {
    /// The key in the logs: the string as it was given, or the object's name.
    pub name: String,
    /// Which metric.
    pub spec: MetricSpec,
}

/// Keras's classes, with `to_snake_case` of the class, which `keras.metrics.get` takes too.
const CLASSES: [(&str, &str); 29] = [
    ("Accuracy", "accuracy"),
    ("BinaryAccuracy", "binary_accuracy"),
    ("CategoricalAccuracy", "categorical_accuracy"),
    ("SparseCategoricalAccuracy", "sparse_categorical_accuracy"),
    ("TopKCategoricalAccuracy", "top_k_categorical_accuracy"),
    ("SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy"),
    ("CosineSimilarity", "cosine_similarity"),
    ("PearsonCorrelation", "pearson_correlation"),
    ("ConcordanceCorrelation", "concordance_correlation"),
    ("RootMeanSquaredError", "root_mean_squared_error"),
    ("R2Score", "r2_score"),
    ("TruePositives", "true_positives"),
    ("TrueNegatives", "true_negatives"),
    ("FalsePositives", "false_positives"),
    ("FalseNegatives", "false_negatives"),
    ("Precision", "precision"),
    ("Recall", "recall"),
    ("AUC", "auc"),
    ("SensitivityAtSpecificity", "sensitivity_at_specificity"),
    ("SpecificityAtSensitivity", "specificity_at_sensitivity"),
    ("PrecisionAtRecall", "precision_at_recall"),
    ("RecallAtPrecision", "recall_at_precision"),
    ("F1Score", "f1_score"),
    ("FBetaScore", "f_beta_score"),
    ("IoU", "io_u"),
    ("BinaryIoU", "binary_io_u"),
    ("MeanIoU", "mean_io_u"),
    ("OneHotIoU", "one_hot_io_u"),
    ("OneHotMeanIoU", "one_hot_mean_io_u"),
];

/// Losses that Keras has as metrics, by the metric's class.
const LOSS_CLASSES: [&str; 13] = [
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "KLDivergence",
    "Poisson",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "LogCoshError",
];

/// What Keras calls the metric that log-cosh is, beside its class.
const LOG_COSH: [&str; 3] = ["LogCoshError", "log_cosh_error", "logcosh"];

/// The metric's name, which is the loss's, but for one.
pub(super) fn loss_metric_name(name: &'static str) -> &'static str {
    if name == "log_cosh" { "logcosh" } else { name }
}

/// The loss that a spec names, under its name as a metric or as a loss, and the arguments that it takes.
fn loss_of(spec: &Spec) -> Result<Option<(Loss, &'static [&'static str])>> {
    if LOG_COSH.contains(&spec.name) {
        return Loss::of(&Spec::parse(&json!("LogCosh"), "metric")?);
    }
    Loss::of(spec)
}

fn is_loss(class: &str) -> bool {
    let value = json!(class);
    Spec::parse(&value, "metric").and_then(|spec| loss_of(&spec)).is_ok_and(|loss| loss.is_some())
}

impl Metric {
    /// Every metric's class.
    pub fn names() -> Vec<&'static str> {
        let own = CLASSES.iter().map(|(class, _)| *class);
        own.chain(LOSS_CLASSES.into_iter().filter(|class| is_loss(class))).collect()
    }

    /// Every spelling, the automatic ones first.
    pub(super) fn spellings() -> Vec<&'static str> {
        let own = CLASSES.iter().flat_map(|&(class, snake)| [snake, class]);
        let automatic = ["accuracy", "acc", "crossentropy", "ce"].into_iter();
        automatic.chain(own).chain(SPELLINGS).chain(LOG_COSH).collect()
    }

    /// Reads a metric from its spec; the automatic ones are not among them.
    fn of(spec: &Spec) -> Result<Self> {
        let class = CLASSES.iter().find(|(class, snake)| spec.name == *class || spec.name == *snake);
        let (metric, arguments): (Self, &[&str]) = match class.map_or(spec.name, |(class, _)| class) {
            "Accuracy" => (Self::Accuracy, &[]),
            "BinaryAccuracy" => (Self::BinaryAccuracy { threshold: spec.number("threshold", 0.5)? }, &["threshold"]),
            "CategoricalAccuracy" => (Self::CategoricalAccuracy, &[]),
            "SparseCategoricalAccuracy" => (Self::SparseCategoricalAccuracy, &[]),
            "TopKCategoricalAccuracy" => (Self::TopKCategoricalAccuracy { k: count(spec, "k", 5, 1)? }, &["k"]),
            "SparseTopKCategoricalAccuracy" => {
                let (k, from_sorted_ids) = (count(spec, "k", 5, 1)?, spec.flag("from_sorted_ids", false)?);
                (Self::SparseTopKCategoricalAccuracy { k, from_sorted_ids }, &["k", "from_sorted_ids"])
            }
            "CosineSimilarity" => (Self::CosineSimilarity, &["axis"]),
            "PearsonCorrelation" => (Self::PearsonCorrelation, &["axis"]),
            "ConcordanceCorrelation" => (Self::ConcordanceCorrelation, &["axis"]),
            "RootMeanSquaredError" => (Self::RootMeanSquaredError, &[]),
            "R2Score" => (Self::R2(r2(spec)?), &["class_aggregation", "num_regressors"]),
            "F1Score" => (Self::FScore(fscore(spec, true)?), &["average", "threshold"]),
            "FBetaScore" => (Self::FScore(fscore(spec, false)?), &["average", "beta", "threshold"]),
            "IoU" | "BinaryIoU" | "MeanIoU" | "OneHotIoU" | "OneHotMeanIoU" => {
                let (metric, arguments) = iou(spec)?;
                (Self::IoU(metric), arguments)
            }
            _ => match confusion(spec)? {
                Some((metric, arguments)) => (Self::Confusion(metric), arguments),
                None => {
                    let (loss, arguments) = loss_of(spec)?.ok_or_else(|| spec.unknown(&Self::spellings()))?;
                    (Self::Loss(loss), arguments)
                }
            },
        };
        spec.only(&[arguments, &["name", "dtype"]].concat())?;
        match &metric {
            Self::Loss(loss) => loss.check_axis(spec)?,
            _ => spec.unavailable("axis", Some(&(-1).into()))?,
        }
        Ok(metric)
    }
}

impl MetricSpec {
    /// Reads a name, or a class name with arguments.
    pub fn parse(value: &Value, place: &str) -> Result<Self> {
        // As in Keras: the strings "accuracy" and "Accuracy" are automatic, the class of that name is not.
        match value.as_str().map(str::to_lowercase).as_deref() {
            Some("accuracy" | "acc") => Ok(Self::AutoAccuracy),
            Some("crossentropy" | "ce") => Ok(Self::AutoCrossentropy),
            _ => Metric::of(&Spec::parse(value, place)?).map(Self::Exact),
        }
    }

    /// The metric for an output of so many columns and a target of so many; `None` for a target without the last
    /// axis, a vector of classes.
    pub fn resolve(&self, output_columns: usize, target_columns: Option<usize>) -> Metric {
        let kind = CrossentropyKind::of(output_columns, target_columns);
        match (self, kind) {
            (Self::Exact(metric), _) => metric.clone(),
            (Self::AutoCrossentropy, _) => Metric::Loss(kind.loss()),
            (Self::AutoAccuracy, CrossentropyKind::Binary) => Metric::BinaryAccuracy { threshold: 0.5 },
            (Self::AutoAccuracy, CrossentropyKind::Sparse) => Metric::SparseCategoricalAccuracy,
            (Self::AutoAccuracy, CrossentropyKind::Categorical) => Metric::CategoricalAccuracy,
        }
    }
}

impl MetricConfig {
    /// Reads what [`MetricSpec::parse`] reads, and keeps the name.
    pub fn parse(value: &Value, place: &str) -> Result<Self> {
        let spec = MetricSpec::parse(value, place)?;
        let name = match (value, &spec) {
            (Value::String(name), _) => name.clone(),
            (_, MetricSpec::Exact(metric)) => {
                let given = Spec::parse(value, place)?.text("name")?;
                given.unwrap_or(metric.name()).to_string()
            }
            _ => unreachable!("only a string is automatic"),
        };
        Ok(MetricConfig { name, spec })
    }
}
