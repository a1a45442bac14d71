//! The dispatches that a plan becomes.
//!
//! An activation and dropout that follow a dense layer run in the store of its product, and on the way back in the
//! store of the next product's; so a dense layer costs a dispatch forward and two backward, of which the last
//! also updates the variables. The first layer reads its batch from the resident data set.

use super::schedule::{Node, Tail, nodes};
use super::wgsl::{self, WeightVariant};
use crate::backend::{Objective, Purpose, fused_head};
use crate::error::{Error, Result};
use crate::losses::Head;
use crate::optimizers::OptimizerConfig;
use crate::params::Layout;
use crate::plan::{Kind, Plan, TensorId};
use crate::rng::{dropout_scale, dropout_threshold};
use std::collections::HashSet;

/// Rows and columns that a workgroup of a product computes.
const TILE: usize = 32;
/// Invocations in a workgroup of the other kernels.
const GROUP: usize = 64;
/// Workgroups that a dimension of a dispatch may have.
const MAX_GROUPS: usize = 65_535;

/// A buffer by what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// An input of the data set.
    Input(usize),
    /// Targets of the data set.
    Target,
    /// One weight a sample of the data set.
    Weights,
    /// The order of the samples.
    Order,
    /// What the loss reports.
    Results,
    /// A tensor of the batch.
    Value(TensorId),
    /// Its gradient.
    Gradient(TensorId),
    /// A variable.
    Variable(usize),
    /// Its slots, one after the other.
    Slots(usize),
    /// Its gradient, where that is kept.
    VariableGradient(usize),
    /// Sums of squares of gradients.
    Norms,
    /// For a binding that a kernel's variant does not read.
    Nothing,
    /// For one that it does not write.
    Void(usize),
}

/// A number of things that may grow with the batch.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    PerSample(usize),
    Fixed(usize),
}

impl Count {
    fn of(self, samples: usize) -> usize {
        match self {
            Count::PerSample(n) => n.saturating_mul(samples),
            Count::Fixed(n) => n,
        }
    }
}

/// How many workgroups run.
#[derive(Clone, Copy, Debug)]
pub enum Grid {
    /// Tiles of a matrix with these rows and columns.
    Tiles(Count, usize),
    /// One invocation a thing; those beyond the largest dispatch are looped over.
    Each(Count),
    /// One workgroup.
    One,
}

impl Grid {
    /// Workgroups for a batch of `samples`.
    pub fn groups(self, samples: usize) -> [usize; 2] {
        match self {
            Grid::Tiles(rows, columns) => [columns.div_ceil(TILE), rows.of(samples).div_ceil(TILE)],
            Grid::Each(count) => [count.of(samples).div_ceil(GROUP).clamp(1, MAX_GROUPS), 1],
            Grid::One => [1, 1],
        }
    }
}

/// The numbers of one dispatch, as `Shape` in `common.wgsl`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    pub per_sample: usize,
    pub depth: usize,
    pub columns: usize,
    pub extra: usize,
    dropout: Option<([u32; 4], u32, f32)>,
}

impl Shape {
    /// As the shader lays them out.
    pub fn words(&self) -> [u32; 12] {
        let (key, threshold, keep) = self.dropout.unwrap_or_default();
        let [a, b, c] = [self.per_sample, self.depth, self.columns].map(|n| n as u32);
        [a, b, c, threshold, key[0], key[1], key[2], key[3], keep.to_bits(), self.extra as u32, 0, 0]
    }

    fn with(self, tail: &Tail) -> Self {
        let dropout =
            tail.dropout.map(|(rate, stream)| (stream.key(), dropout_threshold(rate), dropout_scale(rate) as f32));
        Shape { dropout, ..self }
    }
}

/// One kernel at work.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The layer, for messages.
    pub layer: String,
    /// The shader's text.
    pub shader: String,
    /// What its storage bindings are bound to.
    pub places: Vec<Place>,
    /// Its numbers.
    pub shape: Shape,
    /// How often it runs.
    pub grid: Grid,
}

/// A plan for one purpose.
pub struct Program {
    /// In order.
    pub dispatches: Vec<Dispatch>,
    /// The tensor that the loss reads, or the output.
    pub output: TensorId,
    /// Numbers that the loss reports for a workgroup of rows; none without a loss.
    pub quantities: usize,
    /// Workgroups of the loss in a full batch.
    pub groups: usize,
}

/// What is known while a program is made.
struct Maker<'a> {
    plan: &'a Plan,
    nodes: Vec<Node>,
    /// The tensor whose buffers hold each tensor.
    roots: Vec<TensorId>,
    /// Inputs that products read from the data set.
    direct: Vec<bool>,
    dispatches: Vec<Dispatch>,
    training: bool,
}

