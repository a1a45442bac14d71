//! The GPU against the CPU: every kernel on odd sizes, trajectories, masks, devices changed in the middle.
//!
//! Without an adapter these tests say why they do nothing; with `IRONHORN_REQUIRE_GPU=1` they fail then.
#![cfg(feature = "gpu")]

mod common;

use common::gpu::{FOREVER, GPU, close, gpu};
use common::*;
use ironhorn::activations::Activation;
use ironhorn::backend::cpu::CpuBackend;
use ironhorn::backend::gpu::GpuBackend;
use ironhorn::backend::{Backend, Device};
use ironhorn::infer::{Evaluation, Prediction};
use ironhorn::model::Model;
use ironhorn::train::{Fit, Schedule};
use ironhorn::{Array, Error};
use serde_json::{Value, json};
use std::sync::Arc;

/// The only output.
fn predict(model: &Arc<Model>, x: Vec<Array>, device: Device) -> Vec<f32> {
    common::gpu::predict(model, x, device).swap_remove(0)
}

fn model(setup: &Setup) -> Arc<Model> {
    let model = setup.model(CpuBackend::default());
    set_weights(&model, 5);
    model
}

/// Class ids, or numbers like the output, for a setup's loss.
fn targets(setup: &Setup, model: &Model, rows: usize) -> Array {
    let shape = &model.output_shapes()[0];
    let columns = *shape.last().unwrap();
    if setup.loss.to_string().contains("parse") {
        let shape = [&[rows], &shape[..shape.len() - 1]].concat();
        let count = shape.iter().product::<usize>();
        return Array::new((0..count).map(|i| (i * 7 % columns) as i32).collect(), &shape).unwrap();
    }
    let shape = [&[rows], &shape[..]].concat();
    let values = uniform(shape.iter().product(), 9);
    // Probabilities for crossentropies, any numbers for errors.
    let crossentropy = setup.loss.to_string().contains("rossentropy");
    let values = values.into_iter().map(|v| if crossentropy { f32::from(v > 0.3) } else { v }).collect();
    Array::new(values, &shape).unwrap()
}

struct Outcome {
    weights: Vec<f32>,
    logs: Vec<f64>,
}

/// Trains from the same weights; `device(step)` says where each step runs.
fn train(
    setup: &Setup,
    rows: usize,
    batch: usize,
    steps: usize,
    weighted: bool,
    device: impl Fn(usize) -> Device,
) -> Outcome {
    let model = model(setup);
    let x = inputs(rows, &setup.input_shape, 3);
    let y = targets(setup, &model, rows);
    let weight = weighted.then(|| Array::new((0..rows).map(|i| (i % 4) as f32 * 0.5).collect(), &[rows]).unwrap());
    let mut logs = Vec::new();
    let mut done = 0;
    while done < steps {
        let on = device(done);
        let last = (done..steps).take_while(|&s| device(s) == on).count();
        let schedule = Schedule { batch, steps: Some(last), shuffle: true };
        let mut fit = Fit::new(&model, samples(x.clone(), y.clone(), weight.clone()), schedule, Some(on)).unwrap();
        fit.begin_epoch();
        while fit.step() < fit.steps() {
            fit.run(None, FOREVER).unwrap();
        }
        done += fit.steps();
        logs.extend(fit.logs().into_iter().map(|(_, value)| value));
    }
    Outcome { weights: weights(&model).concat(), logs }
}

/// Trains on both, compares weights and logs.
#[track_caller]
fn compare(name: &str, setup: &Setup, rows: usize, batch: usize, steps: usize, weighted: bool, tolerance: f32) {
    let cpu = train(setup, rows, batch, steps, weighted, |_| Device::Cpu);
    let gpu = train(setup, rows, batch, steps, weighted, |_| GPU);
    close(name, &gpu.weights, &cpu.weights, tolerance);
    assert_eq!(gpu.logs.len(), cpu.logs.len());
    for (gpu, cpu) in gpu.logs.iter().zip(&cpu.logs) {
        assert!((gpu - cpu).abs() <= 1e-5 * cpu.abs().max(1.0), "{name}: logs {gpu} and {cpu}");
    }
}

