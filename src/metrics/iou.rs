//! Intersection over union: TP/(TP + FP + FN) by class, averaged over the classes asked for that are there at all.
//!
//! The state is the confusion matrix, a row a true class. Source: `keras/src/metrics/iou_metrics.py`.

use super::{EPSILON, Weights, accuracy};
use crate::losses::{Target, TargetKind};

/// An intersection over union.
#[derive(Clone, Debug, PartialEq)]
pub struct IntersectionOverUnion {
    pub(super) name: &'static str,
    pub(super) classes: usize,
    /// The classes that are averaged.
    pub(super) wanted: Vec<usize>,
    pub(super) ignored: Option<i64>,
    /// Whether a target is a class id instead of a number a class.
    pub(super) sparse_target: bool,
    /// Whether a prediction is.
    pub(super) sparse_prediction: bool,
    /// Predictions from here on are class 1, others class 0.
    pub(super) threshold: Option<f64>,
}

impl IntersectionOverUnion {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn target_kind(&self) -> TargetKind {
        if self.sparse_target && !self.sparse_prediction { TargetKind::Class } else { TargetKind::Dense }
    }

    pub(super) fn variables(&self) -> Vec<(&'static str, Vec<usize>)> {
        vec![("total_confusion_matrix", vec![self.classes, self.classes])]
    }

    pub(super) fn add(&self, state: &mut [f64], target: Target<f64>, p: &[f64], weights: Weights) {
        if !self.sparse_prediction {
            let truth = match target {
                Target::Dense([only]) if self.sparse_target => *only,
                _ => accuracy::class_of(target),
            };
            return self.count(state, truth, accuracy::argmax(p), weights.mean());
        }
        for (j, &entry) in p.iter().enumerate() {
            let truth = if self.sparse_target { target.number(j) } else { accuracy::class_of(target) };
            let predicted = match self.threshold {
                Some(threshold) => f64::from(entry as f32 >= threshold as f32),
                None => entry,
            };
            self.count(state, truth, predicted, weights.at(j));
        }
    }

    /// One pair; ids beyond the classes, and the class that is ignored, count nowhere. An id is cut to an integer.
    fn count(&self, state: &mut [f64], truth: f64, predicted: f64, weight: f64) {
        let n = self.classes as f64;
        let (truth, predicted) = (truth.trunc(), predicted.trunc());
        let ignored = self.ignored.is_some_and(|id| id as f64 == truth);
        if (0.0..n).contains(&truth) && (0.0..n).contains(&predicted) && !ignored {
            state[truth as usize * self.classes + predicted as usize] += weight;
        }
    }

    pub(super) fn result(&self, state: &[f64]) -> f64 {
        let n = self.classes;
        let (mut sum, mut present) = (0.0, 0.0);
        for &class in &self.wanted {
            let row: f64 = state[class * n..(class + 1) * n].iter().sum();
            let column: f64 = state[class..].iter().step_by(n).sum();
            let hits = state[class * n + class];
            let union = row + column - hits;
            if union > 1e-9 {
                (sum, present) = (sum + hits / (union + EPSILON), present + 1.0);
            }
        }
        sum / (present + EPSILON)
    }
}
