//! Losses, metrics, optimizers, penalties, constraints and graphs of several outputs on the GPU against the CPU.
//!
//! Without an adapter these tests say why they do nothing; with `IRONHORN_REQUIRE_GPU=1` they fail then.
#![cfg(feature = "gpu")]

mod common;

use common::gpu::*;
use common::nets::*;
use common::oracle::{Net, arrays};
use common::*;
use ironhorn::Array;
use ironhorn::backend::Device;
use ironhorn::backend::cpu::CpuBackend;
use ironhorn::losses::{Loss, TargetKind};
use ironhorn::metrics::{Metric, MetricSpec};
use ironhorn::model::{Model, Samples};
use ironhorn::optimizers::{OptimizerConfig, OptimizerState};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const ROWS: usize = 70;

fn sgd(rate: f64) -> Value {
    json!({"class_name": "SGD", "config": {"learning_rate": rate}})
}

/// Targets of three columns for a loss or a metric by its name.
fn targets(name: &str) -> Array {
    let name = name.to_lowercase().replace('_', "");
    let classes = ["sparse", "generalized"].iter().any(|part| name.contains(part));
    let categories = ["categorical", "dice", "tversky", "kl", "onehot", "fbeta", "f1"];
    if classes && !name.contains("topk") {
        return Array::new((0..ROWS).map(|i| (i * 7 % 3) as i32).collect(), &[ROWS]).unwrap();
    }
    let values = uniform(ROWS * 3, 9).into_iter().enumerate().map(|(i, v)| {
        if categories.iter().any(|part| name.contains(part)) {
            f32::from(i % 3 == i / 3 * 7 % 3)
        } else if name.contains("hinge") {
            if v > 0.3 { 1.0 } else { -1.0 }
        } else if ["binary", "auc", "positives", "negatives", "precision", "recall", "sensi", "speci", "iou"]
            .iter()
            .any(|part| name.contains(part))
        {
            f32::from(v > 0.3)
        } else {
            v.abs() + 0.1
        }
    });
    Array::new(values.collect(), &[ROWS, 3]).unwrap()
}

fn weights_of_samples() -> Array {
    Array::new((0..ROWS).map(|i| (i % 4) as f32 * 0.5).collect(), &[ROWS]).unwrap()
}

/// Steps on one device: weights and logs.
fn steps(setup: &Setup, y: &Array, batch: usize, device: Device) -> (Vec<f32>, Vec<f64>) {
    let model = setup.model(CpuBackend::default());
    set_weights(&model, 5);
    let x = inputs(ROWS, &setup.input_shape, 3);
    let logs = fit_on(&model, samples(x, y.clone(), Some(weights_of_samples())), batch, 2, device);
    (weights(&model).concat(), logs)
}

#[track_caller]
fn same(name: &str, setup: &Setup, y: &Array, batch: usize) {
    let [cpu, gpu] = [Device::Cpu, GPU].map(|device| steps(setup, y, batch, device));
    close(name, &gpu.0, &cpu.0, 1e-5);
    assert_eq!(gpu.1.len(), cpu.1.len());
    for (gpu, cpu) in gpu.1.iter().zip(&cpu.1) {
        let same = (gpu - cpu).abs() <= 1e-5 * cpu.abs().max(1.0) || (gpu.is_nan() && cpu.is_nan());
        assert!(same, "{name}: logs {gpu} and {cpu}");
    }
}

