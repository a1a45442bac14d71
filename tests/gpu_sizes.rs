//! The GPU against the CPU where sizes are odd, rows long, ids many, and over fifty steps of every rule, layer, activation and
//! loss.
//!
//! Without an adapter these tests say why they do nothing; with `IRONHORN_REQUIRE_GPU=1` they fail then.
#![cfg(feature = "gpu")]

mod common;

use common::gpu::*;
use common::nets::{data, nets, prepared};
use common::oracle::arrays;
use common::*;
use ironhorn::Array;
use ironhorn::activations::Activation;
use ironhorn::backend::Device;
use ironhorn::backend::cpu::CpuBackend;
use ironhorn::losses::Loss;
use serde_json::{Value, json};
use std::collections::HashSet;

fn sgd(rate: f64) -> Value {
    json!({"class_name": "SGD", "config": {"learning_rate": rate}})
}

fn dense(units: usize, activation: &str) -> (&'static str, Value) {
    ("Dense", json!({"units": units, "activation": activation}))
}

/// Epochs of a chain on both devices; holds weights and logs together. Targets are class ids or numbers in [0, 1].
#[track_caller]
fn same(name: &str, setup: &Setup, x: &Array, batch: usize, epochs: usize, tolerance: f32) {
    let rows = x.rows();
    let run = |device: Device| {
        let model = setup.model(CpuBackend::default());
        set_weights(&model, 5);
        let shape = model.output_shapes().swap_remove(0);
        let count: usize = shape.iter().product();
        let loss = setup.loss.to_string().to_lowercase();
        let y = match loss.contains("sparse") || loss.contains("generalized") {
            true => Array::new((0..rows).map(|i| (i * 7 % count) as i32).collect(), &[rows]).unwrap(),
            false => {
                let values = uniform(rows * count, 9).into_iter().map(|v| (v + 1.0) / 2.0).collect();
                Array::new(values, &[&[rows], &shape[..]].concat()).unwrap()
            }
        };
        let logs = fit_on(&model, samples(x.clone(), y, None), batch, epochs, device);
        (weights(&model).concat(), logs)
    };
    let [cpu, gpu] = [Device::Cpu, GPU].map(run);
    close(name, &gpu.0, &cpu.0, tolerance);
    assert_eq!(gpu.1.len(), cpu.1.len());
    for (gpu, cpu) in gpu.1.iter().zip(&cpu.1) {
        let near = (gpu - cpu).abs() <= f64::from(tolerance) * cpu.abs().max(1.0) || (gpu.is_nan() && cpu.is_nan());
        assert!(near, "{name}: logs {gpu} and {cpu}");
    }
}

/// Primes, single ones, more than a tile; a last batch that is smaller; lines of four numbers and others.
#[test]
fn odd_products() {
    if !gpu() {
        return;
    }
    let sizes: [(usize, [usize; 3], usize, usize); 6] = [
        (1, [1, 1, 1], 3, 1),
        (13, [7, 251, 1], 11, 7),
        (251, [509, 13, 2], 9, 5),
        (4097, [3, 8, 1], 3, 2),
        (5, [4097, 3, 1], 3, 2),
        (128, [64, 132, 4], 70, 67),
    ];
    for (inputs_, [a, b, c], rows, batch) in sizes {
        let layers = vec![dense(a, "tanh"), ("Dropout", json!({"rate": 0.2})), dense(b, "gelu"), dense(c, "linear")];
        let setup = Setup::new(&[inputs_], layers, json!("mse"), sgd(0.02));
        same(&format!("{inputs_}-{a}-{b}-{c}"), &setup, &inputs(rows, &[inputs_], 3), batch, 2, 1e-5);
    }
}

/// Rows that a workgroup shares: losses with their heads, metrics, activations, normalizations.
#[test]
fn long_rows() {
    if !gpu() {
        return;
    }
    let x = inputs(9, &[4], 3);
    let metric = |name: &str| json!({"name": name, "metric": {"class_name": name, "config": {}}, "weighted": false});
    let losses = [
        ("mean_squared_error", json!({}), "linear"),
        ("mean_absolute_error", json!({}), "softplus"),
        ("BinaryCrossentropy", json!({}), "sigmoid"),
        ("CategoricalCrossentropy", json!({"label_smoothing": 0.1}), "softmax"),
        ("CategoricalCrossentropy", json!({}), "softplus"),
        ("SparseCategoricalCrossentropy", json!({"from_logits": true, "ignore_class": 3}), "linear"),
        // Whose columns cannot be shared.
        ("CosineSimilarity", json!({}), "linear"),
    ];
    for (loss, config, last) in losses {
        let form = json!({"class_name": loss, "config": config});
        let mut setup = Setup::new(&[4], vec![dense(7, "tanh"), dense(131, last)], form.clone(), sgd(1e-3));
        let more = if loss.starts_with("Sparse") {
            vec!["SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy"]
        } else {
            vec!["CategoricalAccuracy", "TopKCategoricalAccuracy", "CosineSimilarity", "PearsonCorrelation"]
        };
        setup.metrics = more.iter().map(|name| metric(name)).collect();
        same(&form.to_string(), &setup, &x, 4, 2, 1e-5);
    }
    for activation in ["softmax", "log_softmax", "sparsemax", "glu"] {
        let units = if activation == "glu" { 2 * 97 } else { 97 };
        let layers =
            vec![dense(units, "linear"), ("Activation", json!({"activation": activation})), dense(2, "linear")];
        same(activation, &Setup::new(&[4], layers, json!("mse"), sgd(1e-4)), &x, 4, 2, 1e-5);
    }
    for class in ["LayerNormalization", "RMSNormalization", "UnitNormalization"] {
        let layers = vec![dense(203, "tanh"), (class, json!({})), dense(2, "linear")];
        same(class, &Setup::new(&[4], layers, json!("mse"), sgd(0.05)), &x, 4, 2, 1e-5);
    }
}

