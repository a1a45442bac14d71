//! Every layer in a small graph: loss and gradients against finite differences of the double-precision oracle, on every
//! SIMD level; the same bits for any number of threads; the two ways to train a table; what training alone does.
//!
//! Tolerances as in `gradients.rs`: 2e-5 of a variable's largest gradient is the engine's rounding.

mod common;

use common::oracle::{Net, Tensor, arrays, rounded, variables};
use common::*;
use ironhorn::Array;
use ironhorn::backend::cpu::{CpuBackend, set_num_threads};
use ironhorn::model::{Model, Samples};
use ironhorn::train::{Fit, Schedule};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ROWS: usize = 11;
const STEP: f64 = 1e-6;

/// The number of threads is the process's.
static THREADS: Mutex<()> = Mutex::new(());

fn dense(units: usize) -> (&'static str, Value) {
    ("Dense", json!({"units": units, "activation": "tanh"}))
}

/// Dense, a layer, dense.
fn around(input: &[usize], units: usize, class: &'static str, config: Value) -> Net {
    Net::chain(input, vec![dense(units), (class, config), dense(3)])
}

/// Two inputs, each with a dense layer of its own, merged, then dense.
fn merged(inputs: [&[usize]; 2], units: [usize; 2], class: &'static str, config: Value) -> Net {
    let nodes = vec![
        (dense(units[0]).0, dense(units[0]).1, vec![0]),
        (dense(units[1]).0, dense(units[1]).1, vec![1]),
        (class, config, vec![2, 3]),
        (dense(2).0, dense(2).1, vec![4]),
    ];
    Net { inputs: inputs.iter().map(|s| s.to_vec()).collect(), nodes }
}

fn nets() -> Vec<(String, Net)> {
    let layers = [
        ("PReLU", json!({})),
        ("PReLU", json!({"shared_axes": [1]})),
        ("PReLU", json!({"shared_axes": [2]})),
        ("PReLU", json!({"shared_axes": [1, 2]})),
        ("Identity", json!({})),
        ("ActivityRegularization", json!({"l1": 0.3, "l2": 0.2})),
        ("Permute", json!({"dims": [2, 1]})),
        ("Flatten", json!({})),
        ("Rescaling", json!({"scale": 2.5, "offset": -1})),
        ("Normalization", json!({})),
        ("Normalization", json!({"axis": null})),
        ("Normalization", json!({"axis": 1, "invert": true})),
        ("Normalization", json!({"axis": [1, 2]})),
        ("Normalization", json!({"mean": 0.5, "variance": 4})),
        ("BatchNormalization", json!({})),
        ("BatchNormalization", json!({"axis": 1, "epsilon": 0.1})),
        ("BatchNormalization", json!({"scale": false})),
        ("BatchNormalization", json!({"center": false})),
        ("LayerNormalization", json!({})),
        ("LayerNormalization", json!({"axis": 1})),
        ("LayerNormalization", json!({"axis": [1, 2], "epsilon": 0.01})),
        ("LayerNormalization", json!({"center": false, "scale": false})),
        ("LayerNormalization", json!({"rms_scaling": true})),
        ("RMSNormalization", json!({})),
        ("RMSNormalization", json!({"axis": [1, -1]})),
        ("UnitNormalization", json!({})),
        ("UnitNormalization", json!({"axis": 1})),
    ];
    let mut nets = Vec::new();
    for (class, config) in layers {
        // Three rows a sample; columns that fill a panel, do not, and fill more than one.
        for units in [5, 19] {
            let name = format!("{class} {config} on {units}");
            nets.push((name, around(&[3, 4], units, class, config.clone())));
        }
    }
    nets.push(("Reshape".into(), around(&[3, 4], 6, "Reshape", json!({"target_shape": [2, 9]}))));
    nets.push(("RepeatVector".into(), around(&[4], 17, "RepeatVector", json!({"n": 3}))));
    let lists = json!({"scale": [1, 2, -3], "offset": [0.5, 0, 1]});
    nets.push(("Rescaling by columns".into(), around(&[4], 3, "Rescaling", lists)));
    let given = json!({"mean": [1, 2, 3], "variance": [0.5, 0, 4], "invert": true});
    nets.push(("Normalization by columns".into(), around(&[4], 3, "Normalization", given)));
    for class in ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"] {
        nets.push((class.into(), merged([&[3, 4], &[3, 5]], [18, 18], class, json!({}))));
        nets.push((format!("{class}, broadcast"), merged([&[3, 4], &[5]], [18, 18], class, json!({}))));
        nets.push((format!("{class} of rows and columns"), merged([&[3, 4], &[5]], [1, 7], class, json!({}))));
    }
    for class in ["Add", "Average", "Multiply", "Maximum", "Minimum"] {
        let mut net = merged([&[3, 4], &[3, 5]], [6, 6], class, json!({}));
        // A third input, and the first once more.
        net.nodes[2].2 = vec![2, 3, 0, 2];
        net.inputs[0] = vec![3, 6];
        if class == "Maximum" || class == "Minimum" {
            // Equal inputs are a corner that finite differences know nothing of.
            net.nodes[2].2.pop();
        }
        nets.push((format!("{class} of several"), net));
    }
    nets.push(("Concatenate".into(), merged([&[3, 4], &[3, 5]], [18, 21], "Concatenate", json!({}))));
    nets.push(("Concatenate by rows".into(), merged([&[3, 4], &[2, 5]], [7, 7], "Concatenate", json!({"axis": 1}))));
    nets.push(("Concatenate, aligned".into(), merged([&[4], &[5]], [16, 3], "Concatenate", json!({"axis": -1}))));
    for normalize in [false, true] {
        let config = |axes: Value| json!({"axes": axes, "normalize": normalize});
        nets.push((format!("Dot {normalize}"), merged([&[4], &[5]], [19, 19], "Dot", config(json!(1)))));
        nets.push((format!("Dot, {normalize}"), merged([&[3, 4], &[2, 5]], [19, 19], "Dot", config(json!(2)))));
        nets.push((format!("Dot; {normalize}"), merged([&[3, 4], &[3, 5]], [5, 6], "Dot", config(json!([1, 1])))));
        nets.push((format!("Dot: {normalize}"), merged([&[4], &[3, 5]], [6, 6], "Dot", config(json!([-1, 2])))));
    }
    let shared = vec![
        ("Dense", dense(4).1, vec![0]),
        ("Add", json!({}), vec![0, 1]),
        ("Multiply", json!({}), vec![1, 2]),
        ("BatchNormalization", json!({}), vec![3]),
        ("Concatenate", json!({}), vec![4, 2, 3]),
        ("Dense", dense(2).1, vec![5]),
    ];
    nets.push(("values read several times".into(), Net { inputs: vec![vec![4]], nodes: shared }));
    let table = ("Embedding", json!({"input_dim": 7, "output_dim": 5, "embeddings_regularizer": "l2"}));
    nets.push(("Embedding".into(), Net::chain(&[4], vec![table, ("Flatten", json!({})), dense(3)])));
    nets
}