#[test]
fn every_loss() {
    if !gpu() {
        return;
    }
    let mut losses: Vec<(&str, Value)> = Loss::names().into_iter().map(|name| (name, json!({}))).collect();
    losses.retain(|(name, _)| !["dice", "tversky"].contains(name));
    losses.extend([
        ("Dice", json!({"axis": -1})),
        ("Tversky", json!({"axis": -1, "alpha": 0.3, "beta": 0.6})),
        ("Huber", json!({"delta": 0.2, "reduction": "sum"})),
        ("BinaryFocalCrossentropy", json!({"apply_class_balancing": true, "label_smoothing": 0.1})),
        ("CategoricalFocalCrossentropy", json!({"alpha": [0.2, 0.5, 0.9], "label_smoothing": 0.1})),
        ("CategoricalCrossentropy", json!({"reduction": "mean_with_sample_weight"})),
        ("SparseCategoricalCrossentropy", json!({"ignore_class": 1})),
    ]);
    for (loss, config) in losses {
        let name = loss.to_lowercase();
        let last = activation_for(&name);
        let layers = vec![
            ("Dense", json!({"units": 5, "activation": "tanh"})),
            ("Dense", json!({"units": 3, "activation": last})),
        ];
        let form = json!({"class_name": loss, "config": config});
        let setup = Setup::new(&[4], layers, form.clone(), sgd(if name.contains("percentage") { 1e-3 } else { 0.1 }));
        same(&form.to_string(), &setup, &targets(loss), 66);
    }
}

/// Row means on the device, the others by the host from what the device computed.
#[test]
fn every_metric() {
    if !gpu() {
        return;
    }
    let given = |name: &str| match name {
        "SensitivityAtSpecificity" => json!({"specificity": 0.4}),
        "SpecificityAtSensitivity" => json!({"sensitivity": 0.4}),
        "PrecisionAtRecall" => json!({"recall": 0.4}),
        "RecallAtPrecision" => json!({"precision": 0.4}),
        "AUC" => json!({"num_thresholds": 20}),
        "TopKCategoricalAccuracy" | "SparseTopKCategoricalAccuracy" => json!({"k": 2}),
        "MeanIoU" => json!({"num_classes": 2}),
        "IoU" => json!({"num_classes": 2, "target_class_ids": [1]}),
        "OneHotIoU" => json!({"num_classes": 3, "target_class_ids": [0, 2]}),
        "OneHotMeanIoU" => json!({"num_classes": 3}),
        "Dice" | "Tversky" => json!({"axis": -1}),
        _ => json!({}),
    };
    let names = Metric::names();
    for class in [false, true] {
        let (loss, y) = match class {
            true => ("sparse_categorical_crossentropy", targets("sparse")),
            false => ("categorical_crossentropy", targets("categorical")),
        };
        let kind = |name: &str| {
            let spec = json!({"class_name": name, "config": given(name)});
            MetricSpec::parse(&spec, "test").unwrap().resolve(3, Some(3)).target_kind()
        };
        let wanted = if class { TargetKind::Class } else { TargetKind::Dense };
        let fits: Vec<&&str> = names.iter().filter(|name| kind(name) == wanted).collect();
        assert!(fits.len() > if class { 2 } else { 35 }, "{fits:?}");
        let metrics = fits.iter().flat_map(|name| {
            let metric = json!({"class_name": name, "config": given(name)});
            [false, true].map(|weighted| json!({"name": name, "metric": metric, "weighted": weighted}))
        });
        let layers = vec![("Dense", json!({"units": 3, "activation": "softmax"}))];
        let mut setup = Setup::new(&[4], layers, json!(loss), sgd(0.1));
        setup.metrics = metrics.collect();
        same(loss, &setup, &y, 33);
    }
}

/// What a rule needs whole gradients for, and what it does not: dense layers alone, a normalization and a layer used twice.
fn trained_net() -> Net {
    let nodes = vec![
        ("Dense", json!({"units": 6, "activation": "tanh", "kernel_regularizer": "l2"}), vec![0]),
        ("BatchNormalization", json!({}), vec![1]),
        (
            "Dense",
            json!({"units": 3, "bias_regularizer": {"class_name": "L1L2", "config": {"l1": 0.02, "l2": 0.1}}}),
            vec![2],
        ),
    ];
    Net { inputs: vec![vec![4]], nodes }
}

