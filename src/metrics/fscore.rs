//! Fβ = (1 + β²) · precision · recall / (β² · precision + recall), by class, then averaged.
//!
//! A class is predicted where p exceeds the threshold, or, without one, where p is the row's largest. Source:
//! `keras/src/metrics/f_score_metrics.py`, whose 10⁻⁷ in every denominator this keeps.

use super::{EPSILON, Weights};
use crate::losses::Target;

/// How the classes' scores become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// They stay apart.
    None,
    /// One score of all classes' counts together.
    Micro,
    /// Their mean.
    Macro,
    /// Their mean, weighted by how often the class is there.
    Weighted,
}

/// An F-score.
#[derive(Clone, Debug, PartialEq)]
pub struct FScore {
    pub(super) average: Average,
    pub(super) beta: f64,
    pub(super) threshold: Option<f64>,
    /// It was asked for as `F1Score`.
    pub(super) is_f1: bool,
}

impl FScore {
    pub(super) fn name(&self) -> &'static str {
        if self.is_f1 { "f1_score" } else { "fbeta_score" }
    }

    pub(super) fn variables(&self, columns: usize) -> Vec<(&'static str, Vec<usize>)> {
        let shape = if self.average == Average::Micro { vec![] } else { vec![columns] };
        let names = ["true_positives", "false_positives", "false_negatives", "intermediate_weights"];
        names.map(|name| (name, shape.clone())).into()
    }

    pub(super) fn add(&self, state: &mut [f64], target: Target<f64>, p: &[f64], weights: Weights) {
        let classes = state.len() / 4;
        let largest = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (j, &entry) in p.iter().enumerate() {
            let predicted = match self.threshold {
                // In single precision, as Keras compares.
                Some(threshold) => entry as f32 > threshold as f32,
                // A row of zeros predicts nothing.
                None => entry >= largest && entry.abs() > 1e-9,
            };
            let (y, hit, weight) = (target.weight(j), f64::from(predicted), weights.at(j));
            let class = if classes == 1 { 0 } else { j };
            for (i, term) in [hit * y, hit * (1.0 - y), (1.0 - hit) * y, y].into_iter().enumerate() {
                state[i * classes + class] += weight * term;
            }
        }
    }

    pub(super) fn results(&self, state: &[f64]) -> Vec<f64> {
        let classes = state.len() / 4;
        let square = self.beta * self.beta;
        let score = |j: usize| {
            let (tp, fp, r#fn) = (state[j], state[classes + j], state[2 * classes + j]);
            let (precision, recall) = (tp / (tp + fp + EPSILON), tp / (tp + r#fn + EPSILON));
            precision * recall / (square * precision + recall + EPSILON) * (1.0 + square)
        };
        let scores: Vec<f64> = (0..classes).map(score).collect();
        match self.average {
            Average::None => scores,
            Average::Micro | Average::Macro => vec![scores.iter().sum::<f64>() / classes as f64],
            Average::Weighted => {
                let weights = &state[3 * classes..];
                let total = weights.iter().sum::<f64>() + EPSILON;
                vec![scores.iter().zip(weights).map(|(score, weight)| score * weight / total).sum()]
            }
        }
    }
}