/// Values for inputs: ids below 7 where an embedding reads them, numbers elsewhere.
fn data(net: &Net, rows: usize) -> Vec<Tensor> {
    let one = |(i, shape): (usize, &Vec<usize>)| {
        let whole = [&[rows], &shape[..]].concat();
        let numbers = uniform(whole.iter().product(), 3 + i as u64);
        let looked_up = net.nodes.iter().any(|(class, _, from)| *class == "Embedding" && from.contains(&i));
        let ids = |x: f32| ((x + 1.0) * 3.5).floor().min(6.0);
        rounded(&whole, numbers.into_iter().map(|x| if looked_up { ids(x) } else { x }).collect())
    };
    net.inputs.iter().enumerate().map(one).collect()
}

/// A model with numbers that show a mistake: no zeros, positive variances.
fn prepared(net: &Net, backend: CpuBackend, optimizer: &Value) -> Arc<Model> {
    let model = net.model(backend, optimizer);
    for (layer, _) in &model.graph().nodes {
        for (i, v) in layer.variables().iter().enumerate() {
            let scale = if v.shape().len() > 1 { 1.5 / (v.shape()[0] as f32).sqrt() } else { 0.8 };
            let low = if v.name().contains("variance") { 1.2 } else { 0.0 };
            let values = uniform(v.shape().iter().product(), 5 + i as u64);
            v.assign(v.shape(), &values.iter().map(|x| low + x * scale).collect::<Vec<_>>()).unwrap();
        }
    }
    model
}

fn fit(model: &Arc<Model>, x: &[Tensor], y: &[f32], schedule: Schedule, epochs: usize) -> f64 {
    let shape = [&[x[0].shape[0]], &model.output_shapes()[0][..]].concat();
    let samples = Samples { x: arrays(x), y: vec![Some(Array::new(y.to_vec(), &shape).unwrap())], weights: Vec::new() };
    let mut fit = Fit::new(model, samples, schedule, None).unwrap();
    for _ in 0..epochs {
        fit.begin_epoch();
        while fit.step() < fit.steps() {
            fit.run(None, Duration::from_secs(60)).unwrap();
        }
    }
    fit.logs()[0].1
}

