use super::*;
use crate::rng::Stream;
use serde_json::{Value, json};
use strum::VariantNames;

fn metric(class: &str, config: Value) -> Metric {
    let value = json!({"class_name": class, "config": config});
    MetricConfig::parse(&value, "metric").unwrap().spec.resolve(3, None)
}

/// The results after rows of targets and predictions, with weights if there are any.
fn results<const N: usize>(metric: &Metric, y: &[[f64; N]], p: &[[f64; N]], weights: &[f64]) -> Vec<f64> {
    let mut state = vec![0.0; metric.state_len(N)];
    for (i, p) in p.iter().enumerate() {
        metric.add(&mut state, Target::Dense(&y[i]), p, weights.get(i).copied().unwrap_or(1.0));
    }
    metric.results(&state)
}

fn close(got: &[f64], want: &[f64]) {
    let near = got.len() == want.len() && got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(near, "{got:?} is not {want:?}");
}

fn column(x: [f64; 4]) -> [[f64; 1]; 4] {
    x.map(|x| [x])
}

#[test]
fn accuracies() {
    // The docstrings of keras/src/metrics/accuracy_metrics.py: BinaryAccuracy 0.75, CategoricalAccuracy 0.5.
    let row = |metric: &Metric, y: &[f64], p: &[f64]| metric.row(Target::Dense(y), p);
    let binary = Metric::BinaryAccuracy { threshold: 0.5 };
    assert_eq!(row(&binary, &[1.0, 1.0, 0.0, 0.0], &[0.98, 1.0, 0.0, 0.6]), 0.75);
    // The threshold itself is a 0, and half a label matches nothing.
    assert_eq!(row(&binary, &[0.0, 0.0, 0.5, 0.5], &[0.5, 0.5, 0.5, 0.9]), 0.5);
    let rows = [([0.0, 0.0, 1.0], [0.1, 0.9, 0.8], 0.0), ([0.0, 1.0, 0.0], [0.05, 0.95, 0.0], 1.0)];
    for (y, p, want) in rows {
        assert_eq!(row(&Metric::CategoricalAccuracy, &y, &p), want);
    }
    let sparse = |class, p: &[f64]| Metric::SparseCategoricalAccuracy.row(Target::Class(class), p);
    assert_eq!((sparse(2.0, &[0.1, 0.6, 0.3]), sparse(1.0, &[0.05, 0.95, 0.0])), (0.0, 1.0));
    assert_eq!((sparse(0.0, &[0.5, 0.5]), sparse(1.0, &[0.5, 0.5])), (1.0, 0.0));
    assert_eq!(row(&Metric::Accuracy, &[1.0, 2.0, 3.0, 4.0], &[0.0, 2.0, 3.0, 4.0]), 0.75);
}

#[test]
fn the_k_largest() {
    // TopKCategoricalAccuracy's docstring: k = 1, the second of two rows; weights 0.7 and 0.3 give 0.3.
    let (y, p) = ([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.0]]);
    let top = metric("TopKCategoricalAccuracy", json!({"k": 1}));
    close(&results(&top, &y, &p, &[]), &[0.5]);
    close(&results(&top, &y, &p, &[0.7, 0.3]), &[0.3]);
    close(&results(&metric("TopKCategoricalAccuracy", json!({"k": 2})), &y, &p, &[]), &[1.0]);
    let sparse = |k, class, p: &[f64]| {
        Metric::SparseTopKCategoricalAccuracy { k, from_sorted_ids: false }.row(Target::Class(class), p)
    };
    // Ties are hits; NaN and classes that are no column are not.
    assert_eq!(
        (sparse(1, 1.0, &[0.5, 0.5]), sparse(1, 0.0, &[f64::NAN, 0.1]), sparse(1, 7.0, &[0.1, 0.2])),
        (1.0, 0.0, 0.0)
    );
    let ids = metric("SparseTopKCategoricalAccuracy", json!({"k": 2, "from_sorted_ids": true}));
    assert_eq!(ids.row(Target::Class(4.0), &[9.0, 4.0, 1.0]), 1.0);
    assert_eq!(ids.row(Target::Class(1.0), &[9.0, 4.0, 1.0]), 0.0);
    assert!(ids.check(1).is_err() && ids.check(2).is_ok());
}

