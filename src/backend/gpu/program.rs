//! The dispatches that a plan becomes.
//!
//! An activation and dropout that follow a dense layer run in the store of its product, and on the way back in the
//! store of the next product's; so a dense layer costs a dispatch forward and two backward, of which the last
//! also updates the variables. The first layer reads its batch from the resident data set.

use super::dispatch::{Count, Dispatch, GROUP, Grid, MAX_GROUPS, Place, Shape};
use super::schedule::{Node, Tail, nodes};
use super::wgsl;
use crate::backend::{LossInput, Objective, Purpose, loss_input};
use crate::error::{Error, Result};
use crate::losses::Head;
use crate::optimizers::OptimizerConfig;
use crate::plan::{Kind, Plan, Stage, TensorId};

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
pub(super) struct Maker<'a> {
    pub(super) plan: &'a Plan,
    pub(super) nodes: Vec<Node>,
    /// The tensor whose buffers hold each tensor.
    pub(super) roots: Vec<TensorId>,
    /// Inputs that products read from the data set.
    pub(super) direct: Vec<bool>,
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
        let objective = purpose.objectives().first();
        let input = objective.map(|objective| loss_input(plan, 0, objective));
        if let Some(LossInput { tensor, head: own, fused: Some(stage) }) = input
            && stage + 1 == last
        {
            (output, head, last) = (tensor, own, stage);
        }
        let training = matches!(purpose, Purpose::Train(_));
        let (nodes, roots) = nodes(plan, last, output, training);
        let direct = (0..plan.tensors.len())
            .map(|t| {
                let products = |s: &Stage| s.input() != t || matches!(s.kind, Kind::Dense { .. });
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
    pub(super) fn push(&mut self, layer: &str, shader: String, places: Vec<Place>, shape: Shape, grid: Grid) {
        self.dispatches.push(Dispatch { layer: layer.to_string(), shader, places, shape, grid });
    }

    pub(super) fn value(&self, tensor: TensorId) -> Place {
        match self.plan.tensors[tensor].source {
            Some(source) if self.direct[tensor] => Place::Input(source),
            _ => Place::Value(self.roots[tensor]),
        }
    }

    pub(super) fn gradient(&self, tensor: TensorId) -> Place {
        Place::Gradient(self.roots[tensor])
    }

    /// The numbers of a matrix: (rows a sample, columns).
    pub(super) fn size(&self, tensor: TensorId) -> (usize, usize) {
        (self.plan.tensors[tensor].rows(), self.plan.tensors[tensor].columns())
    }

    pub(super) fn shape(&self, tensor: TensorId) -> Shape {
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
                let (input, layer) = (self.plan.stages[*stage].input(), &self.plan.stages[*stage].layer);
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
                let shape = Shape { depth: self.size(s.input()).1, ..self.shape(s.output) };
                let places = vec![self.value(s.input()), self.value(s.output)];
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
}
