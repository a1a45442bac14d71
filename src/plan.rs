//! The layer graph, compiled once into stages over tensors.
//!
//! Layers lower themselves into a [`Plan`]: stages in topological order, each reading and writing numbered tensors.
//! A chain of layers is the simplest graph, not a case of its own. The plan is data that every backend executes; it
//! also decides which tensors can share memory:
//!
//! - a stage whose backward pass needs only its output writes over its input, when nobody else reads that;
//! - the gradient of an elementwise stage's input overwrites the gradient of its output.

use crate::activations::Activation;
use crate::error::{Error, Result};
use crate::params::Variable;
use crate::rng::Stream;
use std::sync::Arc;

/// The number of a tensor in a plan.
pub type TensorId = usize;

/// One value that stages pass on: a matrix with `rows` rows a sample and `columns` columns.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The shape of one sample as layers see it.
    pub shape: Vec<usize>,
    /// Which input of the model this is a reading of.
    pub source: Option<usize>,
    /// How many stages and outputs read it.
    pub uses: usize,
    /// The tensor whose memory holds it.
    pub storage: TensorId,
    /// The tensor whose gradient memory holds its gradient.
    pub gradient: TensorId,
    /// Whether a trained variable lies upstream, so that a gradient is needed.
    pub trained: bool,
}

impl Tensor {
    /// Rows of a sample: all axes but the last.
    pub fn rows(&self) -> usize {
        self.shape.iter().rev().skip(1).product()
    }
    /// The last axis.
    pub fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}

/// What a stage computes.
#[derive(Clone, Debug)]
pub enum Kind {
    /// y = x · kernel + bias, along the last axis.
    Dense {
        /// The index of the kernel among the plan's variables.
        kernel: usize,
        /// The index of the bias.
        bias: Option<usize>,
    },
    /// An activation of each element.
    Map(Activation),
    /// An activation of each row.
    RowMap(Activation),
    /// Each element kept with probability 1 − rate and then divided by it; the identity in inference.
    Dropout {
        /// The fraction that is zeroed.
        rate: f64,
        /// The masks' random stream.
        stream: Stream,
    },
    /// The same elements in another shape.
    Reshape,
}

/// One step of the computation.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The layer it belongs to, for messages.
    pub layer: String,
    /// What it computes.
    pub kind: Kind,
    /// What it reads.
    pub input: TensorId,
    /// What it writes.
    pub output: TensorId,
}

/// A compiled graph.
#[derive(Clone)]
pub struct Plan {
    /// Every value.
    pub tensors: Vec<Tensor>,
    /// In topological order.
    pub stages: Vec<Stage>,
    /// The results.
    pub outputs: Vec<TensorId>,
    /// Every variable once, in the order of the layers.
    pub variables: Vec<Arc<Variable>>,
    /// How many stages use each variable.
    pub variable_uses: Vec<usize>,
    /// Whether training changes each variable.
    pub trained: Vec<bool>,
    /// The random seed of the model.
    pub seed: u64,
}

/// A plan being made.
pub struct Builder {
    plan: Plan,
    path: String,
}

impl Builder {
    /// An empty plan whose random streams hang on `seed`.
    pub fn new(seed: u64) -> Self {
        let plan = Plan {
            tensors: Vec::new(),
            stages: Vec::new(),
            outputs: Vec::new(),
            variables: Vec::new(),
            variable_uses: Vec::new(),
            trained: Vec::new(),
            seed,
        };
        Builder { plan, path: String::new() }
    }

    /// Names the random streams of the stages to come: a position in the model, not an order of creation.
    pub fn set_path(&mut self, path: String) {
        self.path = path;
    }

    /// A random stream of the current layer.
    pub fn stream(&self, role: &str, seed: Option<u64>) -> Stream {
        Stream::new(seed.unwrap_or(self.plan.seed), &format!("{}/{role}", self.path))
    }

    /// A tensor that holds input number `source` of the model.
    pub fn input(&mut self, source: usize, shape: &[usize]) -> TensorId {
        self.tensor(shape.to_vec(), Some(source), false)
    }

    /// The shape of one sample of a tensor.
    pub fn shape(&self, tensor: TensorId) -> &[usize] {
        &self.plan.tensors[tensor].shape
    }

