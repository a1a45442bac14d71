//! Counts over thresholds: how often a prediction above a threshold t is right.
//!
//! For each t, with the positives {y ≠ 0}: TP = Σ w [p > t], FN = Σ w [p ≤ t] over positives, FP and TN likewise over the
//! rest. Precision = TP/(TP + FP), recall = TP/(TP + FN); the curves of `curves.rs` join the points of all thresholds.
//! Source: `keras/src/metrics/metrics_utils.py` and `confusion_metrics.py`. The state holds the counts that the metric
//! needs, one after the other, each of one number a threshold (and, with `multi_label`, a label).

use super::curves::{self, Curve, Summation};
use super::{Weights, divide_no_nan};
use crate::error::{Error, Result};
use crate::losses::Target;
use crate::real::Real;

/// What is made of the counts.
#[derive(Clone, Copy, Debug, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Kind {
    TruePositives,
    TrueNegatives,
    FalsePositives,
    FalseNegatives,
    Precision,
    Recall,
    #[strum(serialize = "auc")]
    Auc {
        curve: Curve,
        summation: Summation,
    },
    /// The largest sensitivity where specificity is at least this; the next three likewise.
    SensitivityAtSpecificity(f64),
    SpecificityAtSensitivity(f64),
    PrecisionAtRecall(f64),
    RecallAtPrecision(f64),
}

/// TP, FP, TN, FN: which of them, and what Keras calls the variable.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Count {
    TruePositives,
    FalsePositives,
    TrueNegatives,
    FalseNegatives,
}

impl Count {
    /// Of positives or of the rest, above or below the threshold.
    fn of(self) -> (bool, bool) {
        match self {
            Self::TruePositives => (true, true),
            Self::FalsePositives => (false, true),
            Self::TrueNegatives => (false, false),
            Self::FalseNegatives => (true, false),
        }
    }
}

impl Kind {
    /// What the state holds, in Keras's order.
    fn counts(&self) -> &'static [(Count, &'static str)] {
        use Count::*;
        match self {
            Self::TruePositives => &[(TruePositives, "accumulator")],
            Self::TrueNegatives => &[(TrueNegatives, "accumulator")],
            Self::FalsePositives => &[(FalsePositives, "accumulator")],
            Self::FalseNegatives => &[(FalseNegatives, "accumulator")],
            Self::Precision => &[(TruePositives, "true_positives"), (FalsePositives, "false_positives")],
            Self::Recall => &[(TruePositives, "true_positives"), (FalseNegatives, "false_negatives")],
            _ => &[
                (TruePositives, "true_positives"),
                (FalsePositives, "false_positives"),
                (TrueNegatives, "true_negatives"),
                (FalseNegatives, "false_negatives"),
            ],
        }
    }
}

/// Thresholds, and how a prediction is placed among them. All in single precision, as Keras compares.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thresholds {
    ascending: Vec<f32>,
    /// Of each threshold as given, its place in `ascending`.
    ranks: Vec<u32>,
    /// They divide [0, 1] evenly. Keras then multiplies instead of comparing, and takes predictions beyond as 0 or 1.
    even: bool,
}

impl Thresholds {
    /// Of these; `even` where they are known to divide [0, 1] evenly.
    pub fn new(given: &[f64], even: bool) -> Self {
        let mut order: Vec<usize> = (0..given.len()).collect();
        order.sort_by(|&a, &b| given[a].total_cmp(&given[b]));
        let mut ranks = vec![0; given.len()];
        for (rank, &i) in order.iter().enumerate() {
            ranks[i] = rank as u32;
        }
        Thresholds { ascending: order.iter().map(|&i| given[i] as f32).collect(), ranks, even }
    }

    /// i/(n − 1), but for what a single-precision division rounds off.
    pub fn are_even(given: &[f64]) -> bool {
        let last = given.len().saturating_sub(1) as f64;
        given.len() >= 3
            && given.iter().enumerate().all(|(i, t)| (t - i as f64 / last).abs() <= 1e-7 + 1e-5 * i as f64 / last)
    }

    fn len(&self) -> usize {
        self.ranks.len()
    }

    /// How many thresholds lie below p.
    pub fn below(&self, p: f64) -> u32 {
        let p = p as f32;
        if !self.even {
            return self.ascending.partition_point(|&t| t < p) as u32;
        }
        // The first threshold of a curve is −ε, below every prediction.
        let least = u32::from(self.ascending[0] < 0.0);
        ((p.clamp(0.0, 1.0) * (self.len() - 1) as f32).ceil() as u32).max(least)
    }
}

/// A metric of counts over thresholds.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    pub(super) kind: Kind,
    pub(super) thresholds: Thresholds,
    /// Only the k largest predictions of a row can be positive.
    pub(super) top_k: Option<usize>,
    /// Only this column counts; from the end, if negative.
    pub(super) class_id: Option<i64>,
    /// Counts by label, whose areas are averaged.
    pub(super) multi_label: bool,
    /// How many labels, if that was said.
    pub(super) labels: Option<usize>,
    /// One a label, or none: of the average, with `multi_label`, else of the counts.
    pub(super) label_weights: Vec<f64>,
    pub(super) from_logits: bool,
}