#[test]
fn losses_as_metrics() {
    assert_eq!(Metric::Loss(Loss::MeanSquaredError).row(Target::Dense(&[0.0, 1.0]), &[1.0, 3.0]), 2.5);
    let sparse = Metric::Loss(Loss::SparseCategoricalCrossentropy { from_logits: false, ignore_class: None });
    assert!((sparse.row(Target::Class(1.0), &[0.25, 0.75]) + 0.75f64.ln()).abs() < 1e-15);
    assert_eq!((sparse.target_kind(), sparse.name()), (TargetKind::Class, "sparse_categorical_crossentropy"));
    // RootMeanSquaredError's docstring: 0.5, and 0.70710677 with weights 1 and 0.
    let (y, p) = ([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]);
    let rmse = metric("RootMeanSquaredError", json!({}));
    close(&results(&rmse, &y, &p, &[]), &[0.5]);
    close(&results(&rmse, &y, &p, &[1.0, 0.0]), &[0.5f64.sqrt()]);
}

#[test]
fn likenesses() {
    // CosineSimilarity's docstring: 0.49999997, and 0.7 with weights.
    let (y, p) = ([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]);
    close(&results(&Metric::CosineSimilarity, &y, &p, &[]), &[0.5]);
    close(&results(&Metric::CosineSimilarity, &y, &p, &[0.3, 0.7]), &[0.7]);
    assert_eq!(Metric::CosineSimilarity.row(Target::Dense(&[0.0, 0.0]), &[0.0, 1.0]), 0.0);
    // The numbers of keras/src/metrics/correlation_metrics_test.py.
    let (y, p) = ([[0.0, 1.0, 0.5], [1.0, 1.0, 0.2]], [[0.1, 0.9, 0.5], [1.0, 0.9, 0.2]]);
    close(&results(&Metric::PearsonCorrelation, &y, &p, &[]), &[(1.0 + 0.99339927) / 2.0]);
    let mut concordance = [0.0; 2];
    for i in 0..2 {
        concordance[i] = Metric::ConcordanceCorrelation.row(Target::Dense(&y[i]), &p[i]);
    }
    assert!((concordance[0] - 0.97560976).abs() < 1e-6 && (concordance[1] - 0.98765432).abs() < 1e-6);
}

#[test]
fn counts() {
    // The docstrings of confusion_metrics.py.
    let of = |class: &str, y, p, w: &[f64]| results(&metric(class, json!({})), &column(y), &column(p), w)[0];
    let weights = [0.0, 0.0, 1.0, 0.0];
    let (y, p) = ([0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]);
    assert_eq!((of("FalsePositives", y, p, &[]), of("FalsePositives", y, p, &weights)), (2.0, 1.0));
    let (y, p) = ([0.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]);
    assert_eq!((of("FalseNegatives", y, p, &[]), of("FalseNegatives", y, p, &weights)), (2.0, 1.0));
    let (y, p) = ([0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]);
    assert_eq!((of("TrueNegatives", y, p, &[]), of("TrueNegatives", y, p, &weights)), (2.0, 1.0));
    let (y, p) = ([0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]);
    assert_eq!((of("TruePositives", y, p, &[]), of("TruePositives", y, p, &weights)), (2.0, 1.0));
    close(&[of("Precision", y, p, &[]), of("Precision", y, p, &[0.0, 0.0, 1.0, 0.0])], &[2.0 / 3.0, 1.0]);
    close(&[of("Recall", y, p, &[]), of("Recall", y, p, &[0.0, 0.0, 1.0, 0.0])], &[2.0 / 3.0, 1.0]);
    // Nothing seen, and several thresholds in any order; the threshold itself is below.
    assert_eq!(metric("Precision", json!({})).result(&[0.0, 0.0]), 0.0);
    let several = metric("TruePositives", json!({"thresholds": [0.9, 0.2, 0.5]}));
    close(&results(&several, &[[1.0, 1.0, 0.0]], &[[0.9, 0.5, 0.95]], &[]), &[0.0, 2.0, 1.0]);
    assert_eq!(several.result(&[0.0, 2.0, 1.0]), 1.0);
    // Precision's docstring: top_k = 2, 0; top_k = 4, 0.5.
    let (y, p) = ([[0.0, 0.0, 1.0, 1.0]], [[1.0, 1.0, 1.0, 1.0]]);
    close(&results(&metric("Precision", json!({"top_k": 2})), &y, &p, &[]), &[0.0]);
    close(&results(&metric("Precision", json!({"top_k": 4})), &y, &p, &[]), &[0.5]);
    close(&results(&metric("Precision", json!({"class_id": -1})), &y, &p, &[]), &[1.0]);
    let error = metric("Recall", json!({"class_id": 4})).check(4).unwrap_err().to_string();
    assert!(error.contains("'class_id'") && error.contains('4'), "{error}");
    assert!(metric("Recall", json!({"top_k": 5})).check(4).is_err());
}