fn sgd(rate: f64) -> Value {
    json!({"class_name": "SGD", "config": {"learning_rate": rate}})
}

fn dense(units: usize, activation: Value) -> (&'static str, Value) {
    ("Dense", json!({"units": units, "activation": activation}))
}

fn activations() -> Vec<Value> {
    let mut all: Vec<Value> = Activation::names()
        .into_iter()
        .filter(|name| *name != "threshold")
        .map(|name| json!({"class_name": name, "config": {}}))
        .collect();
    all.extend([
        json!({"class_name": "threshold", "config": {"threshold": 0.2, "default_value": -1.0}}),
        json!({"class_name": "gelu", "config": {"approximate": true}}),
        json!({"class_name": "elu", "config": {"alpha": -0.5}}),
        json!({"class_name": "leaky_relu", "config": {"negative_slope": -0.5}}),
        json!({"class_name": "relu", "config": {"negative_slope": 0.1, "max_value": 0.8, "threshold": 0.1}}),
    ]);
    all
}

#[test]
fn every_activation_forward_and_backward() {
    if !gpu() {
        return;
    }
    for activation in activations() {
        // Once in a product's store, once alone after a dropout.
        let layers = vec![
            dense(12, activation.clone()),
            ("Dropout", json!({"rate": 0.25})),
            // e^e^x is too large to train.
            (
                "Activation",
                json!({"activation": if activation["class_name"] == "exponential" { json!("tanh") } else { activation.clone() }}),
            ),
            dense(2, json!(null)),
        ];
        let setup = Setup::new(&[5], layers, json!("mse"), sgd(0.02));
        compare(&activation.to_string(), &setup, 11, 4, 3, false, 5e-6);
    }
}

#[test]
fn predictions_of_every_activation_on_extremes() {
    if !gpu() {
        return;
    }
    let mut extremes = vec![-1e30f32, -100.0, -88.0, -20.0, -3.0, -1.0, -1e-3, -1e-20, 0.0, 1e-20, 1e-3, 0.5, 1.0, 3.0];
    extremes.extend([6.0, 20.0, 88.0, 100.0]);
    let rows = extremes.len() / 2;
    for activation in activations() {
        let setup = Setup::new(&[2], vec![("Activation", json!({"activation": activation}))], json!("mse"), sgd(0.1));
        let model = setup.model(CpuBackend::default());
        let x = || vec![Array::new(extremes.clone(), &[rows, 2]).unwrap()];
        let (cpu, gpu) = (predict(&model, x(), Device::Cpu), predict(&model, x(), GPU));
        for (i, (a, b)) in gpu.iter().zip(&cpu).enumerate() {
            // gelu's 1 + tanh u, or 1 + erf u, cancels.
            let slack = if activation["class_name"] == "gelu" { 3e-7 } else { 1e-9 };
            let same = a == b || (a - b).abs() <= 3e-6 * b.abs() + slack;
            assert!(same, "{activation}: {a} on the GPU, {b} on the CPU, output {i}");
        }
    }
}

#[test]
fn products_of_odd_sizes() {
    if !gpu() {
        return;
    }
    for (inputs, units, rows, batch) in
        [(1, 1, 1, 1), (7, 13, 37, 16), (33, 31, 65, 64), (97, 101, 41, 41), (3, 1, 130, 129)]
    {
        let layers = vec![dense(units, json!("tanh")), dense(3, json!(null))];
        let setup = Setup::new(&[inputs], layers, json!("mse"), sgd(0.05));
        compare(&format!("{inputs} × {units}, batches of {batch}"), &setup, rows, batch, 3, false, 1e-5);
    }
    // Rows inside of samples, a reshaped tensor, an input that no product reads, a layer without a bias.
    let layers = vec![
        ("Activation", json!({"activation": "tanh"})),
        ("Dense", json!({"units": 4, "activation": "relu", "use_bias": false})),
        ("Flatten", json!({})),
        ("Dropout", json!({"rate": 0.5})),
        dense(5, json!("softmax")),
    ];
    let setup = Setup::new(&[3, 2], layers, json!("categorical_crossentropy"), sgd(0.05));
    compare("shapes", &setup, 29, 8, 4, true, 1e-5);
    let setup =
        Setup::new(&[3, 2], vec![dense(4, json!("softmax"))], json!("sparse_categorical_crossentropy"), sgd(0.1));
    compare("targets with rows", &setup, 23, 10, 3, true, 1e-5);
}

