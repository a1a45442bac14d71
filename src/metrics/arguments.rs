//! Reading the arguments of the metrics that have some, a function a family.

use super::confusion::{Kind, NEVER, Thresholds};
use super::{Aggregation, Average, Confusion, Curve, EPSILON, FScore, IntersectionOverUnion, R2, Summation};
use crate::error::{Error, Result};
use crate::spec::Spec;
use serde_json::Value;

/// A whole number from `least` on.
pub fn count(spec: &Spec, key: &str, default: usize, least: i64) -> Result<usize> {
    match spec.integer(key)? {
        None => Ok(default),
        Some(n) if n >= least => Ok(n as usize),
        Some(n) => Err(Error::invalid(spec.place(key), format!("an integer >= {least}"), n.to_string())),
    }
}

/// A list of finite numbers, or one number; `None` where it is absent.
fn list(spec: &Spec, key: &str) -> Result<Option<Vec<f64>>> {
    let Some(value) = spec.get(key) else { return Ok(None) };
    let one = std::slice::from_ref(value);
    let numbers = value.as_array().map_or(one, Vec::as_slice).iter().map(Value::as_f64);
    let numbers: Option<Vec<f64>> = numbers.map(|x| x.filter(|x| x.is_finite())).collect();
    let numbers = numbers.filter(|numbers| !numbers.is_empty());
    numbers
        .map(Some)
        .ok_or_else(|| Error::wrong_type(spec.place(key), "a number or a list of numbers", value.to_string()))
}

/// One of a few strings.
fn choice<T: Copy>(spec: &Spec, key: &str, options: &[(&str, T)], default: T) -> Result<T> {
    let Some(text) = spec.text(key)? else { return Ok(default) };
    let found = options.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, option)| *option).ok_or_else(|| {
        let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
        Error::unknown(&spec.place(key), text, &names)
    })
}

/// A share, which must be given.
fn share(spec: &Spec, key: &str) -> Result<f64> {
    if spec.get(key).is_none() {
        return Err(Error::invalid(spec.place(key), "a number from 0 to 1", "nothing"));
    }
    spec.number_where(key, 0.0, "a number from 0 to 1", |x| (0.0..=1.0).contains(&x))
}

/// The metrics of counts, or `None` for another name.
pub fn confusion(spec: &Spec) -> Result<Option<(Confusion, &'static [&'static str])>> {
    let counts = |kind| Ok(Some((Confusion::new(kind, thresholds(spec, 0.5)?), &["thresholds"][..])));
    let ratio = |kind| {
        let top_k = spec.get("top_k").map(|_| count(spec, "top_k", 1, 1)).transpose()?;
        let thresholds = thresholds(spec, if top_k.is_some() { NEVER } else { 0.5 })?;
        let metric = Confusion { top_k, class_id: spec.integer("class_id")?, ..Confusion::new(kind, thresholds) };
        Ok(Some((metric, &["thresholds", "top_k", "class_id"][..])))
    };
    let best = |kind: fn(f64) -> Kind, arguments: &'static [&'static str]| {
        let n = count(spec, "num_thresholds", 200, 1)?;
        let inner: Vec<f64> = if n == 1 { vec![0.5] } else { (0..n).map(|i| i as f64 / (n - 1) as f64).collect() };
        let metric = Confusion::new(kind(share(spec, arguments[0])?), Thresholds::new(&inner, n > 1));
        Ok(Some((Confusion { class_id: spec.integer("class_id")?, ..metric }, arguments)))
    };
    match spec.name {
        "TruePositives" | "true_positives" => counts(Kind::TruePositives),
        "TrueNegatives" | "true_negatives" => counts(Kind::TrueNegatives),
        "FalsePositives" | "false_positives" => counts(Kind::FalsePositives),
        "FalseNegatives" | "false_negatives" => counts(Kind::FalseNegatives),
        "Precision" | "precision" => ratio(Kind::Precision),
        "Recall" | "recall" => ratio(Kind::Recall),
        "AUC" | "auc" => auc(spec).map(Some),
        "SensitivityAtSpecificity" | "sensitivity_at_specificity" => {
            best(Kind::SensitivityAtSpecificity, &["specificity", "num_thresholds", "class_id"])
        }
        "SpecificityAtSensitivity" | "specificity_at_sensitivity" => {
            best(Kind::SpecificityAtSensitivity, &["sensitivity", "num_thresholds", "class_id"])
        }
        "PrecisionAtRecall" | "precision_at_recall" => {
            best(Kind::PrecisionAtRecall, &["recall", "num_thresholds", "class_id"])
        }
        "RecallAtPrecision" | "recall_at_precision" => {
            best(Kind::RecallAtPrecision, &["precision", "num_thresholds", "class_id"])
        }
        _ => Ok(None),
    }
}

/// The argument `thresholds`, of counts.
fn thresholds(spec: &Spec, default: f64) -> Result<Thresholds> {
    let given = list(spec, "thresholds")?;
    if let Some(bad) = given.iter().flatten().find(|t| !(0.0..=1.0).contains(*t)) {
        return Err(Error::invalid(spec.place("thresholds"), "numbers from 0 to 1", bad.to_string()));
    }
    let given = given.unwrap_or(vec![default]);
    Ok(Thresholds::new(&given, Thresholds::are_even(&given)))
}

