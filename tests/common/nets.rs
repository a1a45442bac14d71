//! Small nets of any layers: numbers for them, and training.

use super::oracle::{Net, Tensor, arrays, rounded};
use super::{Array, CpuBackend, Model, uniform};
use ironhorn::model::Samples;
use ironhorn::train::{Fit, Schedule};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Samples in a batch.
pub const ROWS: usize = 11;

pub fn dense(units: usize) -> (&'static str, Value) {
    ("Dense", json!({"units": units, "activation": "tanh"}))
}

/// Dense, a layer, dense.
pub fn around(input: &[usize], units: usize, class: &'static str, config: Value) -> Net {
    Net::chain(input, vec![dense(units), (class, config), dense(3)])
}

/// Two inputs, each with a dense layer of its own, merged, then dense.
pub fn merged(inputs: [&[usize]; 2], units: [usize; 2], class: &'static str, config: Value) -> Net {
    let nodes = vec![
        (dense(units[0]).0, dense(units[0]).1, vec![0]),
        (dense(units[1]).0, dense(units[1]).1, vec![1]),
        (class, config, vec![2, 3]),
        (dense(2).0, dense(2).1, vec![4]),
    ];
    Net { inputs: inputs.iter().map(|s| s.to_vec()).collect(), nodes }
}

/// Every layer in a small net, by what is tried.
pub fn nets() -> Vec<(String, Net)> {
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
pub fn data(net: &Net, rows: usize) -> Vec<Tensor> {
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
pub fn prepared(net: &Net, backend: CpuBackend, optimizer: &Value) -> Arc<Model> {
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

pub fn fit(model: &Arc<Model>, x: &[Tensor], y: &[f32], schedule: Schedule, epochs: usize) -> f64 {
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

pub fn outputs(model: &Model) -> usize {
    model.output_shapes()[0].iter().product()
}