/// Weights, losses and the slots after seven steps, of which the GPU does all or every second epoch.
fn optimized(net: &Net, config: &Value, excluded: bool, devices: [Device; 2]) -> Vec<(String, Vec<f32>)> {
    let model = prepared(net, CpuBackend::default(), &json!("sgd"));
    let optimizer = Arc::new(Mutex::new(OptimizerState::new(OptimizerConfig::parse(config).unwrap())));
    if excluded {
        let biases = model.variables().iter().filter(|v| v.name() != "kernel").map(|v| v.id());
        optimizer.lock().unwrap().exclude(biases.collect::<Vec<_>>());
    }
    model.compile(optimizer.clone(), &json!({"loss": "mse", "metrics": []})).unwrap();
    let x = data(net, 11);
    let mut results = Vec::new();
    for epoch in 0..3 {
        let logs = train_on(&model, arrays(&x), 4, 1, devices[epoch % 2]);
        results.push((format!("loss {epoch}"), logs.iter().map(|l| *l as f32).collect()));
    }
    results.extend(model.variables().iter().map(|v| (v.path().to_string(), v.values().unwrap())));
    let optimizer = optimizer.lock().unwrap();
    for v in model.variables().iter().filter(|v| v.trainable()) {
        for (i, slot) in optimizer.slots(v.id()).iter().enumerate() {
            let mut values = vec![0.0; v.layout().len()];
            v.layout().unpack(slot, &mut values);
            results.push((format!("{} slot {i}", v.path()), values));
        }
    }
    results
}

#[test]
fn every_rule_and_option() {
    if !gpu() {
        return;
    }
    let accumulate = json!({"use_ema": true, "gradient_accumulation_steps": 3, "weight_decay": 0.05});
    let overwrite = json!({"use_ema": true, "ema_momentum": 0.8, "ema_overwrite_frequency": 2, "clipvalue": 0.01});
    let decay = json!({"class_name": "ExponentialDecay",
        "config": {"initial_learning_rate": 0.02, "decay_steps": 3, "decay_rate": 0.5}});
    let mut rules: Vec<(&str, Value, bool)> = vec![
        ("SGD", json!({"momentum": 0.9, "nesterov": true, "weight_decay": 0.1}), true),
        ("SGD", json!({"learning_rate": decay}), false),
        ("SGD", json!({"clipnorm": 0.02, "momentum": 0.5}), false),
        ("SGD", json!({"global_clipnorm": 0.05, "gradient_accumulation_steps": 2}), false),
        ("Adam", json!({"amsgrad": true, "epsilon": 1e-3, "use_ema": true, "ema_overwrite_frequency": 3}), false),
        ("RMSprop", json!({"centered": true, "momentum": 0.5, "use_ema": true, "epsilon": 1e-3}), false),
        ("Lamb", json!({"epsilon": 1e-3, "weight_decay": 0.1, "use_ema": true}), true),
        ("Lamb", json!({"epsilon": 1e-3, "clipnorm": 0.05, "gradient_accumulation_steps": 2}), false),
        ("Ftrl", json!({"learning_rate_power": -0.3, "l1_regularization_strength": 0.01}), false),
    ];
    for class in ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl", "Lion", "Lamb"] {
        rules.extend([&accumulate, &overwrite].map(|options| (class, options.clone(), false)));
    }
    for (class, mut config, excluded) in rules {
        if config.get("learning_rate").is_none() {
            config["learning_rate"] = json!(0.02);
        }
        // Where a step is divided by the root of what may be tiny, rounding would decide.
        if ["Adam", "AdamW", "RMSprop", "Adamax", "Nadam", "Lamb", "Adadelta"].contains(&class) {
            config["epsilon"] = json!(1e-3);
        }
        let form = json!({"class_name": class, "config": config});
        let net = trained_net();
        let [cpu, gpu, both] =
            [[Device::Cpu; 2], [GPU; 2], [GPU, Device::Cpu]].map(|devices| optimized(&net, &form, excluded, devices));
        // Lion's step is a sign.
        let tolerance = if class == "Lion" { 1e-4 } else { 3e-5 };
        compare_all(&form.to_string(), &gpu, &cpu, tolerance);
        compare_all(&format!("{form} in turn"), &both, &cpu, tolerance);
    }
}

