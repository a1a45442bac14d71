//! Metrics: sums over rows, and what a metric makes of them in the end.
//!
//! Every metric keeps a vector of sums in double precision, Keras's variables one after the other ([`Metric::variables`]):
//! [`Metric::add`] takes one row in, [`Metric::result`] reads the number off. Sums of parts are the sum of the whole, so
//! batches and workers may add to states of their own, which are then added up.
//!
//! Most metrics are means of a value of the row ([`Metric::is_row_mean`]): their state is (Σ value, number of values), and
//! `row` computes that value on SIMD registers too. The others are counts over thresholds (`confusion.rs`, `curves.rs`),
//! F-scores, R² and intersections over unions, a file a family.

mod accuracy;
mod arguments;
mod config;
mod confusion;
mod correlation;
mod curves;
mod fscore;
mod iou;
mod r2;
#[cfg(test)]
mod tests;
#[cfg(feature = "gpu")]
mod wgsl;

pub use config::{MetricConfig, MetricSpec};
pub use confusion::Confusion;
pub use curves::{Curve, Summation};
pub use fscore::{Average, FScore};
pub use iou::IntersectionOverUnion;
pub use r2::{Aggregation, R2};

use crate::error::{Error, Result};
use crate::losses::{Loss, Target, TargetKind};
use crate::real::Real;

/// A metric with its arguments.
#[derive(Clone, Debug, PartialEq, strum::VariantNames, strum::IntoStaticStr)]
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
    /// Whether fewer than k predictions exceed the one where the largest target is.
    TopKCategoricalAccuracy {
        /// How many may be guessed.
        k: usize,
    },
    /// Whether fewer than k predictions exceed the one of the class.
    SparseTopKCategoricalAccuracy {
        /// How many may be guessed.
        k: usize,
        /// Whether a row holds class ids, best first, instead of a prediction a class.
        from_sorted_ids: bool,
    },
    /// The cosine of the angle between target and prediction; the loss of that name is its negative.
    CosineSimilarity,
    /// Pearson's correlation of a row's targets and predictions.
    PearsonCorrelation,
    /// Lin's concordance of a row's targets and predictions.
    ConcordanceCorrelation,
    /// √ of the mean squared error.
    RootMeanSquaredError,
    /// A loss, reported as a metric.
    Loss(Loss),
    /// Counts over thresholds: true and false positives and negatives, precision, recall, areas under curves.
    Confusion(Confusion),
    /// Fβ of precision and recall by class.
    FScore(FScore),
    /// The share of the target's variance that predictions explain.
    R2(R2),
    /// How far classes and predicted classes overlap.
    IoU(IntersectionOverUnion),
}

/// The weights of a row's columns: one for all of them, or one each.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a>(pub &'a [f64]);

impl Weights<'_> {
    /// Column j's.
    fn at(&self, j: usize) -> f64 {
        if let [all] = self.0 { *all } else { self.0[j] }
    }

    /// Their mean, the weight of a value of the row.
    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }
}

