//! What must not change a bit: the update path, the number of threads, the size of the pieces a run is cut into.

mod common;

use common::*;
use ironhorn::Array;
use ironhorn::backend::cpu::{CpuBackend, set_num_threads};
use ironhorn::train::{Fit, Schedule};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;

/// The number of threads is the process's.
static THREADS: Mutex<()> = Mutex::new(());

fn classifier(optimizer: Value) -> Setup {
    let layers = vec![
        ("Dense", json!({"units": 150, "activation": "relu"})),
        ("Dropout", json!({"rate": 0.3})),
        ("Dense", json!({"units": 70, "activation": "gelu"})),
        ("Dropout", json!({"rate": 0.1})),
        ("Dense", json!({"units": 10, "activation": "softmax"})),
    ];
    let mut setup = Setup::new(&[97], layers, json!("sparse_categorical_crossentropy"), optimizer);
    setup.metrics = json!(["accuracy"]);
    setup
}

/// Trains two epochs; `threads(epoch)` says with how many threads. Gives weights and logs, as bits.
fn train(
    setup: &Setup,
    backend: CpuBackend,
    threads: impl Fn(usize) -> usize,
    max_steps: Option<usize>,
) -> (Vec<Vec<u32>>, Vec<u64>) {
    let rows = 203;
    let model = setup.model(backend);
    let x = inputs(rows, &setup.input_shape, 3);
    let y = Array::new((0..rows).map(|i| (i * 7 % 10) as i32).collect(), &[rows]).unwrap();
    let mut fit =
        Fit::new(&model, samples(x, y, None), Schedule { batch: 48, steps: None, shuffle: true }, None).unwrap();
    let mut logs = Vec::new();
    for epoch in 0..2 {
        set_num_threads(Some(threads(epoch)));
        fit.begin_epoch();
        while fit.step() < fit.steps() {
            fit.run(max_steps, Duration::from_secs(60)).unwrap();
        }
        logs.extend(fit.logs().into_iter().map(|(_, value)| value.to_bits()));
    }
    set_num_threads(None);
    let bits = weights(&model).iter().map(|v| v.iter().map(|w| w.to_bits()).collect()).collect();
    (bits, logs)
}

fn optimizers() -> Vec<Value> {
    let mut all = Vec::new();
    let rules = [
        ("SGD", json!({"learning_rate": 0.05})),
        ("SGD", json!({"learning_rate": 0.05, "momentum": 0.9})),
        ("SGD", json!({"learning_rate": 0.05, "momentum": 0.9, "nesterov": true})),
        ("Adam", json!({})),
        ("Adam", json!({"amsgrad": true, "beta_1": 0.8})),
        ("RMSprop", json!({"momentum": 0.5, "centered": true})),
        ("Adagrad", json!({})),
        ("Adadelta", json!({})),
        ("Adamax", json!({})),
        ("Nadam", json!({})),
        ("Ftrl", json!({"l1_regularization_strength": 0.01})),
        ("Lion", json!({})),
    ];
    let options = [
        json!({}),
        json!({"clipvalue": 0.01, "weight_decay": 0.1}),
        json!({"use_ema": true, "ema_momentum": 0.9, "ema_overwrite_frequency": 3}),
    ];
    for (class, config) in rules {
        for option in &options {
            let mut config = config.clone();
            for (key, value) in option.as_object().unwrap() {
                config[key] = value.clone();
            }
            all.push(json!({"class_name": class, "config": config}));
        }
    }
    all
}

#[test]
fn fused_is_general() {
    let _one = THREADS.lock().unwrap_or_else(|e| e.into_inner());
    for optimizer in optimizers() {
        let setup = classifier(optimizer.clone());
        for backend in backends() {
            let general = CpuBackend { force_general: true, ..backend };
            assert_eq!(
                train(&setup, backend, |_| 2, None),
                train(&setup, general, |_| 2, None),
                "{optimizer} on {}",
                backend.level
            );
        }
    }
}