#[test]
fn every_loss_head_and_metric() {
    if !gpu() {
        return;
    }
    let losses = [
        ("mean_squared_error", json!({})),
        ("mean_absolute_error", json!({"reduction": "sum"})),
        ("BinaryCrossentropy", json!({"label_smoothing": 0.1})),
        ("BinaryCrossentropy", json!({"from_logits": true})),
        ("CategoricalCrossentropy", json!({"label_smoothing": 0.1})),
        ("CategoricalCrossentropy", json!({"from_logits": true, "reduction": "mean_with_sample_weight"})),
        ("SparseCategoricalCrossentropy", json!({})),
        ("SparseCategoricalCrossentropy", json!({"ignore_class": 2})),
        ("SparseCategoricalCrossentropy", json!({"from_logits": true, "ignore_class": 1})),
    ];
    for (loss, config) in losses {
        for last in ["softmax", "sigmoid", "linear"] {
            let logits = config.get("from_logits").is_some();
            if (last == "linear") != (logits || loss.starts_with("mean")) {
                continue;
            }
            let form = json!({"class_name": loss, "config": config});
            let mut setup = Setup::new(&[4], vec![dense(5, json!("tanh")), dense(3, json!(last))], form, sgd(0.1));
            let sparse = loss.starts_with("Sparse");
            setup.metrics = if sparse {
                json!(["sparse_categorical_accuracy", "sparse_categorical_crossentropy"])
            } else {
                json!(["categorical_accuracy", "binary_accuracy", "mse", "mae"])
            };
            compare(&format!("{loss} after {last}, {config}"), &setup, 70, 66, 3, true, 1e-5);
        }
    }
}

#[test]
fn every_rule_and_option() {
    if !gpu() {
        return;
    }
    let rules = [
        ("SGD", json!({"learning_rate": 0.05, "weight_decay": 0.1})),
        ("SGD", json!({"learning_rate": 0.05, "momentum": 0.9, "clipvalue": 0.01})),
        ("SGD", json!({"learning_rate": 0.05, "momentum": 0.9, "nesterov": true})),
        ("SGD", json!({"learning_rate": 0.05, "clipnorm": 0.02})),
        ("SGD", json!({"learning_rate": 0.05, "momentum": 0.9, "global_clipnorm": 0.05})),
        ("Adam", json!({"learning_rate": 0.01, "epsilon": 1e-3})),
        ("Adam", json!({"learning_rate": 0.01, "epsilon": 1e-3, "amsgrad": true, "weight_decay": 0.01})),
    ];
    for (class, config) in rules {
        let optimizer = json!({"class_name": class, "config": config});
        let setup = Setup::new(&[7], vec![dense(9, json!("tanh")), dense(2, json!(null))], json!("mse"), optimizer);
        compare(&format!("{class} {config}"), &setup, 40, 12, 6, false, 2e-5);
    }
}

fn network(optimizer: Value) -> Setup {
    let layers = vec![
        dense(40, json!("relu")),
        ("Dropout", json!({"rate": 0.3})),
        dense(20, json!("gelu")),
        ("Dropout", json!({"rate": 0.1})),
        dense(10, json!("softmax")),
    ];
    let mut setup = Setup::new(&[17], layers, json!("sparse_categorical_crossentropy"), optimizer);
    setup.metrics = json!(["accuracy"]);
    setup
}

