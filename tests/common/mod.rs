//! Small networks for the tests, and their oracle: plain loops in double precision, straight from the formulas.
#![allow(dead_code, reason = "each test binary uses its part")]

#[cfg(feature = "gpu")]
pub mod gpu;
pub mod nets;
pub mod oracle;

use ironhorn::activations::{Activation, Formula, Visitor};
use ironhorn::backend::cpu::{CpuBackend, simd::Level};
use ironhorn::layers::Layer;
use ironhorn::losses::{LossConfig, Reduction, Target};
use ironhorn::model::{Graph, Model, Samples};
use ironhorn::optimizers::{OptimizerConfig, OptimizerState};
use ironhorn::rng::Stream;
use ironhorn::{Array, config};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A chain of layers: class names and configurations.
pub type Layers = Vec<(&'static str, Value)>;

/// Everything about a run but the numbers.
pub struct Setup {
    pub input_shape: Vec<usize>,
    pub layers: Layers,
    pub loss: Value,
    pub optimizer: Value,
    pub metrics: Value,
}

impl Setup {
    pub fn new(input_shape: &[usize], layers: Layers, loss: Value, optimizer: Value) -> Self {
        Setup { input_shape: input_shape.to_vec(), layers, loss, optimizer, metrics: json!([]) }
    }

    pub fn layers(&self) -> Vec<Arc<Layer>> {
        self.layers
            .iter()
            .enumerate()
            .map(|(i, (class, config))| {
                let mut config = config.clone();
                config["name"] = json!(format!("{}_{i}", class.to_lowercase()));
                let value = config::normalise(json!({"class_name": class, "config": config}), "test").unwrap();
                Arc::new(Layer::from_value(&value).unwrap())
            })
            .collect()
    }

    pub fn model(&self, backend: CpuBackend) -> Arc<Model> {
        self.model_of(&self.layers(), backend)
    }

    pub fn model_of(&self, layers: &[Arc<Layer>], backend: CpuBackend) -> Arc<Model> {
        let graph = Graph::chain(layers, &self.input_shape, 11).unwrap();
        let model = Arc::new(Model::on(graph, 11, Box::new(backend)).unwrap());
        let optimizer = OptimizerState::new(OptimizerConfig::parse(&self.optimizer).unwrap());
        model.compile(Arc::new(Mutex::new(optimizer)), &json!({"loss": self.loss, "metrics": self.metrics})).unwrap();
        model
    }
}

/// The best level, with all threads in every region.
pub fn every_thread() -> CpuBackend {
    CpuBackend { adaptive: false, ..CpuBackend::default() }
}

/// Every SIMD level of this machine, with the fused update path.
pub fn backends() -> Vec<CpuBackend> {
    let levels = [Level::Portable, Level::Avx2, Level::Avx512].into_iter().filter(|l| l.is_available());
    levels.map(|level| CpuBackend { level, ..every_thread() }).collect()
}

/// Uniform numbers in (−1, 1).
pub fn uniform(count: usize, seed: u64) -> Vec<f32> {
    let mut draws = Stream::new(seed, "data").sequence(0);
    (0..count).map(|_| (draws.uniform() * 2.0 - 1.0) as f32).collect()
}

/// Samples of a shape.
pub fn inputs(rows: usize, shape: &[usize], seed: u64) -> Array {
    let shape = [&[rows], shape].concat();
    Array::new(uniform(shape.iter().product(), seed), &shape).unwrap()
}

/// All weights of a model, variable by variable.
pub fn weights(model: &Model) -> Vec<Vec<f32>> {
    let nodes = model.graph().nodes.iter();
    nodes.flat_map(|(layer, _)| layer.variables().iter().map(|v| v.values().unwrap())).collect()
}

/// Puts other numbers into a model, so that biases are not zero.
pub fn set_weights(model: &Model, seed: u64) {
    for (layer, _) in &model.graph().nodes {
        for (i, v) in layer.variables().iter().enumerate() {
            let values: Vec<f32> = uniform(v.shape().iter().product(), seed + i as u64);
            let scale = 1.5 / (v.shape()[0] as f32).sqrt();
            v.assign(v.shape(), &values.iter().map(|x| x * scale).collect::<Vec<_>>()).unwrap();
        }
    }
}

struct Value64(f64);
impl Visitor for Value64 {
    type Output = f64;
    fn visit<F: Formula>(self, formula: F) -> f64 {
        formula.value(self.0)
    }
}

fn activate(activation: &Activation, row: &[f64]) -> Vec<f64> {
    if activation.is_rowwise() {
        let mut y = vec![0.0; activation.output_columns(row.len()).unwrap()];
        activation.row(row, &mut y);
        return y;
    }
    row.iter().map(|&x| activation.visit(Value64(x)).unwrap()).collect()
}

/// The network in double precision on one sample; gives the rows of its output.
pub fn forward(setup: &Setup, weights: &[Vec<f64>], sample: &[f64]) -> Vec<Vec<f64>> {
    let columns = *setup.input_shape.last().unwrap();
    let mut rows: Vec<Vec<f64>> = sample.chunks(columns).map(<[f64]>::to_vec).collect();
    let mut weights = weights.iter();
    for (class, config) in &setup.layers {
        match *class {
            "Flatten" => rows = vec![rows.concat()],
            "Dense" => {
                let (kernel, bias) = (weights.next().unwrap(), weights.next().unwrap());
                let units = bias.len();
                let activation = Activation::parse(&config["activation"], "test").unwrap();
                for row in &mut rows {
                    let sum = |j: usize| {
                        bias[j] + row.iter().enumerate().map(|(i, x)| x * kernel[i * units + j]).sum::<f64>()
                    };
                    *row = activate(&activation, &(0..units).map(sum).collect::<Vec<_>>());
                }
            }
            "Activation" => {
                let activation = Activation::parse(&config["activation"], "test").unwrap();
                rows.iter_mut().for_each(|row| *row = activate(&activation, row));
            }
            other => panic!("the oracle has no {other}"),
        }
    }
    rows
}

/// Targets of the oracle.
pub enum Targets {
    Dense(Vec<f64>),
    Class(Vec<f64>),
}

/// The reduced loss of a batch in double precision.
pub fn loss(setup: &Setup, weights: &[Vec<f64>], x: &[Vec<f64>], y: &Targets, sample_weight: &[f64]) -> f64 {
    let LossConfig { loss, reduction } = LossConfig::parse(&setup.loss, "loss").unwrap();
    let (mut sum, mut whole, mut at) = (0.0, 0.0, 0);
    for (sample, weight) in x.iter().zip(sample_weight) {
        for row in forward(setup, weights, sample) {
            let target = match y {
                Targets::Dense(values) => Target::Dense(&values[at * row.len()..(at + 1) * row.len()]),
                Targets::Class(ids) => Target::Class(ids[at]),
            };
            sum += weight * loss.plain(target, &row, None);
            whole += if reduction == Reduction::MeanWithSampleWeight { *weight } else { loss.presence(target) };
            at += 1;
        }
    }
    if reduction == Reduction::Sum { sum } else { sum / whole }
}

/// One input, one output, weights where there are any.
pub fn samples(x: Array, y: Array, weights: Option<Array>) -> Samples {
    Samples { weights: vec![weights], ..Samples::of(x, y) }
}