/// The area under a curve. Its outermost thresholds lie a little below 0 and above 1.
fn auc(spec: &Spec) -> Result<(Confusion, &'static [&'static str])> {
    let (inner, even) = match list(spec, "thresholds")? {
        Some(mut given) => {
            given.sort_by(f64::total_cmp);
            let even = Thresholds::are_even(&[&[0.0], &given[..], &[1.0]].concat());
            (given, even)
        }
        None => {
            let last = count(spec, "num_thresholds", 200, 2)? - 1;
            ((1..last).map(|i| i as f64 / last as f64).collect(), true)
        }
    };
    let all = [&[-EPSILON], &inner[..], &[1.0 + EPSILON]].concat();
    let curves = [("ROC", Curve::Roc), ("PR", Curve::Pr), ("PRGAIN", Curve::PrGain)];
    let summations = [
        ("interpolation", Summation::Interpolation),
        ("majoring", Summation::Majoring),
        ("minoring", Summation::Minoring),
    ];
    let kind = Kind::Auc {
        curve: choice(spec, "curve", &curves, Curve::Roc)?,
        summation: choice(spec, "summation_method", &summations, Summation::Interpolation)?,
    };
    let multi_label = spec.flag("multi_label", false)?;
    let labels = spec.get("num_labels").map(|_| count(spec, "num_labels", 1, 1)).transpose()?;
    if labels.is_some() && !multi_label {
        return Err(Error::invalid(spec.place("num_labels"), "null where multi_label is false", format!("{labels:?}")));
    }
    let metric = Confusion {
        multi_label,
        labels,
        label_weights: list(spec, "label_weights")?.unwrap_or_default(),
        from_logits: spec.flag("from_logits", false)?,
        ..Confusion::new(kind, Thresholds::new(&all, even))
    };
    let arguments = &[
        "num_thresholds",
        "curve",
        "summation_method",
        "thresholds",
        "multi_label",
        "num_labels",
        "label_weights",
        "from_logits",
    ];
    Ok((metric, arguments))
}

/// An F-score.
pub fn fscore(spec: &Spec, is_f1: bool) -> Result<FScore> {
    let averages = [("micro", Average::Micro), ("macro", Average::Macro), ("weighted", Average::Weighted)];
    if let Some(threshold) = spec.optional_number("threshold")?.filter(|t| !(*t > 0.0 && *t <= 1.0)) {
        let expected = "a number above 0 and up to 1, or null";
        return Err(Error::invalid(spec.place("threshold"), expected, threshold.to_string()));
    }
    Ok(FScore {
        average: choice(spec, "average", &averages, Average::None)?,
        beta: if is_f1 { 1.0 } else { spec.number_where("beta", 1.0, "a number above 0", |x| x > 0.0)? },
        threshold: spec.optional_number("threshold")?,
        is_f1,
    })
}

/// An R² score.
pub fn r2(spec: &Spec) -> Result<R2> {
    let ways = [("uniform_average", Aggregation::Uniform), ("variance_weighted_average", Aggregation::Variance)];
    // Absent and null are different here: null asks for a score a column.
    let default = if spec.has("class_aggregation") { Aggregation::None } else { Aggregation::Uniform };
    let aggregation = choice(spec, "class_aggregation", &ways, default)?;
    Ok(R2 { aggregation, regressors: count(spec, "num_regressors", 0, 0)? as f64 })
}

/// The five intersections over unions.
pub fn iou(spec: &Spec) -> Result<(IntersectionOverUnion, &'static [&'static str])> {
    let class = spec.name.replace('_', "").to_lowercase();
    let (name, arguments): (_, &[&str]) = match class.as_str() {
        "binaryiou" => ("binary_io_u", &["target_class_ids", "threshold"]),
        "meaniou" => ("mean_io_u", &["num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis"]),
        "onehotmeaniou" => ("one_hot_mean_io_u", &["num_classes", "ignore_class", "sparse_y_pred", "axis"]),
        "onehotiou" => ("one_hot_io_u", &["num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis"]),
        _ => {
            let arguments =
                &["num_classes", "target_class_ids", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis"];
            ("io_u", arguments)
        }
    };
    let (binary, one_hot) = (name == "binary_io_u", name.starts_with("one_hot"));
    let classes = if binary { 2 } else { count(spec, "num_classes", 0, 1)? };
    if classes == 0 {
        return Err(Error::invalid(spec.place("num_classes"), "an integer >= 1", "nothing"));
    }
    let everyone = || (0..classes).map(|class| class as f64).collect();
    let wanted = match list(spec, "target_class_ids")? {
        Some(ids) => ids,
        None if binary || name.contains("mean") => everyone(),
        None => return Err(Error::invalid(spec.place("target_class_ids"), "a list of class ids", "nothing")),
    };
    if let Some(id) = wanted.iter().find(|id| !(0.0..classes as f64).contains(*id) || id.trunc() != **id) {
        return Err(Error::invalid(
            spec.place("target_class_ids"),
            format!("class ids in [0, {classes})"),
            id.to_string(),
        ));
    }
    let iou = IntersectionOverUnion {
        name,
        classes,
        wanted: wanted.iter().map(|&id| id as usize).collect(),
        ignored: spec.integer("ignore_class")?,
        sparse_target: !one_hot && spec.flag("sparse_y_true", true)?,
        sparse_prediction: spec.flag("sparse_y_pred", !one_hot)?,
        threshold: if binary { Some(spec.number("threshold", 0.5)?) } else { None },
    };
    Ok((iou, arguments))
}