fn outputs(model: &Model) -> usize {
    model.output_shapes()[0].iter().product()
}

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
        let sgd = json!({"class_name": "SGD", "config": {"learning_rate": 0.1}});
        for backend in backends() {
            let general = CpuBackend { force_general: true, ..backend };
            for threads in [1, 3] {
                let (sparse, dense) = (trained(&net, backend, &sgd, threads), trained(&net, general, &sgd, threads));
                assert!(sparse == dense, "{columns} columns, {threads} threads, {}", backend.level);
            }
        }
    }
}

#[test]
fn ids_of_other_stages_and_those_beyond_the_table() {
    let net = Net::chain(
        &[2],
        vec![
            ("Discretization", json!({"bin_boundaries": [0.0, 1.0, 2.0]})),
            ("Embedding", json!({"input_dim": 3, "output_dim": 2})),
        ],
    );
    let model = prepared(&net, every_thread(), &json!("sgd"));
    let table = variables(&model)[1][0].clone();
    let x = Array::new(vec![-0.5_f32, 0.0, 1.5, 9.0], &[2, 2]).unwrap();
    let y = model.predict(vec![x]).unwrap();
    for (e, row) in [0, 1, 2].into_iter().enumerate() {
        assert_eq!([y[e * 2], y[e * 2 + 1]].map(f64::from), [table.data[row * 2], table.data[row * 2 + 1]]);
    }
    assert!(y[6].is_nan() && y[7].is_nan());
}

#[test]
fn ids_are_never_rounded() {
    let rows = (1 << 24) + 3;
    let net = Net::chain(
        &[2],
        vec![("Embedding", json!({"input_dim": rows, "output_dim": 1, "embeddings_initializer": "zeros"}))],
    );
    let model = net.model(every_thread(), &json!("sgd"));
    let mut values = vec![0.0; rows];
    (values[rows - 3], values[rows - 2]) = (1.0, 2.0);
    model.graph().nodes[0].0.variables()[0].assign(&[rows, 1], &values).unwrap();
    let x = Array::new(vec![(rows - 3) as i64, (rows - 2) as i64], &[1, 2]).unwrap();
    assert_eq!(model.predict(vec![x]).unwrap(), [1.0, 2.0]);
}

#[test]
fn categories_are_encoded() {
    let encoded = |config: Value, shape: &[usize], x: Vec<i32>| {
        let net = Net::chain(shape, vec![("CategoryEncoding", config)]);
        let rows = x.len() / shape.iter().product::<usize>();
        let x = Array::new(x, &[&[rows], shape].concat()).unwrap();
        net.model(every_thread(), &json!("sgd")).predict(vec![x]).unwrap()
    };
    let config = |mode: &str| json!({"num_tokens": 4, "output_mode": mode});
    assert_eq!(encoded(config("count"), &[3], vec![1, 1, 3, 0, 9, -1]), [0., 2., 0., 1., 1., 0., 0., 0.]);
    assert_eq!(encoded(config("multi_hot"), &[3], vec![1, 1, 3, 0, 9, -1]), [0., 1., 0., 1., 1., 0., 0., 0.]);
    assert_eq!(encoded(config("one_hot"), &[1], vec![2, 0]), [0., 0., 1., 0., 1., 0., 0., 0.]);
    assert_eq!(encoded(config("one_hot"), &[2], vec![2, 0]), [0., 0., 1., 0., 1., 0., 0., 0.]);
    // Counts are taken over the first axis of a sample.
    assert_eq!(encoded(config("count"), &[2, 1], vec![2, 2]), [0., 0., 2., 0.]);
}

