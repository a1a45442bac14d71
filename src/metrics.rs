//! Metrics that are the mean over the rows of a value of the row: accuracies, errors, crossentropies.
//!
//! `row` computes that value; the engine adds it up, weighted or not. A later metric that is no such mean (AUC,
//! Precision) becomes a kind of its own beside [`Metric`] in [`MetricSpec`], with its own accumulator.

use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::losses::Head;
use crate::losses::{CrossentropyKind, Loss, SPELLINGS, Target, TargetKind};
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;
use serde_json::Value;

/// A metric of one row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Metric {
    /// How many columns have y = (p > threshold), as a share.
    BinaryAccuracy {
        /// Where a prediction becomes 1.
        threshold: f64,
    },
    /// Whether the largest prediction is where the largest target is.
    CategoricalAccuracy,
    /// Whether the largest prediction is at the class.
    SparseCategoricalAccuracy,
    /// How many columns have y = p, as a share.
    Accuracy,
    /// A loss, reported as a metric: mean squared or absolute error, or a crossentropy.
    Loss(Loss),
}

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

/// The spellings beside those of [`SPELLINGS`], the automatic ones first.
const ACCURACIES: [&str; 11] = [
    "accuracy",
    "acc",
    "crossentropy",
    "ce",
    "Accuracy",
    "binary_accuracy",
    "BinaryAccuracy",
    "categorical_accuracy",
    "CategoricalAccuracy",
    "sparse_categorical_accuracy",
    "SparseCategoricalAccuracy",
];

impl Metric {
    /// Keras's name of the metric, e.g. `binary_accuracy`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BinaryAccuracy { .. } => "binary_accuracy",
            Self::CategoricalAccuracy => "categorical_accuracy",
            Self::SparseCategoricalAccuracy => "sparse_categorical_accuracy",
            Self::Accuracy => "accuracy",
            Self::Loss(loss) => loss.name(),
        }
    }

    /// Every metric's name.
    pub fn names() -> Vec<&'static str> {
        let accuracies = [
            Self::BinaryAccuracy { threshold: 0.5 },
            Self::CategoricalAccuracy,
            Self::SparseCategoricalAccuracy,
            Self::Accuracy,
        ];
        accuracies.iter().map(Self::name).chain(Loss::names()).collect()
    }

    /// The target it wants.
    pub fn target_kind(&self) -> TargetKind {
        match self {
            Self::SparseCategoricalAccuracy => TargetKind::Class,
            Self::Loss(loss) => loss.target_kind(),
            _ => TargetKind::Dense,
        }
    }

    /// The row's value, whose mean over the rows is the metric. `p` is the model's output (probabilities, after a
    /// fused head).
    #[inline(always)]
    pub fn row<R: Real>(&self, target: Target<R>, p: &[R]) -> R {
        match *self {
            Self::BinaryAccuracy { threshold } => {
                let (zero, one, threshold) = (R::zero(), R::one(), R::splat(threshold));
                let mut hits = zero;
                for (j, &entry) in p.iter().enumerate() {
                    let predicted = R::select(entry.gt(threshold), one, zero);
                    hits = hits + R::select(target.number(j).eq(predicted), one, zero);
                }
                hits * R::splat(1.0 / p.len() as f64)
            }
            Self::Accuracy => {
                let mut hits = R::zero();
                for (j, &entry) in p.iter().enumerate() {
                    hits = hits + R::select(target.number(j).eq(entry), R::one(), R::zero());
                }
                hits * R::splat(1.0 / p.len() as f64)
            }
            Self::CategoricalAccuracy | Self::SparseCategoricalAccuracy => {
                let class = match target {
                    Target::Dense(y) => argmax(y),
                    Target::Class(class) => class,
                };
                R::select(argmax(p).eq(class), R::one(), R::zero())
            }
            Self::Loss(ref loss) => loss.plain(target, p, None),
        }
    }

    /// WGSL of a function `name(row, from_row)` for one row of a shader, which has the text of [`Metric::common_wgsl`].
    #[cfg(feature = "gpu")]
    pub fn wgsl(&self, name: &str) -> String {
        let (before, call) = match self {
            Self::BinaryAccuracy { threshold } => {
                let threshold = crate::symbol::literal(*threshold);
                (String::new(), format!("binary_accuracy(row, from_row, {threshold})"))
            }
            Self::CategoricalAccuracy | Self::SparseCategoricalAccuracy => {
                (String::new(), "class_accuracy(row, from_row)".into())
            }
            Self::Accuracy => (String::new(), "accuracy(row, from_row)".into()),
            Self::Loss(loss) => {
                let inner = format!("{name}_loss");
                (loss.wgsl(&inner, Head::Plain), format!("{inner}(row, from_row, 0.0f, false)"))
            }
        };
        format!("{before}fn {name}(row: u32, from_row: u32) -> f32 {{\n    return {call};\n}}\n")
    }

    /// What the metrics of a shader share.
    #[cfg(feature = "gpu")]
    pub fn common_wgsl() -> &'static str {
        include_str!("metrics.wgsl")
    }

    /// Reads a metric from its spec; the automatic ones are not among them.
    fn of(spec: &Spec) -> Result<Self> {
        let (metric, arguments): (Self, &[&str]) = match spec.name {
            "binary_accuracy" | "BinaryAccuracy" => {
                (Self::BinaryAccuracy { threshold: spec.number("threshold", 0.5)? }, &["threshold"])
            }
            "categorical_accuracy" | "CategoricalAccuracy" => (Self::CategoricalAccuracy, &[]),
            "sparse_categorical_accuracy" | "SparseCategoricalAccuracy" => (Self::SparseCategoricalAccuracy, &[]),
            "accuracy" | "Accuracy" => (Self::Accuracy, &[]),
            _ => {
                let (loss, arguments) =
                    Loss::of(spec)?.ok_or_else(|| spec.unknown(&[&ACCURACIES[..], &SPELLINGS].concat()))?;
                (Self::Loss(loss), arguments)
            }
        };
        spec.only(&[arguments, &["name", "dtype"]].concat())?;
        spec.unavailable("axis", Some(&(-1).into()))?;
        Ok(metric)
    }
}

