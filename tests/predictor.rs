//! Predictors against `predict`, bit for bit; narrow weights against their bounds, and one instruction set against another.

mod common;

use common::nets::prepared;
use common::oracle::Net;
use common::*;
use ironhorn::activations::Activation;
use ironhorn::backend::cpu::CpuBackend;
use ironhorn::error::Error;
use ironhorn::model::Model;
use ironhorn::predictor::{Options, Precision, Predictor};
use ironhorn::{Array, Sequential};
use serde_json::{Value, json};
use std::sync::Arc;

fn predictor(model: &Arc<Model>, precision: Precision, backend: CpuBackend, calibration: Option<Array>) -> Predictor {
    model.predictor(&Options { precision, calibration, level: backend.level, ..Options::default() }).unwrap()
}

/// The predictor's outputs for so many of the rows have the bits of `predict`'s.
fn assert_equal(net: &Net, model: &Arc<Model>, backend: CpuBackend, x: &[Vec<f32>], rows: usize, what: &str) {
    let arrays = || {
        let each = net.inputs.iter().zip(x);
        let each = each.map(|(shape, x)| {
            let count = rows * shape.iter().product::<usize>();
            Array::new(x[..count].to_vec(), &[&[rows], &shape[..]].concat()).unwrap()
        });
        each.collect::<Vec<_>>()
    };
    let predictor = predictor(model, Precision::F32, backend, None);
    let (expected, got) = (model.predict_all(arrays()).unwrap(), predictor.predict(arrays()).unwrap());
    let bits = |out: &[Vec<f32>]| out.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&got), bits(&expected), "{what}, {rows} rows, {}", backend.level);
    if let ([x], [expected]) = (x, &expected[..]) {
        let mut out = vec![f32::NAN; expected.len()];
        predictor.predict_into(&x[..rows * net.inputs[0].iter().product::<usize>()], &mut out).unwrap();
        assert_eq!(bits(&[out]), bits(std::slice::from_ref(expected)), "{what}, {rows} rows in place");
    }
}

fn numbers(net: &Net, rows: usize) -> Vec<Vec<f32>> {
    let inputs = net.inputs.iter().enumerate();
    inputs.map(|(i, shape)| uniform(rows * shape.iter().product::<usize>(), 3 + i as u64)).collect()
}

#[test]
fn chains_have_the_bits_of_predict() {
    let dense = |units: usize, activation: &str| ("Dense", json!({"units": units, "activation": activation}));
    let nets = [
        Net::chain(&[1], vec![dense(1, "linear")]),
        Net::chain(&[8], vec![dense(64, "relu"), dense(64, "relu"), dense(1, "linear")]),
        Net::chain(&[300], vec![dense(130, "relu"), ("Dropout", json!({"rate": 0.5})), dense(10, "softmax")]),
        Net::chain(&[17], vec![("BatchNormalization", json!({})), dense(33, "tanh"), dense(15, "sparsemax")]),
        Net::chain(&[4, 5], vec![("Flatten", json!({})), ("Rescaling", json!({"scale": 0.5})), dense(40, "glu")]),
        Net::chain(&[33], vec![dense(5, "softmax"), ("Activation", json!({"activation": "relu"})), dense(7, "relu")]),
        Net::chain(&[19], vec![("Dropout", json!({"rate": 0.5}))]),
    ];
    for backend in backends() {
        for net in &nets {
            let (model, x) = (prepared(net, backend, &json!("sgd")), numbers(net, 131));
            for rows in [1, 2, 7, 8, 64, 65, 131] {
                assert_equal(net, &model, backend, &x, rows, &format!("{:?}", net.nodes));
            }
        }
    }
}

#[test]
fn every_activation() {
    for name in Activation::names() {
        let config = match name {
            "threshold" => json!({"class_name": name, "config": {"threshold": 0.1, "default_value": 0.2}}),
            _ => json!(name),
        };
        let net = Net::chain(&[9], vec![("Dense", json!({"units": 18, "activation": config}))]);
        for backend in backends() {
            let (model, x) = (prepared(&net, backend, &json!("sgd")), numbers(&net, 9));
            [1, 9].into_iter().for_each(|rows| assert_equal(&net, &model, backend, &x, rows, name));
        }
    }
}