/// Fifty steps with dropout. Rounding alone differs; Adam's division by small roots makes more of it than SGD does, and
/// 2·10⁻⁴ is a fifth of one of its steps.
#[test]
fn trajectories() {
    if !gpu() {
        return;
    }
    let adam = json!({"class_name": "Adam", "config": {"learning_rate": 1e-3}});
    for (optimizer, tolerance) in [(sgd(0.1), 2e-5), (adam, 2e-4)] {
        let setup = network(optimizer);
        compare("fifty steps", &setup, 203, 32, 50, false, tolerance);
    }
}

#[test]
fn devices_change_in_the_middle_of_training() {
    if !gpu() {
        return;
    }
    let adam = json!({"class_name": "Adam", "config": {"learning_rate": 1e-3, "amsgrad": true}});
    let setup = network(adam);
    // The same pieces for both, since each is an epoch with an order of its own; three steps on each.
    let pieces = |on: [Device; 5]| {
        let model = model(&setup);
        let x = inputs(103, &setup.input_shape, 3);
        let y = targets(&setup, &model, 103);
        for device in on {
            let schedule = Schedule { batch: 32, steps: Some(3), shuffle: true };
            let mut fit = Fit::new(&model, samples(x.clone(), y.clone(), None), schedule, Some(device)).unwrap();
            fit.begin_epoch();
            while fit.step() < fit.steps() {
                fit.run(Some(2), FOREVER).unwrap();
            }
        }
        weights(&model).concat()
    };
    let cpu = pieces([Device::Cpu; 5]);
    let both = pieces([Device::Cpu, GPU, GPU, Device::Cpu, GPU]);
    close("CPU and GPU in turn", &both, &cpu, 2e-4);
}

/// A layer of dropout and nothing else passes on its masks.
#[test]
fn masks_are_the_same() {
    if !gpu() {
        return;
    }
    // y = w·mask(x) with loss Σ (y − 0)², x = 1: after a step of SGD, w shows its column's masks.
    let layers = vec![("Dropout", json!({"rate": 0.4})), ("Dense", json!({"units": 1, "use_bias": false}))];
    let setup = Setup::new(&[37], layers, json!("mse"), sgd(1.0));
    let step = |device: Device| {
        let model = setup.model(CpuBackend::default());
        let w = &model.graph().nodes[1].0.variables()[0];
        w.assign(&[37, 1], &[0.0; 37]).unwrap();
        let x = Array::new(vec![1.0f32; 5 * 37], &[5, 37]).unwrap();
        // Each sample has a weight of its own in the sum: the bits of 2⁰, 2¹, … tell the masks apart.
        let y = Array::new((0..5).map(|i| (1 << i) as f32).collect(), &[5, 1]).unwrap();
        let schedule = Schedule { batch: 5, steps: None, shuffle: false };
        let mut fit = Fit::new(&model, samples(x, y, None), schedule, Some(device)).unwrap();
        fit.begin_epoch();
        fit.run(None, FOREVER).unwrap();
        weights(&model).concat()
    };
    let (cpu, gpu) = (step(Device::Cpu), step(GPU));
    assert!(cpu.iter().any(|w| *w != cpu[0]));
    close("masks", &gpu, &cpu, 1e-6);
}

#[test]
fn evaluation_and_pieces() {
    if !gpu() {
        return;
    }
    let setup = network(sgd(0.1));
    let model = model(&setup);
    let (x, y) = (inputs(111, &setup.input_shape, 3), targets(&setup, &model, 111));
    let logs = |device, max_steps| {
        let schedule = Schedule { batch: 10, steps: None, shuffle: false };
        let mut run = Evaluation::new(&model, samples(x.clone(), y.clone(), None), schedule, Some(device)).unwrap();
        run.begin().unwrap();
        while run.step() < run.steps() {
            run.run(max_steps, FOREVER).unwrap();
        }
        run.logs()
    };
    let (cpu, gpu, cut) = (logs(Device::Cpu, None), logs(GPU, None), logs(GPU, Some(1)));
    assert_eq!(gpu, cut);
    for ((name, cpu), (_, gpu)) in cpu.iter().zip(&gpu) {
        assert!((cpu - gpu).abs() < 1e-5, "{name}: {cpu} and {gpu}");
    }
    let x = || vec![inputs(700, &setup.input_shape, 4)];
    close("predictions", &predict(&model, x(), GPU), &predict(&model, x(), Device::Cpu), 1e-5);
}

