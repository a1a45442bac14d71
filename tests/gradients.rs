//! The engine's gradients against finite differences of the oracle: every activation, loss, reduction and layer, on
//! every SIMD level.
//!
//! A step of plain SGD at rate 1 is minus the gradient. The engine computes in single precision; central differences of
//! the double-precision oracle at 1e-6 are good to about 1e-9, so the tolerance, 2e-5 of the largest gradient of a
//! variable, is the engine's rounding.

mod common;

use common::*;
use ironhorn::activations::Activation;
use ironhorn::train::{Fit, Schedule};
use ironhorn::{Array, Error};
use serde_json::{Value, json};
use std::time::Duration;

const ROWS: usize = 11;
const STEP: f64 = 1e-6;

/// Variable by variable.
type Weights = Vec<Vec<f32>>;

/// Weights before and after a step, and the logged loss.
fn one_step(
    setup: &Setup,
    backend: ironhorn::backend::cpu::CpuBackend,
    y: Array,
    w: Option<Array>,
) -> Result<(Weights, Weights, f64), Error> {
    let model = setup.model(backend);
    set_weights(&model, 5);
    let before = weights(&model);
    let x = inputs(ROWS, &setup.input_shape, 3);
    let mut fit = Fit::new(&model, samples(x, y, w), Schedule { batch: ROWS, steps: None, shuffle: false }, None)?;
    fit.begin_epoch();
    fit.run(None, Duration::from_secs(60))?;
    Ok((before, weights(&model), fit.logs()[0].1))
}

fn check(name: &str, mut setup: Setup, y: Array, targets: &Targets, weighted: bool) {
    setup.optimizer = json!({"class_name": "SGD", "config": {"learning_rate": 1.0}});
    let sample_weight: Vec<f32> = (0..ROWS).map(|i| if weighted { 0.25 + i as f32 * 0.125 } else { 1.0 }).collect();
    let array = weighted.then(|| Array::new(sample_weight.clone(), &[ROWS]).unwrap());
    let sample_weight: Vec<f64> = sample_weight.into_iter().map(f64::from).collect();
    let flat = uniform(ROWS * setup.input_shape.iter().product::<usize>(), 3);
    let x: Vec<Vec<f64>> = flat.chunks(flat.len() / ROWS).map(|s| s.iter().map(|&v| f64::from(v)).collect()).collect();
    for backend in backends() {
        let (before, after, logged) = one_step(&setup, backend, y.clone(), array.clone()).unwrap();
        let mut at: Vec<Vec<f64>> = before.iter().map(|v| v.iter().map(|&w| f64::from(w)).collect()).collect();
        let exact = loss(&setup, &at, &x, targets, &sample_weight);
        let what = format!("{name} on {}", backend.level);
        assert!((logged - exact).abs() < 1e-5 * (1.0 + exact.abs()), "{what}: loss {logged}, not {exact}");
        for v in 0..before.len() {
            let gradient: Vec<f64> = (0..before[v].len())
                .map(|i| {
                    let w = at[v][i];
                    at[v][i] = w + STEP;
                    let up = loss(&setup, &at, &x, targets, &sample_weight);
                    at[v][i] = w - STEP;
                    let down = loss(&setup, &at, &x, targets, &sample_weight);
                    at[v][i] = w;
                    (up - down) / (2.0 * STEP)
                })
                .collect();
            let largest = gradient.iter().fold(1e-3_f64, |m, g| m.max(g.abs()));
            for (i, g) in gradient.iter().enumerate() {
                let engine = f64::from(before[v][i]) - f64::from(after[v][i]);
                // The difference of two weights carries their rounding.
                let rounding = 1.2e-7 * f64::from(before[v][i].abs().max(after[v][i].abs()));
                assert!((engine - g).abs() < 2e-5 * largest + rounding, "{what}: variable {v}[{i}] {engine}, not {g}");
            }
        }
    }
}

fn dense_targets(count: usize, low: f64, high: f64) -> (Vec<f32>, Targets) {
    let values: Vec<f32> =
        uniform(count, 9).iter().map(|&u| (low + (high - low) * f64::from(u + 1.0) / 2.0) as f32).collect();
    let exact = values.iter().map(|&v| f64::from(v)).collect();
    (values, Targets::Dense(exact))
}

fn named(activation: &str) -> Value {
    match activation {
        "threshold" => json!({"class_name": "threshold", "config": {"threshold": 0.1, "default_value": -0.3}}),
        other => json!(other),
    }
}

