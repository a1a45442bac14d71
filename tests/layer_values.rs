//! What layers give: Keras's own numbers, ids and categories, what training alone does, and gradients in corners where
//! finite differences say nothing.

mod common;

use common::nets::*;
use common::oracle::{Net, Tensor, arrays, variables};
use common::*;
use ironhorn::Array;
use ironhorn::train::Schedule;
use serde_json::{Value, json};

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
