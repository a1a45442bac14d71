//! Every layer in a small graph: loss and gradients against finite differences of the double-precision oracle, on every
//! SIMD level; the same bits for any number of threads; the two ways to train a table.
//!
//! Tolerances as in `gradients.rs`: 2e-5 of a variable's largest gradient is the engine's rounding.

mod common;

use common::nets::*;
use common::oracle::{Net, Tensor, variables};
use common::*;
use ironhorn::backend::cpu::{CpuBackend, set_num_threads};
use ironhorn::train::Schedule;
use serde_json::{Value, json};
use std::sync::Mutex;

const STEP: f64 = 1e-6;

/// The number of threads is the process's.
static THREADS: Mutex<()> = Mutex::new(());

#[test]
fn gradients_are_those_of_finite_differences() {
    let sgd = json!({"class_name": "SGD", "config": {"learning_rate": 1.0}});
    for (name, net) in nets() {
        let x = data(&net, ROWS);
        let mut exact: Option<(f64, Vec<Vec<Vec<f64>>>)> = None;
        for backend in backends() {
            let model = prepared(&net, backend, &sgd);
            let y = uniform(ROWS * outputs(&model), 9);
            let target: Vec<f64> = y.iter().map(|&v| f64::from(v)).collect();
            let before = variables(&model);
            let regularized = name == "Embedding";
            let (expected, gradients) = exact.get_or_insert_with(|| {
                let mut at = before.clone();
                let loss = |at: &[Vec<Tensor>]| {
                    let table: f64 = if regularized { at[0][0].data.iter().map(|w| 0.01 * w * w).sum() } else { 0.0 };
                    net.loss(at, &x, &target) + table
                };
                let value = loss(&at);
                let gradients = (0..at.len()).map(|l| {
                    let of = |v: usize, at: &mut Vec<Vec<Tensor>>| {
                        let count = at[l][v].data.len();
                        let one = |i: usize| {
                            let w = at[l][v].data[i];
                            at[l][v].data[i] = w + STEP;
                            let up = loss(at);
                            at[l][v].data[i] = w - STEP;
                            let down = loss(at);
                            at[l][v].data[i] = w;
                            (up - down) / (2.0 * STEP)
                        };
                        (0..count).map(one).collect::<Vec<f64>>()
                    };
                    (0..at[l].len()).map(|v| of(v, &mut at)).collect()
                });
                let gradients = gradients.collect();
                (value, gradients)
            });
            let schedule = Schedule { batch: ROWS, steps: None, shuffle: false };
            let logged = fit(&model, &x, &y, schedule, 1);
            let what = format!("{name} on {}", backend.level);
            assert!(
                (logged - *expected).abs() < 1e-5 * (1.0 + expected.abs()),
                "{what}: loss {logged}, not {expected}"
            );
            let after = variables(&model);
            for (l, (layer, _)) in model.graph().nodes.iter().enumerate() {
                for (v, variable) in layer.variables().iter().enumerate().filter(|(_, v)| v.trainable()) {
                    let gradient = &gradients[l][v];
                    let largest = gradient.iter().fold(1e-3_f64, |m, g| m.max(g.abs()));
                    for (i, g) in gradient.iter().enumerate() {
                        let (b, a) = (before[l][v].data[i], after[l][v].data[i]);
                        let rounding = 1.2e-7 * b.abs().max(a.abs());
                        let place = format!("{what}: {}[{i}] {}, not {g}", variable.path(), b - a);
                        assert!((b - a - g).abs() < 2e-5 * largest + rounding, "{place}");
                    }
                }
            }
        }
    }
}

/// Weights and loss after some steps, as bits.
fn trained(net: &Net, backend: CpuBackend, optimizer: &Value, threads: usize) -> (Vec<u32>, u64) {
    set_num_threads(Some(threads));
    let model = prepared(net, backend, optimizer);
    let x = data(net, 45);
    let y = uniform(45 * outputs(&model), 9);
    let loss = fit(&model, &x, &y, Schedule { batch: 20, steps: None, shuffle: true }, 2);
    set_num_threads(None);
    let bits = variables(&model).iter().flatten().flat_map(|t| &t.data).map(|&w| (w as f32).to_bits()).collect();
    (bits, loss.to_bits())
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let _one = THREADS.lock().unwrap_or_else(|e| e.into_inner());
    let adam = json!({"class_name": "Adam", "config": {"learning_rate": 0.01}});
    let mut nets = nets();
    for (class, config) in [
        ("GaussianNoise", json!({"stddev": 0.5})),
        ("GaussianDropout", json!({"rate": 0.3})),
        ("AlphaDropout", json!({"rate": 0.3})),
    ] {
        nets.push((class.into(), around(&[3, 4], 19, class, config)));
    }
    // Wide enough that products are divided by panels, and these stages with them.
    for class in ["BatchNormalization", "GaussianNoise", "Rescaling"] {
        let config = match class {
            "GaussianNoise" => json!({"stddev": 0.1}),
            "Rescaling" => json!({"scale": 0.5}),
            _ => json!({}),
        };
        let layers = vec![dense(150), dense(150), (class, config), dense(150), dense(3)];
        nets.push((format!("wide {class}"), Net::chain(&[7], layers)));
    }
    for (name, net) in nets {
        let backend = every_thread();
        let one = trained(&net, backend, &adam, 1);
        assert!(one.0.iter().all(|&w| f32::from_bits(w).is_finite()), "{name}");
        for threads in [2, 3, 5] {
            assert!(trained(&net, backend, &adam, threads) == one, "{name}, {threads} threads");
        }
    }
}

#[test]
fn a_table_s_two_ways_are_one() {
    let _one = THREADS.lock().unwrap_or_else(|e| e.into_inner());
    let table = |columns: usize| ("Embedding", json!({"input_dim": 7, "output_dim": columns}));
    for columns in [3, 16, 37] {
        let layers = vec![table(columns), ("Flatten", json!({})), dense(3)];
        let net = Net::chain(&[4], layers);
        let rules = ["SGD", "Adagrad"].map(|rule| json!({"class_name": rule, "config": {"learning_rate": 0.1}}));
        for (backend, rule) in backends().into_iter().flat_map(|b| rules.iter().map(move |r| (b, r))) {
            let general = CpuBackend { force_general: true, ..backend };
            for threads in [1, 3] {
                let (sparse, dense) = (trained(&net, backend, rule, threads), trained(&net, general, rule, threads));
                assert!(sparse == dense, "{columns} columns, {threads} threads, {rule}, {}", backend.level);
            }
        }
    }
}
