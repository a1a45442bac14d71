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