impl Confusion {
    pub(super) fn new(kind: Kind, thresholds: Thresholds) -> Self {
        let (top_k, class_id, labels) = (None, None, None);
        Confusion {
            kind,
            thresholds,
            top_k,
            class_id,
            labels,
            multi_label: false,
            label_weights: vec![],
            from_logits: false,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        (&self.kind).into()
    }

    pub(super) fn variables(&self, columns: usize) -> Vec<(&'static str, Vec<usize>)> {
        let mut shape = vec![self.thresholds.len()];
        if self.multi_label {
            shape.push(columns);
        }
        self.kind.counts().iter().map(|&(_, name)| (name, shape.clone())).collect()
    }

    pub(super) fn check(&self, columns: usize) -> Result<()> {
        let wrong = |argument: &str, expected: String, received: String| {
            Err(Error::invalid(format!("metric '{}', argument '{argument}'", self.name()), expected, received))
        };
        let n = columns as i64;
        if let Some(id) = self.class_id.filter(|id| !(-n..n).contains(id)) {
            return wrong("class_id", format!("one of the {n} columns of the predictions"), id.to_string());
        }
        if let Some(k) = self.top_k.filter(|&k| k > columns) {
            return wrong("top_k", format!("at most {n}, the columns of the predictions"), k.to_string());
        }
        if let Some(labels) = self.labels.filter(|&labels| labels != columns) {
            return wrong("num_labels", format!("{n}, the columns of the predictions"), labels.to_string());
        }
        if !self.label_weights.is_empty() && self.label_weights.len() != columns {
            let received = format!("{} weights", self.label_weights.len());
            return wrong("label_weights", format!("a weight for each of {n} columns"), received);
        }
        Ok(())
    }

    pub(super) fn add(&self, state: &mut [f64], target: Target<f64>, p: &[f64], weights: Weights) {
        let only = self.class_id.map(|id| id.rem_euclid(p.len() as i64) as usize);
        let kept = self.top_k.map(|k| largest(p, k));
        for j in only.map_or(0..p.len(), |j| j..j + 1) {
            let mut entry = if self.from_logits { p[j].sigmoid() } else { p[j] };
            if kept.as_ref().is_some_and(|kept| !kept.contains(&j)) {
                entry = NEVER;
            }
            let mut weight = weights.at(j);
            if !self.multi_label && !self.label_weights.is_empty() {
                weight *= self.label_weights[j];
            }
            let (label, stride) = if self.multi_label { (j, p.len()) } else { (0, 1) };
            self.count(state, target.number(j) != 0.0, self.thresholds.below(entry), weight, label, stride);
        }
    }

    /// One prediction that exceeds the first `below` of the ascending thresholds.
    fn count(&self, state: &mut [f64], positive: bool, below: u32, weight: f64, label: usize, stride: usize) {
        let size = self.thresholds.len() * stride;
        for ((count, _), part) in self.kind.counts().iter().zip(state.chunks_exact_mut(size)) {
            let (of_positives, above) = count.of();
            if of_positives == positive {
                for (&rank, entry) in self.thresholds.ranks.iter().zip(part[label..].iter_mut().step_by(stride)) {
                    *entry += if (rank < below) == above { weight } else { 0.0 };
                }
            }
        }
    }

    pub(super) fn results(&self, state: &[f64]) -> Vec<f64> {
        let parts: Vec<&[f64]> = state.chunks_exact(state.len() / self.kind.counts().len()).collect();
        let ratio = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| divide_no_nan(*a, a + b)).collect();
        match (self.kind, &parts[..]) {
            (Kind::Auc { curve, summation }, &[tp, fp, tn, r#fn]) => {
                let labels = tp.len() / self.thresholds.len();
                let of = |x: &[f64], label: usize| x.iter().skip(label).step_by(labels).copied().collect::<Vec<f64>>();
                let areas: Vec<f64> = (0..labels)
                    .map(|l| curves::area(curve, summation, &of(tp, l), &of(fp, l), &of(tn, l), &of(r#fn, l)))
                    .collect();
                if !self.multi_label || self.label_weights.is_empty() {
                    return vec![areas.iter().sum::<f64>() / labels as f64];
                }
                let total: f64 = areas.iter().zip(&self.label_weights).map(|(a, w)| a * w).sum();
                vec![divide_no_nan(total, self.label_weights.iter().sum())]
            }
            (kind, &[tp, fp, tn, r#fn]) => {
                let (sensitivity, specificity, precision): (Vec<f64>, Vec<f64>, Vec<f64>) =
                    (ratio(tp, r#fn), ratio(tn, fp), ratio(tp, fp));
                vec![match kind {
                    Kind::SensitivityAtSpecificity(at) => curves::largest_where(&specificity, at, &sensitivity),
                    Kind::SpecificityAtSensitivity(at) => curves::largest_where(&sensitivity, at, &specificity),
                    Kind::PrecisionAtRecall(at) => curves::largest_where(&sensitivity, at, &precision),
                    Kind::RecallAtPrecision(at) => curves::largest_where(&precision, at, &sensitivity),
                    _ => unreachable!("only curves have four counts"),
                }]
            }
            (_, &[hits, misses]) => ratio(hits, misses),
            _ => state.to_vec(),
        }
    }
}

/// What takes the place of a prediction that `top_k` leaves out; the threshold then, if none is given, too.
pub(super) const NEVER: f64 = -1e10;

/// The columns of the k largest entries; of equals, the first.
fn largest(p: &[f64], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
    order.truncate(k);
    order
}
