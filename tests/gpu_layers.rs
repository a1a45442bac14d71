//! Every layer, and graphs of them, on the GPU against the CPU: losses, gradients by way of updates, moving statistics, noise
//! and predictions.
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
use ironhorn::model::Model;
use serde_json::{Value, json};
use std::sync::Arc;

fn sgd() -> Value {
    json!({"class_name": "SGD", "config": {"learning_rate": 0.05, "momentum": 0.5}})
}

/// Three steps, the last of another size, then predictions: by the same net on one device.
fn run(net: &Net, optimizer: &Value, device: Device) -> Vec<(String, Vec<f32>)> {
    let model = prepared(net, CpuBackend::default(), optimizer);
    run_model(net, &model, device)
}

fn run_model(net: &Net, model: &Arc<Model>, device: Device) -> Vec<(String, Vec<f32>)> {
    let x = data(net, ROWS);
    let logs = train_on(model, arrays(&x), 4, 3, device);
    let mut results = vec![("loss".to_string(), logs.iter().map(|l| *l as f32).collect())];
    for (layer, _) in &model.graph().nodes {
        results.extend(layer.variables().iter().map(|v| (v.path().to_string(), v.values().unwrap())));
    }
    let outputs = predict(model, arrays(&x), device).into_iter().enumerate();
    results.extend(outputs.map(|(i, values)| (format!("output {i}"), values)));
    results
}

#[track_caller]
fn near(name: &str, net: &Net, tolerance: f32) {
    let [cpu, gpu] = [Device::Cpu, GPU].map(|device| run(net, &sgd(), device));
    compare_all(name, &gpu, &cpu, tolerance);
}

#[track_caller]
fn same(name: &str, net: &Net) {
    near(name, net, 1e-5);
}

#[test]
fn every_layer() {
    if !gpu() {
        return;
    }
    for (name, net) in nets() {
        same(&name, &net);
    }
}

#[test]
fn noise_has_the_cpus_draws() {
    if !gpu() {
        return;
    }
    for (class, config) in [
        ("GaussianNoise", json!({"stddev": 0.5})),
        ("GaussianDropout", json!({"rate": 0.3})),
        ("AlphaDropout", json!({"rate": 0.3})),
    ] {
        same(class, &around(&[3, 4], 19, class, config));
    }
    // The draws themselves: with p = w·(x + n), x = w = 0 and the loss (p − 1)², a step at rate ½ makes w = n.
    let layers = vec![
        ("GaussianNoise", json!({"stddev": 1.0})),
        ("Dense", json!({"units": 1, "use_bias": false, "kernel_initializer": "zeros"})),
    ];
    let setup =
        Setup::new(&[65537], layers, json!("mse"), json!({"class_name": "SGD", "config": {"learning_rate": 0.5}}));
    let step = |device: Device| {
        let model = setup.model(CpuBackend::default());
        let x = Array::new(vec![0.0f32; 65537], &[1, 65537]).unwrap();
        let y = Array::new(vec![1.0f32], &[1, 1]).unwrap();
        fit_on(&model, samples(x, y, None), 1, 1, device);
        weights(&model).concat()
    };
    let (cpu, gpu) = (step(Device::Cpu), step(GPU));
    assert!(cpu.iter().any(|w| *w > 3.8) && cpu.iter().any(|w| *w < -3.8));
    close("draws", &gpu, &cpu, 1e-6);
}

#[test]
fn numbers_become_categories() {
    if !gpu() {
        return;
    }
    for mode in ["one_hot", "multi_hot", "count"] {
        let encode = ("CategoryEncoding", json!({"num_tokens": 5, "output_mode": mode}));
        let bins = ("Discretization", json!({"bin_boundaries": [-0.5, 0.0, 0.25, 0.75]}));
        let width = if mode == "one_hot" { 1 } else { 3 };
        same(mode, &Net::chain(&[width], vec![bins, encode, dense(2)]));
    }
    // Ids from other stages, and some beyond the table.
    let bins = ("Discretization", json!({"bin_boundaries": [-0.5, 0.0, 0.25, 0.75]}));
    let table = ("Embedding", json!({"input_dim": 5, "output_dim": 3}));
    same("ids of a stage", &Net::chain(&[6], vec![bins, table, ("Flatten", json!({})), dense(2)]));
}

/// Rows that several ids of a batch name, for a rule that touches only those and for one that moves all.
#[test]
fn tables_add_up_in_order() {
    if !gpu() {
        return;
    }
    let table = || ("Embedding", json!({"input_dim": 7, "output_dim": 37}));
    let net = Net::chain(&[9], vec![table(), ("Flatten", json!({})), dense(3)]);
    for optimizer in ["adagrad", "adam"] {
        let [cpu, gpu] = [Device::Cpu, GPU].map(|device| run(&net, &json!(optimizer), device));
        compare_all(optimizer, &gpu, &cpu, 1e-5);
    }
    let bits = || run(&net, &sgd(), GPU);
    assert_eq!(bits(), bits());
}

/// Odd widths and long rows: beyond a workgroup, a tile, and what 65535 workgroups would have one each of.
#[test]
fn odd_sizes() {
    if !gpu() {
        return;
    }
    for (class, config) in [
        ("BatchNormalization", json!({})),
        ("LayerNormalization", json!({})),
        ("PReLU", json!({})),
        ("GaussianDropout", json!({"rate": 0.2})),
    ] {
        for units in [1, 257] {
            // The sums over a long row are a workgroup's, in another order than the CPU's.
            near(&format!("{class} of {units}"), &around(&[3], units, class, config.clone()), 2e-5);
        }
        near(&format!("{class} of 4097"), &Net::chain(&[4097], vec![(class, config), dense(1)]), 2e-5);
    }
}

/// A frozen normalization takes the moving statistics and leaves them.
#[test]
fn frozen_layers() {
    if !gpu() {
        return;
    }
    let frozen = json!({"trainable": false});
    same("frozen", &around(&[3, 4], 6, "BatchNormalization", frozen.clone()));
    let table = ("Embedding", json!({"input_dim": 7, "output_dim": 5, "trainable": false}));
    same("frozen table", &Net::chain(&[4], vec![table, ("Flatten", json!({})), dense(3)]));
    let mut net = around(&[4], 6, "LayerNormalization", frozen);
    net.nodes.insert(0, ("Dense", json!({"units": 4, "trainable": false}), vec![0]));
    for (i, node) in net.nodes.iter_mut().enumerate() {
        node.2 = vec![i];
    }
    same("frozen first", &net);
}

#[test]
fn two_threads_train_two_models() {
    if !gpu() {
        return;
    }
    let nets = [around(&[5], 9, "BatchNormalization", json!({})), around(&[5], 33, "PReLU", json!({}))];
    let alone: Vec<_> = nets.iter().map(|net| run(net, &sgd(), GPU)).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            nets.iter().map(|net| scope.spawn(|| (0..5).map(|_| run(net, &sgd(), GPU)).collect::<Vec<_>>())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for (alone, together) in alone.iter().zip(&together) {
        together.iter().for_each(|run| assert_eq!(run, alone));
    }
}