#[test]
fn every_penalty_and_constraint() {
    if !gpu() {
        return;
    }
    let constraints = [
        json!("non_neg"),
        json!({"class_name": "MaxNorm", "config": {"max_value": 0.4, "axis": 0}}),
        json!({"class_name": "UnitNorm", "config": {"axis": 1}}),
        json!({"class_name": "MinMaxNorm", "config": {"min_value": 0.2, "max_value": 0.5, "rate": 0.7, "axis": 0}}),
        json!({"class_name": "MaxNorm", "config": {"max_value": 0.9, "axis": [0, 1]}}),
    ];
    for constraint in constraints {
        let config = json!({
            "units": 67, "kernel_constraint": constraint.clone(), "bias_constraint": "non_neg", "kernel_regularizer": "l1",
            "bias_regularizer": "l1", "activity_regularizer": {"class_name": "L1L2", "config": {"l1": 0.01, "l2": 0.02}},
        });
        let net = Net::chain(&[3, 5], vec![("Dense", config), dense(2)]);
        // Norms of more numbers than a workgroup has invocations.
        let clipped = json!({"class_name": "SGD", "config": {"learning_rate": 0.05, "clipnorm": 0.3}});
        let rule = if constraint == json!("non_neg") { clipped } else { sgd(0.05) };
        let [cpu, gpu] = [Device::Cpu, GPU].map(|device| optimized(&net, &rule, false, [device; 2]));
        compare_all(&constraint.to_string(), &gpu, &cpu, 1e-5);
    }
}

#[test]
fn what_is_refused_has_a_name() {
    if !gpu() {
        return;
    }
    let refusal = |config: Value| {
        let net = Net::chain(&[5], vec![("Dense", config)]);
        let model = prepared(&net, CpuBackend::default(), &sgd(0.1));
        let backend = GPU.backend().unwrap();
        let plan = Arc::new(model.graph().lower(1).unwrap());
        let objective = ironhorn::backend::Objective { loss: None, weight: 1.0, metrics: Vec::new() };
        let purpose = ironhorn::backend::Purpose::Train(vec![objective]);
        backend.compile(&plan, &purpose, 4).err().unwrap().to_string()
    };
    let orthogonal = json!({"class_name": "OrthogonalRegularizer", "config": {"mode": "rows"}});
    let text = refusal(json!({"units": 4, "kernel_regularizer": orthogonal}));
    assert!(text.contains("orthogonal_regularizer") && text.contains("\"cpu\""), "{text}");
}

/// Two inputs, a layer that both share, outputs of which one is read by others too and one has no loss.
fn branches() -> (Net, Vec<usize>) {
    let nodes = vec![
        ("Dense", json!({"units": 4, "activation": "relu"}), vec![0]),
        ("Dense", json!({"units": 4, "activation": "tanh"}), vec![1]),
        ("Add", json!({}), vec![2, 3]),
        ("Dense", json!({"units": 3, "activation": "softmax"}), vec![4]),
        ("Reshape", json!({"target_shape": [2, 2]}), vec![4]),
        ("Dropout", json!({"rate": 0.3}), vec![6]),
        ("Dense", json!({"units": 5, "kernel_regularizer": "l2"}), vec![7]),
        ("Dense", json!({"units": 1, "activation": "sigmoid"}), vec![5]),
        ("Dense", json!({"units": 2, "activation": "gelu"}), vec![3]),
    ];
    (Net { inputs: vec![vec![3], vec![6]], nodes }, vec![5, 8, 9, 10])
}