    /// The same elements in another shape. An input is simply read in that shape.
    pub fn reshape(&mut self, layer: &str, input: TensorId, shape: Vec<usize>) -> TensorId {
        if self.plan.tensors[input].shape == shape {
            return input;
        }
        match self.plan.tensors[input].source {
            Some(source) => self.tensor(shape, Some(source), false),
            None => self.stage(layer, Kind::Reshape, input, shape),
        }
    }

    /// y = x · kernel + bias.
    pub fn dense(&mut self, layer: &str, input: TensorId, variables: &[Arc<Variable>], trainable: bool) -> TensorId {
        let indices: Vec<usize> = variables.iter().map(|v| self.variable(v, trainable)).collect();
        let mut shape = self.shape(input).to_vec();
        if let Some(last) = shape.last_mut() {
            *last = variables[0].shape()[1];
        }
        self.stage(layer, Kind::Dense { kernel: indices[0], bias: indices.get(1).copied() }, input, shape)
    }

    /// An activation; the identity adds nothing.
    pub fn activation(&mut self, layer: &str, input: TensorId, activation: &Activation) -> Result<TensorId> {
        if *activation == Activation::Linear {
            return Ok(input);
        }
        let mut shape = self.shape(input).to_vec();
        if !activation.is_rowwise() {
            return Ok(self.stage(layer, Kind::Map(*activation), input, shape));
        }
        let columns = shape.last().copied().unwrap_or(1);
        let out = activation.output_columns(columns).ok_or_else(|| {
            Error::invalid(format!("{layer}: {}", activation.name()), "an even last axis", columns.to_string())
        })?;
        if let Some(last) = shape.last_mut() {
            *last = out;
        }
        Ok(self.stage(layer, Kind::RowMap(*activation), input, shape))
    }

    /// A stage with one input and one output.
    pub fn stage(&mut self, layer: &str, kind: Kind, input: TensorId, shape: Vec<usize>) -> TensorId {
        let trains = match kind {
            Kind::Dense { kernel, bias } => self.plan.trained[kernel] || bias.is_some_and(|b| self.plan.trained[b]),
            _ => false,
        };
        let trained = self.plan.tensors[input].trained || trains;
        let output = self.tensor(shape, None, trained);
        self.plan.tensors[input].uses += 1;
        self.plan.stages.push(Stage { layer: layer.to_string(), kind, input, output });
        output
    }

    fn tensor(&mut self, shape: Vec<usize>, source: Option<usize>, trained: bool) -> TensorId {
        let id = self.plan.tensors.len();
        self.plan.tensors.push(Tensor { shape, source, uses: 0, storage: id, gradient: id, trained });
        id
    }

    fn variable(&mut self, variable: &Arc<Variable>, trainable: bool) -> usize {
        let plan = &mut self.plan;
        let known = plan.variables.iter().position(|v| v.id() == variable.id());
        let index = known.unwrap_or(plan.variables.len());
        if known.is_none() {
            plan.variables.push(variable.clone());
            plan.variable_uses.push(0);
            plan.trained.push(variable.trainable() && trainable);
        }
        plan.variable_uses[index] += 1;
        index
    }

    /// The finished plan.
    pub fn finish(mut self, outputs: Vec<TensorId>) -> Plan {
        for &output in &outputs {
            self.plan.tensors[output].uses += 1;
        }
        self.plan.outputs = outputs;
        self.share_memory();
        self.plan
    }

    fn share_memory(&mut self) {
        let plan = &mut self.plan;
        let made_by_dense = |plan: &Plan, t: TensorId| {
            plan.stages.iter().any(|s| s.output == t && matches!(s.kind, Kind::Dense { .. }))
        };
        for i in 0..plan.stages.len() {
            let Stage { ref kind, input, output, .. } = plan.stages[i];
            if plan.tensors[input].uses > 1 {
                continue;
            }
            let over_input = matches!(kind, Kind::Map(a) if !a.needs_input()) && made_by_dense(plan, input);
            if over_input {
                plan.tensors[output].storage = plan.tensors[input].storage;
            }
            if matches!(kind, Kind::Map(_) | Kind::Dropout { .. }) {
                // Backward runs from the last stage to the first, so the input's gradient takes the output's place.
                plan.tensors[input].gradient = output;
            }
        }
        for t in (0..plan.tensors.len()).rev() {
            let mut root = plan.tensors[t].gradient;
            while plan.tensors[root].gradient != root {
                root = plan.tensors[root].gradient;
            }
            plan.tensors[t].gradient = root;
        }
    }
}