#[test]
fn the_same_bits_each_time_and_in_any_pieces() {
    if !gpu() {
        return;
    }
    let setup = network(json!("adam"));
    let bits = |max_steps: Option<usize>| {
        let model = model(&setup);
        let (x, y) = (inputs(203, &setup.input_shape, 3), targets(&setup, &model, 203));
        let schedule = Schedule { batch: 32, steps: None, shuffle: true };
        let mut fit = Fit::new(&model, samples(x, y, None), schedule, Some(GPU)).unwrap();
        for _ in 0..2 {
            fit.begin_epoch();
            while fit.step() < fit.steps() {
                fit.run(max_steps, FOREVER).unwrap();
            }
        }
        weights(&model).concat().iter().map(|w| w.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(bits(None), bits(None));
    assert_eq!(bits(None), bits(Some(1)));
}

/// What is assigned during training on the GPU is what training goes on from.
#[test]
fn weights_can_be_assigned_between_steps() {
    if !gpu() {
        return;
    }
    let setup = Setup::new(&[3], vec![dense(2, json!(null))], json!("mse"), sgd(0.0));
    let model = model(&setup);
    let (x, y) = (inputs(8, &[3], 3), targets(&setup, &model, 8));
    let schedule = Schedule { batch: 2, steps: None, shuffle: false };
    let mut fit = Fit::new(&model, samples(x, y, None), schedule, Some(GPU)).unwrap();
    fit.begin_epoch();
    fit.run(Some(1), FOREVER).unwrap();
    let kernel = &model.graph().nodes[0].0.variables()[0];
    kernel.assign(&[3, 2], &[7.0; 6]).unwrap();
    fit.run(Some(1), FOREVER).unwrap();
    assert_eq!(kernel.values().unwrap(), [7.0; 6]);
}

/// The rows and columns that a limit forbids are refused by name, and the CPU goes on.
#[test]
fn errors_say_what_to_do() {
    if !gpu() {
        return;
    }
    let beyond = Device::Gpu(99).backend().err().unwrap();
    assert!(matches!(&beyond, Error::Device(text) if text.contains("gpu:99") && text.contains("\"cpu\"")), "{beyond}");

    let backend = GpuBackend::open(0).unwrap();
    assert!(!backend.name().is_empty());
    let setup = Setup::new(&[4], vec![dense(3, json!("relu"))], json!("mse"), sgd(0.1));
    let model = model(&setup);
    let before = weights(&model);
    let purpose = ironhorn::backend::Purpose::Predict;
    let plan = Arc::new(model.graph().lower(1).unwrap());
    let huge = backend.compile(&plan, &purpose, usize::MAX / 64).err().unwrap();
    assert!(matches!(&huge, Error::Device(text) if text.contains("smaller batches")), "{huge}");
    // The same number over and over, without the memory for it.
    let number = Arc::new(1.0f32);
    let at: *const f32 = &*number;
    let shape = [1, 1 << 31];
    // SAFETY: with strides of 0 every element is the one that the owner holds.
    let x = unsafe { Array::borrow(at.cast(), ironhorn::data::DType::Float32, &shape, &[0, 0], number) };
    let relu = vec![("Activation", json!({"activation": "relu"}))];
    let wide = Setup::new(&[1 << 31], relu, json!("mse"), sgd(0.1)).model(CpuBackend::default());
    let huge = Prediction::new(&wide, vec![x], Some(GPU)).err().unwrap();
    let expected = "not even a batch of one sample fits";
    assert!(matches!(&huge, Error::Device(text) if text.contains("max_") && text.ends_with(expected)), "{huge}");
    assert_eq!(weights(&model), before);
    assert_eq!(predict(&model, vec![inputs(3, &[4], 1)], GPU).len(), 9);
}