#[test]
fn curves() {
    // AUC's docstring: num_thresholds = 3 gives 0.75, and 1.0 with the weights.
    let (y, p) = (column([0.0, 0.0, 1.0, 1.0]), column([0.0, 0.5, 0.3, 0.9]));
    let auc = metric("AUC", json!({"num_thresholds": 3}));
    close(&results(&auc, &y, &p, &[]), &[0.75]);
    close(&results(&auc, &y, &p, &[1.0, 0.0, 0.0, 1.0]), &[1.0]);
    // What Keras 3.15 gives for the weights 1, 2, 3, 4.
    let cases = [
        ("ROC", "interpolation", 0.7857142),
        ("ROC", "majoring", 1.0),
        ("roc", "minoring", 0.5714286),
        ("PR", "interpolation", 0.9166130),
        ("PR", "Majoring", 1.0),
        ("PR", "minoring", 0.3),
        ("PRGAIN", "interpolation", 0.5),
        ("PRGAIN", "majoring", 1.0),
        ("PRGAIN", "minoring", 0.0),
    ];
    for (curve, summation, want) in cases {
        let auc = metric("AUC", json!({"num_thresholds": 3, "curve": curve, "summation_method": summation}));
        close(&results(&auc, &y, &p, &[1.0, 2.0, 3.0, 4.0]), &[want]);
    }
    let (y, p) = ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [[0.0, 0.9], [0.5, 0.2], [0.3, 0.1], [0.9, 0.6]]);
    let of = |config| results(&metric("AUC", config), &y, &p, &[]);
    close(&of(json!({"num_thresholds": 5, "multi_label": true})), &[0.625]);
    close(&of(json!({"num_thresholds": 5, "multi_label": true, "label_weights": [0.25, 0.75]})), &[0.5]);
    close(&of(json!({"num_thresholds": 5, "label_weights": [0.25, 0.75]})), &[0.5]);
    let logits = p.map(|row| row.map(|p| 4.0 * p - 2.0));
    close(&results(&metric("AUC", json!({"thresholds": [0.4, 0.1], "from_logits": true})), &y, &logits, &[]), &[0.5]);
    let labels = metric("AUC", json!({"multi_label": true, "num_labels": 2}));
    assert!(labels.check(2).is_ok() && labels.check(3).is_err());
}

