//! Areas under curves through the points of all thresholds, and the best point that a condition leaves.
//!
//! Sources: `keras/src/metrics/confusion_metrics.py`; the interpolation of precision and recall is that of Davis and
//! Goadrich, "The relationship between precision-recall and ROC curves" (2006); gains are those of Flach and Kull,
//! "Precision-recall-gain curves" (2015).

use super::divide_no_nan;

/// Which curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// Recall over the rate of false positives.
    Roc,
    /// Precision over recall.
    Pr,
    /// Precision gain over recall gain.
    PrGain,
}

/// The height of the curve between two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summation {
    /// Their mean; for precision and recall, true positives are interpolated instead.
    Interpolation,
    /// The larger.
    Majoring,
    /// The smaller.
    Minoring,
}

/// The area under the curve through the points of ascending thresholds.
pub(super) fn area(curve: Curve, summation: Summation, tp: &[f64], fp: &[f64], tn: &[f64], r#fn: &[f64]) -> f64 {
    if (curve, summation) == (Curve::Pr, Summation::Interpolation) {
        return interpolated_pr(tp, fp, r#fn);
    }
    let point = |i: usize| {
        let recall = divide_no_nan(tp[i], tp[i] + r#fn[i]);
        match curve {
            Curve::Roc => (divide_no_nan(fp[i], fp[i] + tn[i]), recall),
            Curve::Pr => (recall, divide_no_nan(tp[i], tp[i] + fp[i])),
            // Without true positives a gain would be −∞; a negative recall gain says that the predictions are worse
            // than calling everything positive. Keras takes 0 for the recall's, 1 for the precision's.
            Curve::PrGain if tp[i] == 0.0 => (0.0, 1.0),
            Curve::PrGain => {
                let odds = divide_no_nan(tp[i] + r#fn[i], tn[i] + fp[i]);
                ((1.0 - odds * r#fn[i] / tp[i]).max(0.0), 1.0 - odds * fp[i] / tp[i])
            }
        }
    };
    let step = |i: usize| {
        let ((x0, y0), (x1, y1)) = (point(i), point(i + 1));
        let height = match summation {
            Summation::Interpolation => (y0 + y1) / 2.0,
            Summation::Majoring => y0.max(y1),
            Summation::Minoring => y0.min(y1),
        };
        (x0 - x1) * height
    };
    (0..tp.len() - 1).map(step).sum()
}

/// ∫ precision d(recall), true positives being linear in the number of positives between two points.
fn interpolated_pr(tp: &[f64], fp: &[f64], r#fn: &[f64]) -> f64 {
    let step = |i: usize| {
        let (p0, p1) = (tp[i] + fp[i], tp[i + 1] + fp[i + 1]);
        let gain = tp[i] - tp[i + 1];
        let slope = divide_no_nan(gain, (p0 - p1).max(0.0));
        let intercept = tp[i + 1] - slope * p1;
        let ratio = if p0 > 0.0 && p1 > 0.0 { p0 / p1 } else { 1.0 };
        divide_no_nan(slope * (gain + intercept * ratio.ln()), (tp[i + 1] + r#fn[i + 1]).max(0.0))
    };
    (0..tp.len() - 1).map(step).sum()
}

/// The largest of `wanted` where `held` is at least `at`; 0 if that is nowhere. Compared in single precision, as in Keras.
pub(super) fn largest_where(held: &[f64], at: f64, wanted: &[f64]) -> f64 {
    let feasible = held.iter().zip(wanted).filter(|(held, _)| **held as f32 >= at as f32);
    feasible.fold(0.0, |best, (_, &x)| f64::max(best, x))
}