/// Where the rows of a loss are read by the host.
pub fn loss_groups(samples: usize, per_sample: usize) -> usize {
    samples.saturating_mul(per_sample).div_ceil(GROUP)
}

impl Program {
    /// Makes the dispatches of a step. Training needs the optimizer.
    pub fn new(plan: &Plan, purpose: &Purpose, batch: usize, optimizer: Option<&OptimizerConfig>) -> Result<Self> {
        let (mut output, mut head, mut last) = (plan.outputs[0], Head::Plain, plan.stages.len());
        let objective = match purpose {
            Purpose::Train(objective) | Purpose::Evaluate(objective) => Some(objective),
            Purpose::Predict => None,
        };
        if let Some(objective) = objective {
            let own = output;
            (output, head) = fused_head(plan, objective);
            last -= usize::from(output != own);
        }
        let training = matches!(purpose, Purpose::Train(_));
        let (nodes, roots) = nodes(plan, last, output, training);
        let direct = (0..plan.tensors.len())
            .map(|t| {
                let products = |s: &crate::plan::Stage| s.input != t || matches!(s.kind, Kind::Dense { .. });
                plan.tensors[t].source.is_some() && t != output && plan.stages[..last].iter().all(products)
            })
            .collect();
        let mut maker = Maker { plan, nodes, roots, direct, dispatches: Vec::new(), training };
        maker.forward();
        let per_sample = plan.tensors[output].rows();
        let groups = loss_groups(batch, per_sample);
        if let Some(objective) = objective {
            maker.loss(objective, output, head, groups);
        }
        if let Some(optimizer) = optimizer.filter(|_| training) {
            let filled = maker.backward(output);
            maker.update(&filled, optimizer);
        }
        let program = Program {
            output: maker.roots[output],
            dispatches: maker.dispatches,
            quantities: objective.map_or(0, |o| 1 + o.metrics.len()),
            groups,
        };
        program.check(batch)?;
        Ok(program)
    }

    /// Refuses what is beyond any dispatch.
    fn check(&self, batch: usize) -> Result<()> {
        let beyond = |d: &&Dispatch| d.grid.groups(batch).iter().any(|&n| n > MAX_GROUPS);
        let too_many_rows = self.quantities > 0 && self.groups > MAX_GROUPS;
        match self.dispatches.iter().find(beyond) {
            Some(dispatch) => Err(too_large(&dispatch.layer, batch)),
            None if too_many_rows => Err(too_large("loss", batch)),
            None => Ok(()),
        }
    }
}

fn too_large(layer: &str, batch: usize) -> Error {
    Error::Device(format!(
        "{layer}: a batch of {batch} samples takes more than {MAX_GROUPS} workgroups a dimension, the most a GPU runs at \
         once; use smaller batches or the device \"cpu\""
    ))
}