/// More ids in a batch than a workgroup sorts, of a small table, whose rows all come up often, and of a large one.
#[test]
fn many_ids() {
    if !gpu() {
        return;
    }
    for (table, optimizer) in [(7, "adagrad"), (7, "adam"), (3001, "sgd")] {
        let ids = uniform(60 * 50, 3).into_iter().map(|x| ((x + 1.0) / 2.0 * table as f32).floor()).collect();
        let x = Array::new(ids, &[60, 50]).unwrap();
        let embedding = ("Embedding", json!({"input_dim": table, "output_dim": 5}));
        let layers = vec![embedding, ("Flatten", json!({})), dense(2, "tanh")];
        let setup = Setup::new(&[50], layers, json!("mse"), json!(optimizer));
        same(&format!("{table} rows, {optimizer}"), &setup, &x, 47, 2, 1e-5);
    }
}

/// Fifty steps. A rule that divides by roots has an ε of 10⁻³, for where they are tiny rounding would decide; Lion steps by
/// the sign of what may be near 0, so that one weight may differ by two of its steps.
#[test]
fn fifty_steps_of_every_rule() {
    if !gpu() {
        return;
    }
    for class in ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl", "Lion", "Lamb"] {
        let mut config = json!({"learning_rate": 1e-3});
        if ["Adam", "AdamW", "RMSprop", "Adamax", "Nadam", "Lamb", "Adadelta"].contains(&class) {
            config["epsilon"] = json!(1e-3);
        }
        let layers = vec![dense(19, "tanh"), ("BatchNormalization", json!({})), dense(3, "linear")];
        let optimizer = json!({"class_name": class, "config": config});
        let setup = Setup::new(&[7], layers, json!("mse"), optimizer);
        let tolerance = if class == "Lion" { 2e-3 } else { 5e-5 };
        same(class, &setup, &inputs(33, &[7], 3), 7, 10, tolerance);
    }
}

#[test]
fn fifty_steps_of_every_activation_and_loss() {
    if !gpu() {
        return;
    }
    let x = inputs(33, &[5], 3);
    let names = Activation::names().into_iter().filter(|name| !["threshold", "exponential"].contains(name));
    for activation in names {
        let layers = vec![dense(12, activation), ("Dropout", json!({"rate": 0.25})), dense(2, "linear")];
        same(activation, &Setup::new(&[5], layers, json!("mse"), sgd(0.02)), &x, 7, 10, 2e-5);
    }
    for loss in Loss::names() {
        let name = loss.to_lowercase();
        let last = activation_for(&name);
        let axis = if ["dice", "tversky"].contains(&loss) { json!({"axis": -1}) } else { json!({}) };
        let form = json!({"class_name": loss, "config": axis});
        let rate = if name.contains("percentage") { 1e-4 } else { 0.05 };
        let setup = Setup::new(&[5], vec![dense(6, "tanh"), dense(3, last)], form, sgd(rate));
        same(loss, &setup, &x, 7, 10, 2e-5);
    }
}

/// One net of each kind of layer.
#[test]
fn fifty_steps_of_every_layer() {
    if !gpu() {
        return;
    }
    let mut seen = HashSet::new();
    for (name, net) in nets() {
        let kind = name.split([' ', ',', ';', ':']).next().unwrap_or_default().to_string();
        if !seen.insert(kind) {
            continue;
        }
        let run = |device: Device| {
            let model = prepared(&net, CpuBackend::default(), &sgd(0.02));
            let x = data(&net, 11);
            let logs = train_on(&model, arrays(&x), 4, 17, device);
            let mut all = vec![("losses".to_string(), logs.iter().map(|l| *l as f32).collect::<Vec<f32>>())];
            all.extend(model.variables().iter().map(|v| (v.path().to_string(), v.values().unwrap())));
            all
        };
        compare_all(&name, &run(GPU), &run(Device::Cpu), 5e-5);
    }
}