#[test]
fn moving_statistics_follow_the_batch() {
    let net = around(&[3, 4], 19, "BatchNormalization", json!({"momentum": 0.9}));
    let model = prepared(&net, every_thread(), &json!({"class_name": "SGD", "config": {"learning_rate": 0.0}}));
    let x = data(&net, ROWS);
    let before = variables(&model);
    let prefix = Net::chain(&[3, 4], vec![dense(19)]);
    let (hidden, _) = prefix.forward(&before[..1], &x);
    let inferred = model.predict(arrays(&x)).unwrap();
    fit(&model, &x, &uniform(ROWS * outputs(&model), 9), Schedule { batch: ROWS, steps: None, shuffle: false }, 1);
    let after = variables(&model);
    for column in 0..19 {
        let values: Vec<f64> = hidden.data.iter().skip(column).step_by(19).copied().collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        for (v, batch) in [(2, mean), (3, variance)] {
            let expected = before[1][v].data[column] * 0.9 + batch * 0.1;
            assert!((after[1][v].data[column] - expected).abs() < 1e-6, "variable {v}, column {column}");
        }
    }
    // A prediction takes the moving ones.
    let [gamma, beta, mean, variance] = &before[1][..] else { panic!("four variables") };
    let normal = |(e, x): (usize, &f64)| {
        let c = e % 19;
        (x - mean.data[c]) / (variance.data[c] + 1e-3).sqrt() * gamma.data[c] + beta.data[c]
    };
    let normal = Tensor::new(&hidden.shape, hidden.data.iter().enumerate().map(normal).collect());
    let (expected, _) = Net::chain(&[3, 19], vec![dense(3)]).forward(&before[2..], &[normal]);
    for (got, expected) in inferred.iter().zip(&expected.data) {
        assert!((f64::from(*got) - expected).abs() < 1e-5, "{got}, not {expected}");
    }
}

#[test]
fn a_frozen_batch_normalization_is_in_inference_mode() {
    let frozen = |trainable: bool| {
        let config = json!({"trainable": trainable});
        let net = around(&[4], 19, "BatchNormalization", config);
        let model = prepared(&net, every_thread(), &json!("sgd"));
        let x = data(&net, ROWS);
        let predicted: Vec<f64> = model.predict(arrays(&x)).unwrap().into_iter().map(f64::from).collect();
        let y = uniform(ROWS * outputs(&model), 9);
        let loss = predicted.iter().zip(&y).map(|(p, y)| (p - f64::from(*y)).powi(2)).sum::<f64>() / y.len() as f64;
        let before = variables(&model)[1].clone();
        let logged = fit(&model, &x, &y, Schedule { batch: ROWS, steps: None, shuffle: false }, 1);
        let kept = before.iter().zip(&variables(&model)[1]).all(|(b, a)| b.data == a.data);
        ((logged - loss).abs() < 1e-5, kept)
    };
    assert_eq!(frozen(false), (true, true));
    assert_eq!(frozen(true), (false, false));
}

#[test]
fn noise_has_its_moments_in_training_and_none_elsewhere() {
    // One weight of 1 before the noise: its gradient under the loss (y − t)² with t = 0 is the mean of 2·y·dy/dw.
    for (class, config, variance) in [
        ("GaussianNoise", json!({"stddev": 0.5}), 0.25),
        ("GaussianDropout", json!({"rate": 0.2}), 0.25),
        ("AlphaDropout", json!({"rate": 0.2}), f64::NAN),
    ] {
        let net = Net::chain(&[50], vec![(class, config.clone())]);
        let model = net.model(every_thread(), &json!({"class_name": "SGD", "config": {"learning_rate": 0.0}}));
        let rows = 400;
        let ones = Tensor::new(&[rows, 50], vec![1.0; rows * 50]);
        assert_eq!(model.predict(arrays(std::slice::from_ref(&ones))).unwrap(), vec![1.0; rows * 50], "{class}");
        let schedule = || Schedule { batch: rows, steps: None, shuffle: false };
        let logged = fit(&model, std::slice::from_ref(&ones), &vec![1.0; rows * 50], schedule(), 1);
        let zeros = Tensor::new(&[rows, 50], vec![0.0; rows * 50]);
        let at_zero = fit(&model, &[zeros], &vec![0.0; rows * 50], schedule(), 1);
        if variance.is_nan() {
            // At 0 a kept element becomes b and a dropped one aα′ + b; their mean square is what keeps the variance 1: 1 −
            // a²(1 − rate).
            let (rate, alpha) = (0.2_f64, -1.673_263_242_354_377_2 * 1.050_700_987_355_480_5_f64);
            let a = ((1.0 - rate) * (1.0 + rate * alpha * alpha)).powf(-0.5);
            let b = -a * alpha * rate;
            let expected = (1.0 - rate) * b * b + rate * (a * alpha + b).powi(2);
            assert!((at_zero - expected).abs() < 0.02, "{class}: {at_zero}, not {expected}");
        } else {
            assert!((logged - variance).abs() < 0.01, "{class}: {logged}, not {variance}");
            let expected = if class == "GaussianNoise" { variance } else { 0.0 };
            assert!((at_zero - expected).abs() < 0.01, "{class} at 0: {at_zero}");
        }
    }
}