#[test]
fn several_inputs_and_outputs() {
    if !gpu() {
        return;
    }
    let (net, outputs) = branches();
    let compile = json!({"outputs": [
        {"loss": "categorical_crossentropy", "loss_weight": 0.7, "loss_key": "a", "metrics": ["categorical_accuracy"]},
        {"loss": "mae", "loss_key": "b", "metrics": [{"name": "m", "metric": "mse", "weighted": true}, "r2_score"]},
        {"loss": "binary_crossentropy", "loss_weight": 1.5, "loss_key": "c", "metrics": ["AUC"]},
        {"loss": null, "metrics": []},
    ]});
    let run = |device: Device| {
        let single = prepared(&net, CpuBackend::default(), &sgd(0.1));
        let graph = single.graph();
        let (nodes, input_shapes) = (graph.nodes.clone(), graph.input_shapes.clone());
        let graph = ironhorn::model::Graph { nodes, input_shapes, outputs: outputs.clone() };
        let model = Arc::new(Model::on(graph, 11, Box::new(CpuBackend::default())).unwrap());
        // Weight decay, so that what gets no gradient moves too.
        let adam = json!({"class_name": "SGD", "config": {"learning_rate": 0.1, "weight_decay": 0.1, "momentum": 0.3}});
        let optimizer = OptimizerState::new(OptimizerConfig::parse(&adam).unwrap());
        model.compile(Arc::new(Mutex::new(optimizer)), &compile).unwrap();
        let x = || vec![inputs(ROWS, &[3], 3), inputs(ROWS, &[6], 4)];
        let numbers = |shape: &[usize]| {
            let shape = [&[ROWS], shape].concat();
            let values = uniform(shape.iter().product(), 9).into_iter().map(|v| f32::from(v > 0.3)).collect();
            Some(Array::new(values, &shape).unwrap())
        };
        let y = vec![numbers(&[3]), numbers(&[2, 5]), numbers(&[1]), None];
        let weights = vec![Some(weights_of_samples()), Some(weights_of_samples()), None, None];
        let logs = fit_on(&model, Samples { x: x(), y, weights }, 33, 2, device);
        let mut results = vec![("logs".to_string(), logs.iter().map(|l| *l as f32).collect::<Vec<f32>>())];
        results.extend(model.variables().iter().map(|v| (v.path().to_string(), v.values().unwrap())));
        let predictions = predict(&model, x(), device).into_iter().enumerate();
        results.extend(predictions.map(|(i, values)| (format!("output {i}"), values)));
        results
    };
    compare_all("branches", &run(GPU), &run(Device::Cpu), 1e-5);
}

/// Layers used twice: the gradients of both uses add up before the rule.
#[test]
fn shared_layers() {
    if !gpu() {
        return;
    }
    let run = |device: Device, optimizer: &Value| {
        let layer = |class: &str, config: Value| {
            let value = ironhorn::config::normalise(json!({"class_name": class, "config": config}), "test").unwrap();
            Arc::new(ironhorn::layers::Layer::from_value(&value).unwrap())
        };
        let dense = layer("Dense", json!({"name": "d", "units": 5, "activation": "tanh"}));
        let norm = layer("BatchNormalization", json!({"name": "n"}));
        let merge = layer("Multiply", json!({"name": "m"}));
        let nodes = vec![
            (dense.clone(), vec![0]),
            (norm.clone(), vec![2]),
            (dense.clone(), vec![3]),
            (norm, vec![4]),
            (dense, vec![1]),
            (merge, vec![5, 6, 5]),
        ];
        let graph = ironhorn::model::Graph { nodes, input_shapes: vec![vec![5], vec![5]], outputs: vec![7] };
        graph.build(11).unwrap();
        let model = Arc::new(Model::on(graph, 11, Box::new(CpuBackend::default())).unwrap());
        let optimizer = OptimizerState::new(OptimizerConfig::parse(optimizer).unwrap());
        model.compile(Arc::new(Mutex::new(optimizer)), &json!({"loss": "mse", "metrics": []})).unwrap();
        let logs = train_on(&model, vec![inputs(ROWS, &[5], 3), inputs(ROWS, &[5], 4)], 33, 2, device);
        let mut results = vec![("logs".to_string(), logs.iter().map(|l| *l as f32).collect::<Vec<f32>>())];
        results.extend(model.variables().iter().map(|v| (v.path().to_string(), v.values().unwrap())));
        results
    };
    for optimizer in [sgd(0.1), json!({"class_name": "Adam", "config": {"epsilon": 1e-2}})] {
        compare_all("shared", &run(GPU, &optimizer), &run(Device::Cpu, &optimizer), 1e-5);
    }
}