impl Metric {
    /// What the logs call the metric if nothing else is said: the default of Keras's argument `name`, or the class in
    /// snake case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BinaryAccuracy { .. } => "binary_accuracy",
            Self::CategoricalAccuracy => "categorical_accuracy",
            Self::SparseCategoricalAccuracy => "sparse_categorical_accuracy",
            Self::Accuracy => "accuracy",
            Self::TopKCategoricalAccuracy { .. } => "top_k_categorical_accuracy",
            Self::SparseTopKCategoricalAccuracy { .. } => "sparse_top_k_categorical_accuracy",
            Self::CosineSimilarity => "cosine_similarity",
            Self::PearsonCorrelation => "pearson_correlation",
            Self::ConcordanceCorrelation => "concordance_correlation",
            Self::RootMeanSquaredError => "root_mean_squared_error",
            Self::Loss(loss) => config::loss_metric_name(loss.name()),
            Self::Confusion(confusion) => confusion.name(),
            Self::FScore(score) => score.name(),
            Self::R2(_) => "r2_score",
            Self::IoU(iou) => iou.name(),
        }
    }

    /// The target it wants.
    pub fn target_kind(&self) -> TargetKind {
        match self {
            Self::SparseCategoricalAccuracy | Self::SparseTopKCategoricalAccuracy { .. } => TargetKind::Class,
            Self::Loss(loss) => loss.target_kind(),
            Self::IoU(iou) => iou.target_kind(),
            _ => TargetKind::Dense,
        }
    }

    /// Whether the state is the sum of the rows' values, [`Metric::row`], and their number (or weighted, the sums of
    /// weight · value and of the weights). The number is [`Metric::result`]'s: mostly, not always, the mean.
    pub fn is_row_mean(&self) -> bool {
        !matches!(self, Self::Confusion(_) | Self::FScore(_) | Self::R2(_) | Self::IoU(_))
    }

    /// The row's value, of a metric that is a row mean. `p` is the model's output (probabilities, after a fused head).
    #[inline(always)]
    pub fn row<R: Real>(&self, target: Target<R>, p: &[R]) -> R {
        match self {
            Self::BinaryAccuracy { threshold } => accuracy::binary(target, p, *threshold),
            Self::Accuracy => accuracy::equal(target, p),
            Self::CategoricalAccuracy | Self::SparseCategoricalAccuracy => {
                R::select(accuracy::argmax(p).eq(accuracy::class_of(target)), R::one(), R::zero())
            }
            Self::TopKCategoricalAccuracy { k } => accuracy::in_top_k(target, p, *k),
            Self::SparseTopKCategoricalAccuracy { k, from_sorted_ids } => {
                if *from_sorted_ids {
                    accuracy::among_first(target, p, *k)
                } else {
                    accuracy::in_top_k(target, p, *k)
                }
            }
            Self::CosineSimilarity => correlation::cosine(target, p),
            Self::PearsonCorrelation => correlation::pearson(target, p),
            Self::ConcordanceCorrelation => correlation::concordance(target, p),
            Self::RootMeanSquaredError => Loss::MeanSquaredError.plain(target, p, None),
            Self::Loss(loss) => loss.plain(target, p, None),
            Self::Confusion(_) | Self::FScore(_) | Self::R2(_) | Self::IoU(_) => {
                unreachable!("{} is no mean over rows", self.name())
            }
        }
    }

    /// Keras's variables, in the order in which the state holds them: name, and shape for an output of so many columns.
    pub fn variables(&self, columns: usize) -> Vec<(&'static str, Vec<usize>)> {
        match self {
            Self::Confusion(confusion) => confusion.variables(columns),
            Self::FScore(score) => score.variables(columns),
            Self::R2(_) => R2::variables(columns),
            Self::IoU(iou) => iou.variables(),
            _ => vec![("total", vec![]), ("count", vec![])],
        }
    }

    /// How many numbers the state has, for an output of so many columns; all start at 0.
    pub fn state_len(&self, columns: usize) -> usize {
        self.variables(columns).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Refuses what arguments say about columns that an output of so many has not; `add` relies on it.
    pub fn check(&self, columns: usize) -> Result<()> {
        match self {
            Self::Confusion(confusion) => confusion.check(columns),
            Self::Loss(loss) => loss.check(columns),
            Self::SparseTopKCategoricalAccuracy { k, from_sorted_ids: true } if *k > columns => {
                let expected = format!("k of at most {columns}, the number of predictions");
                Err(Error::invalid("SparseTopKCategoricalAccuracy", expected, k.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Takes one row in.
    pub fn add(&self, state: &mut [f64], target: Target<f64>, p: &[f64], weight: f64) {
        self.add_weighted(state, target, p, Weights(&[weight]));
    }

    /// Takes one row in whose columns may have weights of their own. A row mean has one value a row and takes their mean.
    pub fn add_weighted(&self, state: &mut [f64], target: Target<f64>, p: &[f64], weights: Weights) {
        match self {
            Self::Confusion(confusion) => confusion.add(state, target, p, weights),
            Self::FScore(score) => score.add(state, target, p, weights),
            Self::R2(_) => R2::add(state, target, p, weights),
            Self::IoU(iou) => iou.add(state, target, p, weights),
            _ => {
                let weight = weights.mean();
                state[0] += weight * self.row(target, p);
                state[1] += weight;
            }
        }
    }

    /// The numbers that a state stands for: one, or one a threshold, a class or a column where Keras gives an array.
    pub fn results(&self, state: &[f64]) -> Vec<f64> {
        let mean = || divide_no_nan(state[0], state[1]);
        match self {
            Self::Confusion(confusion) => confusion.results(state),
            Self::FScore(score) => score.results(state),
            Self::R2(r2) => r2.results(state),
            Self::IoU(iou) => vec![iou.result(state)],
            Self::RootMeanSquaredError => vec![mean().sqrt()],
            _ => vec![mean()],
        }
    }

    /// The number that a state stands for. Where Keras gives an array, its mean, which is what Keras's progress bar shows.
    pub fn result(&self, state: &[f64]) -> f64 {
        let results = self.results(state);
        results.iter().sum::<f64>() / results.len() as f64
    }
}

/// a/b, and 0 where b is 0.
fn divide_no_nan(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// Keras's `epsilon()`.
const EPSILON: f64 = 1e-7;