#[test]
fn the_best_point_that_a_condition_leaves() {
    // The docstrings of confusion_metrics.py.
    let (y, p) = ([[0.0], [0.0], [0.0], [1.0], [1.0]], [[0.0], [0.3], [0.8], [0.3], [0.8]]);
    let cases = [
        ("SensitivityAtSpecificity", "specificity", 0.5, 0.5, 1.0 / 3.0),
        ("SpecificityAtSensitivity", "sensitivity", 0.5, 2.0 / 3.0, 0.25),
        ("PrecisionAtRecall", "recall", 0.5, 0.5, 0.5),
        ("RecallAtPrecision", "precision", 0.8, 0.0, 0.0),
    ];
    for (class, argument, at, plain, weighted) in cases {
        let metric = metric(class, json!({argument: at}));
        close(&results(&metric, &y, &p, &[]), &[plain]);
        close(&results(&metric, &y, &p, &[1.0, 1.0, 2.0, 2.0, 1.0]), &[weighted]);
    }
}

#[test]
fn placing_by_multiplication_is_placing_by_comparison() {
    let mut random = Stream::new(3, "thresholds").sequence(0);
    for n in [3, 7, 200] {
        let given: Vec<f64> = (0..n).map(|i| i as f64 / (n - 1) as f64).collect();
        let (even, any) = (confusion::Thresholds::new(&given, true), confusion::Thresholds::new(&given, false));
        for _ in 0..500 {
            let p = f64::from(random.uniform() as f32);
            assert_eq!(even.below(p), any.below(p), "{p} among {n}");
        }
    }
}

#[test]
fn f_scores() {
    // The docstrings of f_score_metrics.py.
    let y = [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]];
    let p = [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]];
    let of = |class: &str, config| results(&metric(class, config), &y, &p, &[]);
    close(&of("FBetaScore", json!({"beta": 2.0, "threshold": 0.5})), &[0.3846154, 0.9090909, 0.8333333]);
    let classes = of("F1Score", json!({"threshold": 0.5}));
    close(&classes, &[0.5, 0.8, 0.6666666]);
    close(&of("F1Score", json!({"threshold": 0.5, "average": "macro"})), &[(0.5 + 0.8 + 2.0 / 3.0) / 3.0]);
    let weighted = (0.5 * 3.0 + 0.8 * 2.0 + 2.0 / 3.0) / 6.0;
    close(&of("F1Score", json!({"threshold": 0.5, "average": "weighted"})), &[weighted]);
    // 4 hits among 6 predictions and 6 targets.
    close(&of("F1Score", json!({"threshold": 0.5, "average": "micro"})), &[4.0 / 6.0]);
    // Without a threshold the largest counts; a row of zeros predicts nothing.
    let largest = results(&metric("F1Score", json!({})), &[[1.0, 0.0], [1.0, 0.0]], &[[0.1, 0.05], [0.0, 0.0]], &[]);
    close(&largest, &[2.0 / 3.0, 0.0]);
}

#[test]
fn shares_of_variance() {
    // R2Score's docstring.
    let (y, p) = ([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]);
    close(&results(&metric("R2Score", json!({})), &y, &p, &[]), &[0.57142854]);
    close(&results(&metric("R2Score", json!({"num_regressors": 1})), &y, &p, &[]), &[1.0 - (3.0 / 7.0) * 2.0]);
    // More regressors than targets allow: the plain score, as in Keras.
    close(&results(&metric("R2Score", json!({"num_regressors": 5})), &y, &p, &[]), &[0.57142854]);
    let (y, p) = ([[1.0, 0.0], [4.0, 1.0], [3.0, 0.0]], [[2.0, 0.5], [4.0, 0.5], [4.0, 0.5]]);
    let second = 1.0 - 0.75 / (2.0 / 3.0);
    let first = 1.0 - 2.0 / (14.0 / 3.0);
    close(&results(&metric("R2Score", json!({"class_aggregation": null})), &y, &p, &[]), &[first, second]);
    let weighted = (first * 14.0 / 3.0 + second * 2.0 / 3.0) / (16.0 / 3.0);
    close(
        &results(&metric("R2Score", json!({"class_aggregation": "variance_weighted_average"})), &y, &p, &[]),
        &[weighted],
    );
    // A target that does not vary.
    close(&results(&metric("R2Score", json!({})), &[[1.0], [1.0]], &[[2.0], [1.0]], &[]), &[0.0]);
}