#[test]
fn gradients_pass_through_noise_as_it_was_drawn() {
    // y = d·w with d the noise's factor: one step at rate 1 moves w by −mean 2·(dw)·d = −2w·mean d², and the logged loss is
    // mean (dw)².
    for (class, config) in [("GaussianDropout", json!({"rate": 0.2})), ("Dropout", json!({"rate": 0.5}))] {
        let net = Net::chain(&[1], vec![("Dense", json!({"units": 1, "activation": null})), (class, config)]);
        let model = net.model(every_thread(), &json!({"class_name": "SGD", "config": {"learning_rate": 1.0}}));
        model.graph().nodes[0].0.variables()[0].assign(&[1, 1], &[1.0]).unwrap();
        let ones = Tensor::new(&[ROWS, 1], vec![1.0; ROWS]);
        let loss = fit(&model, &[ones], &[0.0; ROWS], Schedule { batch: ROWS, steps: None, shuffle: false }, 1);
        let after = variables(&model);
        assert!((after[0][0].data[0] - (1.0 - 2.0 * loss)).abs() < 1e-5, "{class}: {after:?}, {loss}");
    }
}

#[test]
fn equal_inputs_share_a_maximum_s_gradient() {
    // Three equal inputs: folds give ¼, ¼ and ½, as JAX.
    for class in ["Maximum", "Minimum"] {
        let dense = || ("Dense", json!({"units": 1, "activation": null, "kernel_initializer": "ones"}), vec![0]);
        let nodes = vec![dense(), dense(), dense(), (class, json!({}), vec![1, 2, 3])];
        let net = Net { inputs: vec![vec![1]], nodes };
        let model = net.model(every_thread(), &json!({"class_name": "SGD", "config": {"learning_rate": 1.0}}));
        let ones = Tensor::new(&[1, 1], vec![1.0]);
        fit(&model, &[ones], &[0.5], Schedule { batch: 1, steps: None, shuffle: false }, 1);
        let after = variables(&model);
        assert_eq!([0, 1, 2].map(|l| after[l][0].data[0]), [0.75, 0.75, 0.5], "{class}");
    }
}

#[test]
fn a_nan_is_never_lost() {
    for class in ["Maximum", "Minimum", "Add", "Average"] {
        let net = Net { inputs: vec![vec![1]; 3], nodes: vec![(class, json!({}), vec![0, 1, 2])] };
        let model = net.model(every_thread(), &json!("sgd"));
        for place in 0..3 {
            let x = (0..3).map(|i| Array::new(vec![if i == place { f32::NAN } else { 1.0 }], &[1, 1]).unwrap());
            assert!(model.predict(x.collect()).unwrap()[0].is_nan(), "{class}, input {place}");
        }
    }
}

/// `keras/layers.json` holds inputs, weights and outputs of Keras's layers; `keras/layers.py` beside it writes them.
#[test]
fn outputs_are_keras_s() {
    let cases: Value = serde_json::from_str(include_str!("keras/layers.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let tensor = |value: &Value| {
            let shape: Vec<usize> = serde_json::from_value(value[0].clone()).unwrap();
            Tensor::new(&shape, serde_json::from_value(value[1].clone()).unwrap())
        };
        let all = |key: &str| case[key].as_array().unwrap().iter().map(tensor).collect::<Vec<_>>();
        let (inputs, weights, output) = (all("inputs"), all("weights"), tensor(&case["output"]));
        let class: &'static str = case["class"].as_str().unwrap().to_string().leak();
        let net = Net {
            inputs: inputs.iter().map(|x| x.shape[1..].to_vec()).collect(),
            nodes: vec![(class, case["config"].clone(), (0..inputs.len()).collect())],
        };
        let model = net.model(every_thread(), &json!("sgd"));
        let variables = model.graph().nodes[0].0.variables();
        assert_eq!(variables.len(), weights.len(), "{class} {}", case["config"]);
        for (v, w) in variables.iter().zip(&weights) {
            v.assign(&w.shape, &w.data.iter().map(|&x| x as f32).collect::<Vec<_>>()).unwrap();
        }
        assert_eq!(model.output_shapes()[0], output.shape[1..], "{class} {}", case["config"]);
        for (got, expected) in model.predict(arrays(&inputs)).unwrap().iter().zip(&output.data) {
            let close = (f64::from(*got) - expected).abs() < 2e-6 * (1.0 + expected.abs());
            assert!(close, "{class} {}: {got}, not {expected}", case["config"]);
        }
    }
}
