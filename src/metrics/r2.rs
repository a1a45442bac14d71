//! R² = 1 − Σ w (y − p)² / Σ w (y − ȳ)², by column, then averaged.
//!
//! With k regressors it is adjusted: 1 − (1 − R²)(n − 1)/(n − k − 1), n counting targets. Source:
//! `keras/src/metrics/regression_metrics.py`. As there, a target that does not vary scores 0, or NaN if it is met exactly.

use super::Weights;
use crate::losses::Target;

/// How the columns' scores become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// They stay apart.
    None,
    /// Their mean.
    Uniform,
    /// Their mean, weighted by the columns' variances.
    Variance,
}

/// An R² score.
#[derive(Clone, Debug, PartialEq)]
pub struct R2 {
    pub(super) aggregation: Aggregation,
    pub(super) regressors: f64,
}

impl R2 {
    pub(super) fn variables(columns: usize) -> Vec<(&'static str, Vec<usize>)> {
        let by_column = ["squared_sum", "sum", "residual", "count"].map(|name| (name, vec![columns]));
        [("num_samples", vec![])].into_iter().chain(by_column).collect()
    }

    pub(super) fn add(state: &mut [f64], target: Target<f64>, p: &[f64], weights: Weights) {
        let n = p.len();
        state[0] += n as f64;
        for (j, &entry) in p.iter().enumerate() {
            let (y, weight) = (target.number(j), weights.at(j));
            for (i, term) in [y * y, y, (y - entry) * (y - entry), 1.0].into_iter().enumerate() {
                state[1 + i * n + j] += weight * term;
            }
        }
    }

    pub(super) fn results(&self, state: &[f64]) -> Vec<f64> {
        let n = (state.len() - 1) / 4;
        let (samples, state) = (state[0], &state[1..]);
        let total = |j: usize| state[j] - state[n + j] * (state[n + j] / state[3 * n + j]);
        let score = |j: usize| {
            let score = 1.0 - state[2 * n + j] / total(j);
            if score.is_infinite() { 0.0 } else { score }
        };
        let sum = |of: &dyn Fn(usize) -> f64| (0..n).map(of).sum::<f64>();
        let scores = match self.aggregation {
            Aggregation::None => (0..n).map(score).collect(),
            Aggregation::Uniform => vec![sum(&score) / n as f64],
            Aggregation::Variance => vec![sum(&|j| total(j) * score(j)) / sum(&total)],
        };
        let freedom = samples - self.regressors - 1.0;
        if self.regressors == 0.0 || freedom <= 0.0 {
            return scores;
        }
        scores.iter().map(|score| 1.0 - (1.0 - score) * (samples - 1.0) / freedom).collect()
    }
}