#[test]
fn intersections_over_unions() {
    // The docstrings of iou_metrics.py.
    let (y, p) = (column([0.0, 0.0, 1.0, 1.0]), column([0.0, 1.0, 0.0, 1.0]));
    let weights = [0.3, 0.3, 0.3, 0.1];
    let iou = metric("IoU", json!({"num_classes": 2, "target_class_ids": [0]}));
    close(&results(&iou, &y, &p, &[]), &[1.0 / 3.0]);
    close(&results(&iou, &y, &p, &weights), &[1.0 / 3.0]);
    let mean = metric("MeanIoU", json!({"num_classes": 2}));
    close(&results(&mean, &y, &p, &weights), &[0.2380952]);
    let (y, p) = (column([0.0, 1.0, 0.0, 1.0]), column([0.1, 0.2, 0.4, 0.7]));
    let binary = metric("BinaryIoU", json!({"target_class_ids": [0, 1], "threshold": 0.3}));
    close(&results(&binary, &y, &p, &[]), &[1.0 / 3.0]);
    close(&results(&binary, &y, &p, &[0.2, 0.3, 0.4, 0.1]), &[0.1736111]);
    let y = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
    let p = [[0.2, 0.3, 0.5], [0.1, 0.2, 0.7], [0.5, 0.3, 0.1], [0.1, 0.4, 0.5]];
    let weights = [0.1, 0.2, 0.3, 0.4];
    let one_hot = metric("OneHotIoU", json!({"num_classes": 3, "target_class_ids": [0, 2]}));
    close(&results(&one_hot, &y, &p, &weights), &[0.1 / 0.7 / 2.0]);
    let one_hot = metric("OneHotMeanIoU", json!({"num_classes": 3}));
    close(&results(&one_hot, &y, &p, &weights), &[0.1 / 0.7 / 3.0]);
    // Class ids against a prediction a class; ids that are no class, and the one that is ignored, count nowhere.
    let sparse = metric("MeanIoU", json!({"num_classes": 3, "sparse_y_pred": false, "ignore_class": 1}));
    assert_eq!(sparse.target_kind(), TargetKind::Class);
    let mut state = vec![0.0; sparse.state_len(3)];
    for (class, p) in [(2.0, p[0]), (0.0, p[2]), (1.0, p[2]), (-1.0, p[0]), (3.0, p[0])] {
        sparse.add(&mut state, Target::Class(class), &p, 1.0);
    }
    assert_eq!(state.iter().sum::<f64>(), 2.0);
    close(&sparse.results(&state), &[1.0]);
    assert_eq!(sparse.result(&[0.0; 9]), 0.0);
}

/// Arguments for the classes that need some, and a few more that change the state's shape.
fn every_metric() -> Vec<Metric> {
    let mut all = Vec::new();
    for class in Metric::names() {
        all.push(metric(class, arguments(class)));
    }
    all.push(metric("AUC", json!({"multi_label": true, "label_weights": [1.0, 2.0, 0.5], "curve": "PR"})));
    all.push(metric("Precision", json!({"thresholds": [0.7, 0.1], "top_k": 2})));
    all.push(metric("F1Score", json!({"average": "micro", "threshold": 0.4})));
    all.push(metric("R2Score", json!({"class_aggregation": null, "num_regressors": 2})));
    all.push(metric("MeanIoU", json!({"num_classes": 3, "sparse_y_pred": false})));
    for loss in Loss::names() {
        all.push(metric(loss, arguments(loss)));
    }
    all
}