impl Maker<'_> {
    fn push(&mut self, layer: &str, shader: String, places: Vec<Place>, shape: Shape, grid: Grid) {
        self.dispatches.push(Dispatch { layer: layer.to_string(), shader, places, shape, grid });
    }

    fn value(&self, tensor: TensorId) -> Place {
        match self.plan.tensors[tensor].source {
            Some(source) if self.direct[tensor] => Place::Input(source),
            _ => Place::Value(self.roots[tensor]),
        }
    }

    fn gradient(&self, tensor: TensorId) -> Place {
        Place::Gradient(self.roots[tensor])
    }

    /// The numbers of a matrix: (rows a sample, columns).
    fn size(&self, tensor: TensorId) -> (usize, usize) {
        (self.plan.tensors[tensor].rows(), self.plan.tensors[tensor].columns())
    }

    fn shape(&self, tensor: TensorId) -> Shape {
        let (per_sample, columns) = self.size(tensor);
        Shape { per_sample, columns, ..Shape::default() }
    }

    /// Where a tail leaves its values: before, after the activation, after dropout.
    fn tail_places(&self, tail: &Tail) -> [Place; 3] {
        [
            if tail.keeps_input(self.training) { self.value(tail.input) } else { Place::Void(0) },
            self.value(tail.middle),
            if tail.dropout.is_some() { self.value(tail.output) } else { Place::Void(1) },
        ]
    }

    fn forward(&mut self) {
        for t in 0..self.plan.tensors.len() {
            let tensor = &self.plan.tensors[t];
            if let Some(source) = tensor.source.filter(|_| tensor.uses > 0 && !self.direct[t]) {
                let (rows, columns) = self.size(t);
                let places = vec![Place::Input(source), Place::Order, self.value(t)];
                self.push("input", wgsl::gather(), places, self.shape(t), Grid::Each(Count::PerSample(rows * columns)));
            }
        }
        for node in self.nodes.clone() {
            self.forward_node(&node);
        }
    }

    fn forward_node(&mut self, node: &Node) {
        match node {
            Node::Dense { stage, kernel, bias, tail } => {
                let (input, layer) = (self.plan.stages[*stage].input, &self.plan.stages[*stage].layer);
                let (rows, columns) = self.size(tail.input);
                let shape = Shape { depth: self.size(input).1, ..self.shape(tail.input) }.with(tail);
                let shader = wgsl::dense(tail.variant(self.training), bias.is_some(), self.direct[input]);
                let mut places = vec![self.value(input), Place::Variable(*kernel)];
                places.extend([bias.map_or(Place::Nothing, Place::Variable), Place::Order]);
                places.extend(self.tail_places(tail));
                self.push(layer, shader, places, shape, Grid::Tiles(Count::PerSample(rows), columns));
            }
            Node::Tail { stage, tail } => {
                let layer = &self.plan.stages[*stage].layer;
                let (rows, columns) = self.size(tail.input);
                let shader = wgsl::tail_forward(tail.variant(self.training));
                let [_, middle, dropped] = self.tail_places(tail);
                let middle = if tail.activation.is_some() { middle } else { Place::Void(0) };
                let places = vec![self.value(tail.input), middle, dropped];
                let grid = Grid::Each(Count::PerSample(rows.div_ceil(4) * columns));
                self.push(layer, shader, places, self.shape(tail.input).with(tail), grid);
            }
            Node::Rows { stage, activation } => {
                let (s, shader) = (&self.plan.stages[*stage], wgsl::rows_forward(activation));
                let shape = Shape { depth: self.size(s.input).1, ..self.shape(s.output) };
                let places = vec![self.value(s.input), self.value(s.output)];
                self.push(&s.layer, shader, places, shape, Grid::Each(Count::PerSample(shape.per_sample)));
            }
        }
    }

    fn loss(&mut self, objective: &Objective, output: TensorId, head: Head, groups: usize) {
        let gradient = self.training && self.plan.tensors[output].trained;
        let shader = wgsl::loss(objective, head, gradient);
        let slope = if gradient { self.gradient(output) } else { Place::Void(0) };
        let places = vec![self.value(output), Place::Target, Place::Weights, Place::Order, slope, Place::Results];
        let shape = Shape { extra: groups, ..self.shape(output) };
        self.push("loss", shader, places, shape, Grid::Each(Count::PerSample(shape.per_sample)));
    }

    /// All gradients of tensors; returns those that there are.
    fn backward(&mut self, output: TensorId) -> HashSet<TensorId> {
        let mut filled = HashSet::new();
        if self.plan.tensors[output].trained {
            filled.insert(self.roots[output]);
        }
        for node in self.nodes.clone().iter().rev() {
            match node {
                Node::Dense { stage, kernel, tail, .. } => {
                    self.tail_backward(*stage, tail, &mut filled);
                    self.dense_backward(*stage, *kernel, tail.input, &mut filled);
                }
                Node::Tail { stage, tail } => self.tail_backward(*stage, tail, &mut filled),
                Node::Rows { stage, activation } => {
                    let s = &self.plan.stages[*stage];
                    let (from, to) = (self.roots[s.input], self.roots[s.output]);
                    if !self.plan.tensors[s.input].trained || !filled.contains(&to) {
                        continue;
                    }
                    let shader = wgsl::rows_backward(activation, !filled.insert(from));
                    let shape = Shape { depth: self.size(s.input).1, ..self.shape(s.output) };
                    let places = vec![
                        self.value(s.input),
                        self.value(s.output),
                        self.gradient(s.output),
                        self.gradient(s.input),
                    ];
                    self.push(&s.layer, shader, places, shape, Grid::Each(Count::PerSample(shape.per_sample)));
                }
            }
        }
        filled
    }

    /// From the gradient of a tail's output to that of its input, where no product has done it already.
    fn tail_backward(&mut self, stage: usize, tail: &Tail, filled: &mut HashSet<TensorId>) {
        let (from, to) = (self.roots[tail.input], self.roots[tail.output]);
        if from == to || !filled.contains(&to) || !self.plan.tensors[tail.input].trained {
            return;
        }
        let shader = wgsl::tail_backward(tail.variant(true), !filled.insert(from));
        let (rows, columns) = self.size(tail.input);
        let before = if tail.keeps_input(true) { self.value(tail.input) } else { Place::Nothing };
        let places = vec![self.gradient(tail.output), before, self.value(tail.middle), self.gradient(tail.input)];
        let grid = Grid::Each(Count::PerSample(rows.div_ceil(4) * columns));
        let layer = &self.plan.stages[stage].layer;
        self.push(layer, shader, places, self.shape(tail.input).with(tail), grid);
    }

    /// From the gradient of a product to that of its input, and through the tail that made the input.
    fn dense_backward(&mut self, stage: usize, kernel: usize, product: TensorId, filled: &mut HashSet<TensorId>) {
        let (input, layer) = (self.plan.stages[stage].input, &self.plan.stages[stage].layer);
        if !self.plan.tensors[input].trained || !filled.contains(&self.roots[product]) {
            return;
        }
        let before = self.nodes.iter().find_map(|node| node.tail().filter(|t| t.output == input && !t.is_empty()));
        let through = before.filter(|_| self.plan.tensors[input].uses == 1).cloned();
        let through = through.filter(|tail| !filled.contains(&self.roots[tail.input]));
        let target = through.as_ref().map_or(input, |tail| tail.input);
        let accumulate = !filled.insert(self.roots[target]);
        let shader = wgsl::input_gradient(through.as_ref().map(|tail| tail.variant(true)), accumulate);
        let (rows, columns) = self.size(input);
        let mut shape = Shape { depth: self.size(product).1, ..self.shape(input) };
        let mut places = vec![self.gradient(product), Place::Variable(kernel), Place::Nothing, Place::Nothing];
        if let Some(tail) = &through {
            shape = shape.with(tail);
            places[3] = self.value(tail.middle);
            if tail.keeps_input(true) {
                places[2] = self.value(tail.input);
            }
        }
        places.push(self.gradient(target));
        self.push(layer, shader, places, shape, Grid::Tiles(Count::PerSample(rows), columns));
    }

    /// Gradients of variables and their updates, after all gradients of tensors.
    fn update(&mut self, filled: &HashSet<TensorId>, optimizer: &OptimizerConfig) {
        let clipped = optimizer.clipnorm.is_some() || optimizer.global_clipnorm.is_some();
        let mut stored: Vec<(usize, String)> = Vec::new();
        for node in self.nodes.clone() {
            let Node::Dense { stage, kernel, bias, tail } = node else { continue };
            let bias = bias.filter(|&b| self.plan.trained[b]);
            let trains = self.plan.trained[kernel];
            if !(trains || bias.is_some()) || !filled.contains(&self.roots[tail.input]) {
                continue;
            }
            let (input, layer) = (self.plan.stages[stage].input, self.plan.stages[stage].layer.clone());
            let general = clipped || self.plan.variable_uses[kernel] != 1;
            let again = general && stored.iter().any(|(v, _)| *v == kernel || Some(*v) == bias);
            let variant =
                WeightVariant { kernel: trains, bias: bias.is_some(), gather: self.direct[input], accumulate: again };
            let shader = wgsl::weight_gradient(variant, (!general).then_some(optimizer));
            let place = |v: usize| if general { Place::VariableGradient(v) } else { Place::Variable(v) };
            let slots = |v: usize, i| if general || optimizer.slots() == 0 { Place::Void(i) } else { Place::Slots(v) };
            let mut places = vec![self.value(input), self.gradient(tail.input), Place::Order];
            places.extend(if trains { [place(kernel), slots(kernel, 1)] } else { [Place::Void(0), Place::Void(1)] });
            places.extend(bias.map_or([Place::Void(2), Place::Void(3)], |b| [place(b), slots(b, 3)]));
            let (depth, columns) = (self.size(input).1, self.size(tail.input).1);
            let shape = Shape { depth, ..self.shape(tail.input) };
            let rows = Count::Fixed(depth + usize::from(bias.is_some()));
            self.push(&layer, shader, places, shape, Grid::Tiles(rows, columns));
            if general && !again {
                stored.extend(trains.then(|| (kernel, layer.clone())));
                stored.extend(bias.map(|b| (b, layer)));
            }
        }
        self.apply(&stored, optimizer, clipped);
    }

    /// Updates from gradients in memory.
    fn apply(&mut self, stored: &[(usize, String)], optimizer: &OptimizerConfig, clipped: bool) {
        let shape = |this: &Self, v: usize, extra| {
            let Layout { rows, columns } = this.plan.variables[v].layout();
            Shape { depth: rows, columns, extra, ..Shape::default() }
        };
        for (i, (v, layer)) in stored.iter().enumerate().filter(|_| clipped) {
            let places = vec![Place::VariableGradient(*v), Place::Norms];
            self.push(layer, wgsl::norm(), places, shape(self, *v, i), Grid::One);
        }
        for (i, (v, layer)) in stored.iter().enumerate() {
            let norms = if clipped { Place::Norms } else { Place::Nothing };
            let slots = if optimizer.slots() == 0 { Place::Void(0) } else { Place::Slots(*v) };
            let places = vec![Place::VariableGradient(*v), norms, Place::Variable(*v), slots];
            let shape = shape(self, *v, i);
            let grid = Grid::Each(Count::Fixed(shape.depth * shape.columns));
            self.push(layer, wgsl::apply(optimizer, stored.len()), places, shape, grid);
        }
    }
}