/// A net with every kind of penalty and rule on its variables.
fn ruled(optimizer: Value) -> Setup {
    let mut setup = classifier(optimizer);
    let l2 = json!({"class_name": "L1L2", "config": {"l1": 0.001, "l2": 0.01}});
    let orthogonal = json!({"class_name": "OrthogonalRegularizer", "config": {"factor": 0.01}});
    let max_norm = |axis: Value| json!({"class_name": "MaxNorm", "config": {"max_value": 0.7, "axis": axis}});
    setup.layers[0].1["kernel_regularizer"] = l2.clone();
    setup.layers[0].1["bias_regularizer"] = l2.clone();
    setup.layers[0].1["kernel_constraint"] = max_norm(json!(0));
    setup.layers[0].1["activity_regularizer"] = l2;
    setup.layers[2].1["kernel_regularizer"] = orthogonal;
    setup.layers[2].1["kernel_constraint"] = max_norm(json!([0, 1]));
    setup.layers[2].1["bias_constraint"] = json!({"class_name": "NonNeg", "config": {}});
    setup
}

#[test]
fn penalties_and_constraints_on_both_paths() {
    let _one = THREADS.lock().unwrap_or_else(|e| e.into_inner());
    let setup = ruled(json!("adam"));
    for backend in backends() {
        let general = CpuBackend { force_general: true, ..backend };
        let one = train(&setup, backend, |_| 1, None);
        assert_eq!(one, train(&setup, general, |_| 1, None), "general on {}", backend.level);
        for threads in [2, 3] {
            assert_eq!(one, train(&setup, backend, |_| threads, None), "{threads} threads");
            assert_eq!(one, train(&setup, general, |_| threads, None), "{threads} threads, general");
        }
    }
    let model = setup.model(every_thread());
    let x = inputs(64, &setup.input_shape, 3);
    model.fit(x, Array::new((0..64).map(|i| i % 10).collect::<Vec<i32>>(), &[64]).unwrap(), 16, 3).unwrap();
    let weights = weights(&model);
    let norm = |column: usize| weights[0].iter().skip(column).step_by(150).map(|w| w * w).sum::<f32>().sqrt();
    assert!((0..150).all(|column| norm(column) < 0.7001));
    assert!((weights[2].iter().map(|w| w * w).sum::<f32>().sqrt() - 0.7).abs() < 1e-4);
    assert!(weights[3].iter().all(|&w| w >= 0.0));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let _one = THREADS.lock().unwrap_or_else(|e| e.into_inner());
    let options = [
        ("Adam", json!({})),
        ("Adam", json!({"clipnorm": 0.01})),
        ("Adam", json!({"global_clipnorm": 0.01})),
        ("Adam", json!({"gradient_accumulation_steps": 3, "use_ema": true})),
        ("Lamb", json!({"global_clipnorm": 0.01, "weight_decay": 0.01})),
    ];
    for (class, option) in options {
        let setup = classifier(json!({"class_name": class, "config": option}));
        for backend in backends() {
            let one = train(&setup, backend, |_| 1, None);
            for threads in [2, 3, 5] {
                assert_eq!(train(&setup, backend, |_| threads, None), one, "{threads} threads, {option}");
            }
            assert_eq!(train(&setup, backend, |epoch| 1 + epoch * 2, None), one, "a change of threads, {option}");
            assert_eq!(train(&setup, backend, |_| 2, Some(1)), one, "one step at a time, {option}");
        }
    }
}

#[test]
fn clipping_a_norm_scales_the_gradient() {
    let _one = THREADS.lock().unwrap_or_else(|e| e.into_inner());
    // Plain SGD at rate 1: the step of a variable is its clipped gradient, whose norm is at most the limit.
    for (option, of_all) in [("clipnorm", false), ("global_clipnorm", true)] {
        let mut setup = classifier(json!({"class_name": "SGD", "config": {"learning_rate": 1.0, option: 0.001}}));
        setup.layers.retain(|(class, _)| *class != "Dropout");
        let model = setup.model(every_thread());
        let before = weights(&model);
        let x = inputs(48, &setup.input_shape, 3);
        let y = Array::new((0..48).map(|i| i % 10).collect::<Vec<i32>>(), &[48]).unwrap();
        model.fit(x, y, 48, 1).unwrap();
        let squares: Vec<f64> = before
            .iter()
            .zip(weights(&model))
            .map(|(b, a)| b.iter().zip(a).map(|(b, a)| f64::from(b - a).powi(2)).sum())
            .collect();
        if of_all {
            let norm = squares.iter().sum::<f64>().sqrt();
            assert!((norm - 0.001).abs() < 1e-6, "{norm}");
        } else {
            squares.iter().for_each(|s| assert!((s.sqrt() - 0.001).abs() < 2e-6, "{squares:?}"));
        }
    }
}