fn arguments(class: &str) -> Value {
    match class {
        "SensitivityAtSpecificity" => json!({"specificity": 0.4}),
        "SpecificityAtSensitivity" => json!({"sensitivity": 0.4}),
        "PrecisionAtRecall" => json!({"recall": 0.4}),
        "RecallAtPrecision" => json!({"precision": 0.4}),
        "IoU" => json!({"num_classes": 3, "target_class_ids": [0, 2]}),
        "OneHotIoU" => json!({"num_classes": 3, "target_class_ids": [0, 2]}),
        "MeanIoU" | "OneHotMeanIoU" => json!({"num_classes": 3}),
        "TopKCategoricalAccuracy" | "SparseTopKCategoricalAccuracy" => json!({"k": 2}),
        "dice" | "Dice" | "tversky" | "Tversky" => json!({"axis": -1}),
        _ => json!({}),
    }
}

#[test]
fn every_variant_is_among_the_names() {
    let mut seen: Vec<&'static str> = every_metric().iter().map(<&'static str>::from).collect();
    seen.sort_unstable();
    seen.dedup();
    let mut all = Metric::VARIANTS.to_vec();
    all.sort_unstable();
    assert_eq!(seen, all);
}

#[test]
fn states_of_parts_add_up_to_the_state_of_the_whole() {
    let mut random = Stream::new(7, "metrics").sequence(0);
    let columns = 3;
    for metric in every_metric() {
        let name = metric.name();
        metric.check(columns).unwrap();
        let mut states = [(); 3].map(|()| vec![0.0; metric.state_len(columns)]);
        let (mut sum, mut count) = (0.0, 0.0);
        for row in 0..40 {
            let p: Vec<f64> = (0..columns).map(|_| random.uniform()).collect();
            // Targets that mean something to most: 0 or 1; some need not be hit.
            let y: Vec<f64> = (0..columns).map(|_| f64::from(random.uniform() < 0.5)).collect();
            let class = (random.uniform() * columns as f64).floor();
            let target = match metric.target_kind() {
                TargetKind::Dense => Target::Dense(&y),
                TargetKind::Class => Target::Class(class),
            };
            let weight = random.uniform();
            // A row that does not vary has no correlation.
            if metric == Metric::PearsonCorrelation && y.iter().all(|&x| x == y[0]) {
                continue;
            }
            metric.add(&mut states[0], target, &p, weight);
            metric.add(&mut states[1 + usize::from(row % 3 == 0)], target, &p, weight);
            if metric.is_row_mean() {
                (sum, count) = (sum + weight * metric.row(target, &p), count + weight);
            }
        }
        let [whole, some, others] = states;
        assert!(whole.iter().any(|&x| x != 0.0), "{name} counted nothing");
        let joined: Vec<f64> = some.iter().zip(&others).map(|(a, b)| a + b).collect();
        for (a, b) in joined.iter().zip(&whole) {
            assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{name}: {a} and {b}");
        }
        let (a, b) = (metric.results(&joined), metric.results(&whole));
        assert!(
            a.iter().zip(&b).all(|(a, b)| a.is_finite() && (a - b).abs() < 1e-9 * b.abs().max(1.0)),
            "{name}: {a:?} and {b:?}"
        );
        if metric.is_row_mean() {
            assert_eq!(whole, [sum, count], "{name}");
        }
        // Nothing seen is a number too, but for a score that divides by the targets' variance.
        let empty = metric.result(&vec![0.0; whole.len()]);
        assert!(empty.is_finite() || matches!(metric, Metric::R2(_)), "{name}: {empty}");
    }
}

