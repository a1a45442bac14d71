//! A plan being made: layers add their stages, and at the end it is decided which tensors share memory.

use super::{Kind, Plan, Stage, Tensor, TensorId};
use crate::activations::Activation;
use crate::error::{Error, Result};
use crate::params::Variable;
use crate::rng::Stream;
use std::sync::Arc;

/// A plan being made.
pub struct Builder {
    plan: Plan,
    path: String,
    /// Whether gradients by the inputs are wanted.
    input_gradients: bool,
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
        Builder { plan, path: String::new(), input_gradients: false }
    }

    /// The same for a plan whose way back goes on to the inputs.
    pub fn with_input_gradients(self) -> Self {
        Builder { input_gradients: true, ..self }
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
        self.tensor(shape.to_vec(), Some(source), self.input_gradients)
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
            Some(source) => self.tensor(shape, Some(source), self.input_gradients),
            None => self.stage(layer, Kind::Reshape, &[input], shape),
        }
    }

    /// The elements of each sample in another order: element e is the input's element `map[e]`.
    pub fn rearrange(&mut self, layer: &str, input: TensorId, map: Vec<u32>, shape: Vec<usize>) -> TensorId {
        let identity = map.len() == self.shape(input).iter().product::<usize>();
        if identity && map.iter().enumerate().all(|(i, &from)| i == from as usize) {
            return self.reshape(layer, input, shape);
        }
        self.stage(layer, Kind::Rearrange { map: map.into() }, &[input], shape)
    }

    /// y = x · kernel + bias.
    pub fn dense(&mut self, layer: &str, input: TensorId, variables: &[Arc<Variable>], trainable: bool) -> TensorId {
        let indices: Vec<usize> = variables.iter().map(|v| self.variable(v, trainable)).collect();
        let mut shape = self.shape(input).to_vec();
        if let Some(last) = shape.last_mut() {
            *last = variables[0].shape()[1];
        }
        self.stage(layer, Kind::Dense { kernel: indices[0], bias: indices.get(1).copied() }, &[input], shape)
    }

    /// An activation; the identity adds nothing.
    pub fn activation(&mut self, layer: &str, input: TensorId, activation: &Activation) -> Result<TensorId> {
        if *activation == Activation::Linear {
            return Ok(input);
        }
        let mut shape = self.shape(input).to_vec();
        if !activation.is_rowwise() {
            return Ok(self.stage(layer, Kind::Map(*activation), &[input], shape));
        }
        let columns = shape.last().copied().unwrap_or(1);
        let out = activation.output_columns(columns).ok_or_else(|| {
            Error::invalid(format!("{layer}: {}", activation.name()), "an even last axis", columns.to_string())
        })?;
        if let Some(last) = shape.last_mut() {
            *last = out;
        }
        Ok(self.stage(layer, Kind::RowMap(*activation), &[input], shape))
    }

    /// A stage of any kind; the output has this shape. Its variables must come from [`Builder::variable`].
    pub fn stage(&mut self, layer: &str, kind: Kind, inputs: &[TensorId], shape: Vec<usize>) -> TensorId {
        let trains = kind.variables().into_iter().any(|v| self.plan.trained[v]);
        let passes = kind.passes_gradient() && inputs.iter().any(|&t| self.plan.tensors[t].trained);
        let output = self.tensor(shape, None, trains || passes);
        for &input in inputs {
            self.plan.tensors[input].uses += 1;
        }
        self.plan.stages.push(Stage { layer: layer.to_string(), kind, inputs: inputs.to_vec(), output });
        output
    }

    fn tensor(&mut self, shape: Vec<usize>, source: Option<usize>, trained: bool) -> TensorId {
        let id = self.plan.tensors.len();
        self.plan.tensors.push(Tensor { shape, source, uses: 0, storage: id, gradient: id, trained });
        id
    }

    /// The number of a variable among the plan's; `trainable` is its layer's. Each call counts as a use.
    pub fn variable(&mut self, variable: &Arc<Variable>, trainable: bool) -> usize {
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
            let Stage { ref kind, ref inputs, output, .. } = plan.stages[i];
            let input = inputs[0];
            if matches!(kind, Kind::Penalty { .. }) {
                // It only looks at its input.
                plan.tensors[output].storage = plan.tensors[input].storage;
                continue;
            }
            let writes_over = |kind: &Kind| matches!(kind, Kind::Map(a) if !a.needs_input());
            let hands_down = |kind: &Kind| matches!(kind, Kind::Map(_) | Kind::Dropout { .. });
            let (over_input, down) = (writes_over(kind) && made_by_dense(plan, input), hands_down(kind));
            if plan.tensors[input].uses > 1 {
                continue;
            }
            if over_input {
                plan.tensors[output].storage = plan.tensors[input].storage;
            }
            if down {
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