/// The first column that holds the row's maximum, as numpy's `argmax`.
#[inline(always)]
fn argmax<R: Real>(x: &[R]) -> R {
    let (mut best, mut place) = (x[0], R::zero());
    for (j, &entry) in x.iter().enumerate().skip(1) {
        let better = entry.gt(best);
        best = R::select(better, entry, best);
        place = R::select(better, R::splat(j as f64), place);
    }
    place
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dense(metric: Metric, y: &[f64], p: &[f64]) -> f64 {
        metric.row(Target::Dense(y), p)
    }

    #[test]
    fn accuracies() {
        // The docstrings of keras/src/metrics/accuracy_metrics.py: BinaryAccuracy 0.75, CategoricalAccuracy 0.5.
        let binary = Metric::BinaryAccuracy { threshold: 0.5 };
        assert_eq!(dense(binary.clone(), &[1.0, 1.0, 0.0, 0.0], &[0.98, 1.0, 0.0, 0.6]), 0.75);
        // The threshold itself is a 0, and half a label matches nothing.
        assert_eq!(dense(binary, &[0.0, 0.0, 0.5, 0.5], &[0.5, 0.5, 0.5, 0.9]), 0.5);
        let rows = [([0.0, 0.0, 1.0], [0.1, 0.9, 0.8], 0.0), ([0.0, 1.0, 0.0], [0.05, 0.95, 0.0], 1.0)];
        for (y, p, want) in rows {
            assert_eq!(dense(Metric::CategoricalAccuracy, &y, &p), want);
        }
        let sparse = |class, p: &[f64]| Metric::SparseCategoricalAccuracy.row(Target::Class(class), p);
        assert_eq!((sparse(2.0, &[0.1, 0.6, 0.3]), sparse(1.0, &[0.05, 0.95, 0.0])), (0.0, 1.0));
        assert_eq!((sparse(0.0, &[0.5, 0.5]), sparse(1.0, &[0.5, 0.5])), (1.0, 0.0));
        assert_eq!(dense(Metric::Accuracy, &[1.0, 2.0, 3.0, 4.0], &[0.0, 2.0, 3.0, 4.0]), 0.75);
    }

    #[test]
    fn losses_as_metrics() {
        assert_eq!(dense(Metric::Loss(Loss::MeanSquaredError), &[0.0, 1.0], &[1.0, 3.0]), 2.5);
        let sparse = Metric::Loss(Loss::SparseCategoricalCrossentropy { from_logits: false, ignore_class: None });
        assert!((sparse.row(Target::Class(1.0), &[0.25, 0.75]) + 0.75f64.ln()).abs() < 1e-15);
        assert_eq!((sparse.target_kind(), sparse.name()), (TargetKind::Class, "sparse_categorical_crossentropy"));
    }

    #[test]
    fn the_automatic_ones_go_by_shape() {
        // keras/src/trainers/compile_utils.py, get_metric.
        let accuracy = |output, target| MetricSpec::AutoAccuracy.resolve(output, target);
        assert_eq!(accuracy(1, None), Metric::BinaryAccuracy { threshold: 0.5 });
        assert_eq!(accuracy(1, Some(1)), Metric::BinaryAccuracy { threshold: 0.5 });
        assert_eq!(accuracy(10, None), Metric::SparseCategoricalAccuracy);
        assert_eq!(accuracy(10, Some(1)), Metric::SparseCategoricalAccuracy);
        assert_eq!(accuracy(10, Some(10)), Metric::CategoricalAccuracy);
        assert_eq!(MetricSpec::AutoCrossentropy.resolve(10, None).name(), "sparse_categorical_crossentropy");
        assert_eq!(MetricSpec::Exact(Metric::Accuracy).resolve(1, None), Metric::Accuracy);
    }

    #[test]
    fn every_name_parses() {
        for name in Metric::names() {
            let config = MetricConfig::parse(&json!({"class_name": name}), "metric").unwrap();
            assert_eq!((config.name.as_str(), config.spec.resolve(3, None).name()), (name, name));
        }
        for name in ACCURACIES.into_iter().chain(SPELLINGS) {
            assert_eq!(MetricConfig::parse(&json!(name), "metric").unwrap().name, name);
        }
        assert_eq!(MetricSpec::parse(&json!("Acc"), "m"), Ok(MetricSpec::AutoAccuracy));
        let object =
            json!({"class_name": "BinaryAccuracy", "config": {"name": "hits", "dtype": null, "threshold": 0.7}});
        let config = MetricConfig::parse(&object, "metric").unwrap();
        let spec = MetricSpec::Exact(Metric::BinaryAccuracy { threshold: 0.7 });
        assert_eq!(config, MetricConfig { name: "hits".into(), spec });
    }

    #[test]
    fn parse_refuses_what_it_does_not_know() {
        let error = |value| MetricConfig::parse(&value, "metric").unwrap_err().to_string();
        assert!(error(json!("binary_acuracy")).contains("did you mean 'binary_accuracy'"));
        assert!(error(json!({"class_name": "BinaryAccuracy", "config": {"treshold": 1}})).contains("'threshold'"));
        assert!(error(json!(null)).contains("metric"));
    }
}