#[test]
fn weights_of_columns_are_those_of_single_columns() {
    let y = [1.0, 0.0, 1.0];
    let (p, weights) = ([0.9, 0.6, 0.2], [0.5, 2.0, 0.25]);
    for class in ["Precision", "Recall", "AUC", "TruePositives", "FalseNegatives"] {
        let metric = metric(class, json!({}));
        let (mut at_once, mut apart) = (vec![0.0; metric.state_len(3)], vec![0.0; metric.state_len(3)]);
        metric.add_weighted(&mut at_once, Target::Dense(&y), &p, Weights(&weights));
        for j in 0..3 {
            metric.add(&mut apart, Target::Dense(&y[j..j + 1]), &p[j..j + 1], weights[j]);
        }
        assert_eq!(at_once, apart, "{class}");
    }
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
fn every_spelling_parses() {
    for name in Metric::spellings() {
        let snake_of_class = Metric::names()
            .into_iter()
            .find(|class| class.replace('_', "").eq_ignore_ascii_case(&name.replace('_', "")));
        let value = json!({"class_name": name, "config": arguments(snake_of_class.unwrap_or(name))});
        if matches!(name, "acc" | "ce" | "crossentropy") {
            assert_eq!(MetricConfig::parse(&json!(name), "metric").unwrap().name, name);
        } else {
            MetricConfig::parse(&value, "metric").unwrap();
        }
    }
    for name in ["mse", "AUC", "auc", "f1_score", "TopKCategoricalAccuracy", "r2_score", "cosine_similarity"] {
        assert_eq!(MetricConfig::parse(&json!(name), "metric").unwrap().name, name);
    }
    assert_eq!(MetricSpec::parse(&json!("Acc"), "m"), Ok(MetricSpec::AutoAccuracy));
    let object = json!({"class_name": "BinaryAccuracy", "config": {"name": "hits", "dtype": null, "threshold": 0.7}});
    let config = MetricConfig::parse(&object, "metric").unwrap();
    let spec = MetricSpec::Exact(Metric::BinaryAccuracy { threshold: 0.7 });
    assert_eq!(config, MetricConfig { name: "hits".into(), spec });
    let name = |class: &str| metric(class, arguments(class)).name();
    assert_eq!((name("FBetaScore"), name("MeanIoU"), name("AUC")), ("fbeta_score", "mean_io_u", "auc"));
}

#[test]
fn parse_refuses_what_it_does_not_know() {
    let error = |class: &str, config: Value| {
        MetricConfig::parse(&json!({"class_name": class, "config": config}), "metric").unwrap_err().to_string()
    };
    let unknown = MetricConfig::parse(&json!("binary_acuracy"), "metric").unwrap_err().to_string();
    assert!(unknown.contains("did you mean 'binary_accuracy'"));
    assert!(MetricConfig::parse(&json!(null), "metric").unwrap_err().to_string().contains("metric"));
    let cases = [
        ("BinaryAccuracy", json!({"treshold": 1}), "'threshold'"),
        ("TopKCategoricalAccuracy", json!({"k": 0}), "'k'"),
        ("Precision", json!({"thresholds": [0.5, 2.0]}), "'thresholds'"),
        ("Precision", json!({"thresholds": "half"}), "'thresholds'"),
        ("AUC", json!({"num_thresholds": 1}), "'num_thresholds'"),
        ("AUC", json!({"curve": "LIFT"}), "'curve'"),
        ("AUC", json!({"summation_method": "simpson"}), "'summation_method'"),
        ("AUC", json!({"num_labels": 2}), "'num_labels'"),
        ("PrecisionAtRecall", json!({}), "'recall'"),
        ("PrecisionAtRecall", json!({"recall": 1.5}), "'recall'"),
        ("F1Score", json!({"average": "mean"}), "'average'"),
        ("F1Score", json!({"threshold": 0.0}), "'threshold'"),
        ("FBetaScore", json!({"beta": -1.0}), "'beta'"),
        ("R2Score", json!({"class_aggregation": "mean"}), "'class_aggregation'"),
        ("R2Score", json!({"num_regressors": -1}), "'num_regressors'"),
        ("MeanIoU", json!({}), "'num_classes'"),
        ("IoU", json!({"num_classes": 2}), "'target_class_ids'"),
        ("IoU", json!({"num_classes": 2, "target_class_ids": [2]}), "'target_class_ids'"),
        ("CosineSimilarity", json!({"axis": 1}), "'axis'"),
    ];
    for (class, config, place) in cases {
        let text = error(class, config);
        assert!(text.contains(place), "{class}: {text}");
    }
}