/// `keras/layers.json` has a case or more for each kind of layer.
#[test]
fn every_layer() {
    let cases: Value = serde_json::from_str(include_str!("keras/layers.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let inputs: Vec<(Vec<usize>, Vec<f64>)> = serde_json::from_value(case["inputs"].clone()).unwrap();
        let class: &'static str = case["class"].as_str().unwrap().to_string().leak();
        let net = Net {
            inputs: inputs.iter().map(|(shape, _)| shape[1..].to_vec()).collect(),
            nodes: vec![(class, case["config"].clone(), (0..inputs.len()).collect())],
        };
        let model = prepared(&net, every_thread(), &json!("sgd"));
        let rows = inputs[0].0[0];
        let x: Vec<Vec<f32>> = inputs.iter().map(|(_, x)| x.iter().map(|&x| x as f32).collect()).collect();
        assert_equal(&net, &model, every_thread(), &x, rows, class);
    }
}

#[test]
fn a_graph_of_several_inputs() {
    let nodes = vec![
        ("Dense", json!({"units": 20, "activation": "relu"}), vec![0]),
        ("Dense", json!({"units": 20, "activation": "tanh"}), vec![1]),
        ("Concatenate", json!({}), vec![2, 3]),
        ("Dense", json!({"units": 3, "activation": "softmax"}), vec![4]),
    ];
    let net = Net { inputs: vec![vec![7], vec![10]], nodes };
    let (model, x) = (prepared(&net, every_thread(), &json!("sgd")), numbers(&net, 70));
    [1, 70].into_iter().for_each(|rows| assert_equal(&net, &model, every_thread(), &x, rows, "two inputs"));
    let refused = model.predictor(&Options { precision: Precision::F16, ..Options::default() }).err().unwrap();
    let text = refused.to_string();
    assert!(text.contains("precision: expected 'f32'") && text.contains("2 inputs"), "{text}");
}

/// A dense layer with narrow weights and inputs in (−1, 1); what it may differ by from exact numbers is its own bound.
#[test]
fn narrow_weights_keep_their_bounds_on_every_level() {
    for (k, n) in [(1, 1), (5, 3), (16, 16), (33, 17), (100, 130), (783, 40)] {
        let model = Sequential::new(&[k], 5).dense(n, "linear").unwrap().build().unwrap();
        set_weights(&model, 3);
        let (w, b) = (&weights(&model)[0], &weights(&model)[1]);
        let rows = 67;
        let x = uniform(rows * k, 8);
        let calibration = Array::new(x.clone(), &[rows, k]).unwrap();
        let (low, high) = x.iter().fold((0.0_f32, 0.0_f32), |(l, h), &x| (l.min(x), h.max(x)));
        let s = f64::from(high - low) / 255.0;
        let t: Vec<f64> =
            (0..n).map(|j| (0..k).map(|i| f64::from(w[i * n + j].abs())).fold(0.0, f64::max) / 127.0).collect();
        let exact = |row: usize, j: usize, f: &dyn Fn(f64, f64) -> f64| {
            (0..k).map(|i| f(f64::from(x[row * k + i]), f64::from(w[i * n + j]))).sum::<f64>()
        };
        for precision in [Precision::F16, Precision::Bf16, Precision::Int8] {
            let mut outputs: Vec<Vec<f32>> = Vec::new();
            for backend in backends() {
                let calibration = (precision == Precision::Int8).then(|| calibration.clone());
                let predictor = predictor(&model, precision, backend, calibration);
                let mut out = vec![f32::NAN; rows * n];
                predictor.predict_into(&x, &mut out).unwrap();
                for row in 0..rows {
                    let mut alone = vec![f32::NAN; n];
                    predictor.predict_into(&x[row * k..][..k], &mut alone).unwrap();
                    assert_eq!(alone, out[row * n..][..n], "{precision}, a row alone, {}", backend.level);
                    for j in 0..n {
                        let whole = exact(row, j, &|x, w| (x * w).abs());
                        let bound = match precision {
                            Precision::F16 => 2.0_f64.powi(-11) * whole + k as f64 * 2.0_f64.powi(-25),
                            Precision::Bf16 => (2.0_f64.powi(-7) + 2.0_f64.powi(-16)) * whole,
                            _ => exact(row, j, &|x, w| 0.5 * (w.abs() * s + x.abs() * t[j] + 0.5 * s * t[j])),
                        };
                        // The sums' own rounding.
                        let bound = bound + (k + 2) as f64 * 2.0_f64.powi(-23) * (whole + 1.0);
                        let off = (f64::from(alone[j]) - exact(row, j, &|x, w| x * w) - f64::from(b[j])).abs();
                        assert!(off <= bound, "{precision} {k} × {n}: off by {off}, bound {bound}, {}", backend.level);
                    }
                }
                outputs.push(out);
            }
            if precision != Precision::F16 {
                assert!(outputs.iter().all(|out| *out == outputs[0]), "{precision}: levels differ at {k} × {n}");
            }
        }
    }
}

#[test]
fn narrow_chains_classify_like_the_model() {
    let model = Sequential::new(&[30], 2).dense(50, "relu").unwrap().dense(20, "tanh").unwrap();
    let model = model.dense(4, "softmax").unwrap().build().unwrap();
    set_weights(&model, 4);
    let x = inputs(300, &[30], 9);
    let expected = model.predict(vec![x.clone()]).unwrap();
    for precision in [Precision::F16, Precision::Bf16, Precision::Int8] {
        let calibration = (precision == Precision::Int8).then(|| x.clone());
        let predictor = model.predictor(&Options { precision, calibration, ..Options::default() }).unwrap();
        let got = predictor.predict(vec![x.clone()]).unwrap().remove(0);
        let worst = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let most = if precision == Precision::F16 { 1e-3 } else { 0.03 };
        assert!(worst > 0.0 && worst < most, "{precision}: {worst}");
    }
}

#[test]
fn numbers_that_are_none_stay_none() {
    let model = Sequential::new(&[3], 1).dense(20, "relu").unwrap().dense(2, "softmax").unwrap().build().unwrap();
    for precision in [Precision::F32, Precision::F16, Precision::Bf16] {
        for backend in backends() {
            let mut out = [0.0; 2];
            predictor(&model, precision, backend, None).predict_into(&[0.0, f32::NAN, 1.0], &mut out).unwrap();
            assert!(out.iter().all(|x| x.is_nan()), "{precision}: {out:?}");
        }
    }
}

#[test]
fn a_snapshot_for_many_threads() {
    let model = Sequential::new(&[40], 3).dense(64, "relu").unwrap().dense(5, "softmax").unwrap().build().unwrap();
    model.compile_with("adam", 0.01, "mse", &[]).unwrap();
    let (x, y) = (inputs(200, &[40], 1), inputs(200, &[5], 2));
    let expected = model.predict(vec![x.clone()]).unwrap();
    let predictor = model.predictor(&Options::default()).unwrap();
    let rows = uniform(200 * 40, 1);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (predictor, rows, expected) = (&predictor, &rows, &expected);
            scope.spawn(move || {
                for round in 0..50 {
                    let (from, count) = ((thread * 17 + round) % 100, 1 + round * 2 % 99);
                    let mut out = vec![0.0; count * 5];
                    predictor.predict_into(&rows[from * 40..][..count * 40], &mut out).unwrap();
                    assert_eq!(out, expected[from * 5..][..count * 5]);
                }
            });
        }
        model.fit(x.clone(), y, 20, 20).unwrap();
    });
    assert_ne!(model.predict(vec![x.clone()]).unwrap(), expected);
    assert_eq!(predictor.predict(vec![x]).unwrap()[0], expected);
}

