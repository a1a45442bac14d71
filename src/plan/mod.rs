//! The layer graph, compiled once into stages over tensors.
//!
//! Layers lower themselves into a [`Plan`]: stages in topological order, each reading and writing numbered tensors.
//! A chain of layers is the simplest graph, not a case of its own. The plan is data that every backend executes; it
//! also decides which tensors can share memory:
//!
//! - a stage whose backward pass needs only its output writes over its input, when nobody else reads that;
//! - the gradient of an elementwise stage's input overwrites the gradient of its output.

mod builder;
mod kind;

pub use builder::Builder;
pub use kind::{Encoding, Kind, Merge, Noise, RowMoments};

use crate::params::Variable;
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

/// One step of the computation.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The layer it belongs to, for messages.
    pub layer: String,
    /// What it computes.
    pub kind: Kind,
    /// What it reads.
    pub inputs: Vec<TensorId>,
    /// What it writes.
    pub output: TensorId,
}

impl Stage {
    /// What it reads, or the first of it.
    pub fn input(&self) -> TensorId {
        self.inputs[0]
    }
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

impl Plan {
    /// The last axis of each output.
    pub fn output_columns(&self) -> Vec<usize> {
        self.outputs.iter().map(|&t| self.tensors[t].columns()).collect()
    }

    /// Whether only dense stages use a variable.
    pub fn is_dense(&self, variable: usize) -> bool {
        let uses = |stage: &&Stage| stage.kind.variables().contains(&variable);
        self.stages.iter().filter(uses).all(|stage| matches!(stage.kind, Kind::Dense { .. }))
    }

    /// What of a plan, if anything, the GPU backend cannot do: ids are single precision there.
    pub fn refused_on_gpu(&self) -> Option<String> {
        let beyond = |table: usize| self.variables[table].layout().rows > 1 << 24;
        let stage = self.stages.iter().find(|s| matches!(s.kind, Kind::Embedding { table } if beyond(table)))?;
        Some(format!("{} of more than 16777216 rows (layer '{}')", stage.kind.name(), stage.layer))
    }
}
