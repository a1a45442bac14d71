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
    ];
    let options = [
        json!({}),
        json!({"clipvalue": 0.001}),
        json!({"weight_decay": 0.01}),
        json!({"clipvalue": 0.01, "weight_decay": 0.1}),
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

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let _one = THREADS.lock().unwrap_or_else(|e| e.into_inner());
    let options = [json!({}), json!({"clipnorm": 0.01}), json!({"global_clipnorm": 0.01})];
    for option in options {
        let setup = classifier(json!({"class_name": "Adam", "config": option}));
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