#[test]
fn what_is_refused() {
    let model = Sequential::new(&[3], 1).dense(2, "relu").unwrap().build().unwrap();
    let predictor = model.predictor(&Options::default()).unwrap();
    let refused = |outcome: Result<(), Error>, text: &str| {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    let mut out = [0.0; 4];
    refused(predictor.predict_into(&[0.0; 5], &mut out), "x: expected samples of 3 numbers, received 5 numbers");
    refused(predictor.predict_into(&[], &mut []), "x: expected samples of 3 numbers");
    refused(predictor.predict_into(&[0.0; 3], &mut out), "out: expected 1 samples of 2 numbers, received 4 numbers");
    refused(predictor.predict(vec![inputs(2, &[4], 1)]).map(drop), "x: expected shape (None, 3), received (2, 4)");
    let made =
        |precision, calibration| model.predictor(&Options { precision, calibration, ..Options::default() }).map(drop);
    refused(made(Precision::Int8, None), "calibrate: expected samples like those to come");
    refused(made(Precision::Bf16, Some(inputs(2, &[3], 1))), "calibrate: expected None but for int8");
    refused(made(Precision::Int8, Some(inputs(2, &[4], 1))), "calibrate: x: expected shape (None, 3)");
    let bad = Array::new(vec![0.0, f32::INFINITY, 0.0], &[1, 3]).unwrap();
    refused(made(Precision::Int8, Some(bad)), "calibrate: expected finite numbers");
    model.graph().nodes[0].0.variables()[0].assign(&[3, 2], &[0.0, 1.0, 7e4, 0.0, 0.0, 0.0]).unwrap();
    refused(made(Precision::F16, None), "dense_0/kernel: expected weights within ±65504");
    assert!(made(Precision::Bf16, None).is_ok());
}