#[test]
fn every_activation() {
    for name in Activation::names() {
        let layers = vec![
            ("Dense", json!({"units": 18, "activation": named(name)})),
            ("Dense", json!({"units": 3, "activation": "linear"})),
        ];
        let setup = Setup::new(&[5], layers, json!("mse"), Value::Null);
        let (y, targets) = dense_targets(ROWS * 3, -1.0, 1.0);
        check(name, setup, Array::new(y, &[ROWS, 3]).unwrap(), &targets, false);
    }
}

#[test]
fn every_loss_and_reduction() {
    let one_hot = |n: usize| {
        let mut values = vec![0.0_f32; ROWS * n];
        (0..ROWS).for_each(|i| values[i * n + i * 3 % n] = 1.0);
        let exact = values.iter().map(|&v| f64::from(v)).collect();
        (values, Targets::Dense(exact))
    };
    let ids = |n: usize| {
        let ids: Vec<i64> = (0..ROWS).map(|i| (i * 3 % n) as i64).collect();
        let exact = ids.iter().map(|&v| v as f64).collect();
        (ids, Targets::Class(exact))
    };
    let losses = [
        ("MeanSquaredError", json!({})),
        ("MeanAbsoluteError", json!({})),
        ("BinaryCrossentropy", json!({"label_smoothing": 0.1})),
        ("BinaryCrossentropy", json!({"from_logits": true})),
        ("CategoricalCrossentropy", json!({"label_smoothing": 0.1})),
        ("CategoricalCrossentropy", json!({"from_logits": true})),
        ("SparseCategoricalCrossentropy", json!({})),
        ("SparseCategoricalCrossentropy", json!({"from_logits": true})),
        ("SparseCategoricalCrossentropy", json!({"ignore_class": 3})),
    ];
    for (class, config) in losses {
        for last in ["linear", "sigmoid", "softmax"] {
            let logits = config.get("from_logits").is_some();
            if (logits && last != "linear") || (!logits && class.contains("Crossentropy") && last == "linear") {
                continue;
            }
            for reduction in ["sum_over_batch_size", "sum", "mean_with_sample_weight"] {
                let ignoring = config.get("ignore_class").is_some();
                if ignoring && reduction == "mean_with_sample_weight" {
                    continue;
                }
                let mut config = config.clone();
                config["reduction"] = json!(reduction);
                let layers = vec![
                    ("Dense", json!({"units": 7, "activation": "tanh"})),
                    ("Dense", json!({"units": 5, "activation": last})),
                ];
                let loss = json!({"class_name": class, "config": config});
                let setup = Setup::new(&[4], layers, loss, Value::Null);
                let name = format!("{class} {config} after {last}");
                if class.starts_with("Sparse") {
                    let (y, targets) = ids(5);
                    check(&name, setup, Array::new(y, &[ROWS]).unwrap(), &targets, !ignoring);
                } else if class.starts_with("Categorical") {
                    let (y, targets) = one_hot(5);
                    check(&name, setup, Array::new(y, &[ROWS, 5]).unwrap(), &targets, true);
                } else {
                    let (y, targets) = dense_targets(ROWS * 5, 0.0, 1.0);
                    check(&name, setup, Array::new(y, &[ROWS, 5]).unwrap(), &targets, true);
                }
            }
        }
    }
}

#[test]
fn layers_on_more_axes() {
    let layers = vec![
        ("Dense", json!({"units": 5, "activation": "gelu"})),
        ("Activation", json!({"activation": "softmax"})),
        ("Flatten", json!({})),
        ("Dense", json!({"units": 4, "activation": "softmax"})),
    ];
    let setup = Setup::new(&[2, 3, 6], layers, json!("mse"), Value::Null);
    let (y, targets) = dense_targets(ROWS * 4, 0.0, 1.0);
    check("Dense on three axes, Flatten", setup, Array::new(y, &[ROWS, 4]).unwrap(), &targets, false);

    let layers =
        vec![("Dense", json!({"units": 19, "activation": "relu"})), ("Dense", json!({"units": 2, "activation": null}))];
    let setup = Setup::new(&[3, 4], layers, json!("mae"), Value::Null);
    let (y, targets) = dense_targets(ROWS * 6, -1.0, 1.0);
    check("an output of two axes", setup, Array::new(y, &[ROWS, 3, 2]).unwrap(), &targets, true);
}

#[test]
fn wide_kernels() {
    // Wide enough that forward and input gradient are divided by panels.
    let layers = vec![
        ("Dense", json!({"units": 150, "activation": "silu"})),
        ("Dense", json!({"units": 70, "activation": "elu"})),
        ("Dense", json!({"units": 1, "activation": null})),
    ];
    let setup = Setup::new(&[3], layers, json!("mse"), Value::Null);
    let (y, targets) = dense_targets(ROWS, -1.0, 1.0);
    check("wide", setup, Array::new(y, &[ROWS]).unwrap(), &targets, false);
}
