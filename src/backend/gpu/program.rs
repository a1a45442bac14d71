//! The dispatches that a plan becomes.
//!
//! An activation and dropout that follow a dense layer run in the store of its product, and on the way back in the
//! store of the next product's; so a dense layer costs a dispatch forward and two backward, of which the last
//! also updates the variables. The first layer reads its batch from the resident data set.

use super::dispatch::{Count, Dispatch, Grid, MAX_GROUPS, Place, Shape, is_long, row_groups};
use super::schedule::{Node, Tail, nodes};
use super::wgsl::{self, Product};
use crate::backend::{LossInput, Objective, Purpose, loss_input};
use crate::error::{Error, Result};
use crate::optimizers::{OptimizerConfig, OptimizerState};
use crate::plan::{Kind, Plan, Stage, TensorId};
use std::collections::{HashMap, HashSet};

/// A plan for one purpose.
pub struct Program {
    /// In order.
    pub dispatches: Vec<Dispatch>,
    /// The tensors in whose buffers the outputs are.
    pub outputs: Vec<TensorId>,
    /// What a step reports.
    pub sections: Vec<Section>,
    /// Numbers that a step reports.
    pub results: usize,
    /// The sizes of what stages keep.
    pub kept: HashMap<Place, Count>,
    /// The words of what stages are given.
    pub given: HashMap<Place, Vec<u32>>,
}

/// A part of what a step reports, from number `first` on.
pub struct Section {
    pub content: Content,
    pub first: usize,
}

/// What it is.
#[derive(Clone, Copy)]
pub enum Content {
    /// For each workgroup of an output's rows the sum of their losses, then that of each metric which the device computes.
    /// `long`: a workgroup has one row.
    Rows { output: usize, quantities: usize, long: bool },
    /// An output itself, for metrics that the host computes.
    Raw { output: usize },
    /// The penalty on a variable.
    Penalty,
    /// For each workgroup of samples the sum of their penalties.
    Activity,
}

/// The optimizer, as far as a program depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    pub config: OptimizerConfig,
    /// Whether each variable decays.
    pub decays: Vec<bool>,
}

impl Course {
    /// What `optimizer` does to the variables of a plan.
    pub fn of(optimizer: &OptimizerState, plan: &Plan) -> Self {
        let decays = plan.variables.iter().map(|v| optimizer.decays(v.id())).collect();
        Course { config: optimizer.config().clone(), decays }
    }
}

/// What is known while a program is made.
pub(super) struct Maker<'a> {
    pub(super) plan: &'a Plan,
    pub(super) nodes: Vec<Node>,
    /// The tensor whose buffers hold each tensor.
    pub(super) roots: Vec<TensorId>,
    /// Inputs that products and tables read from the data set.
    pub(super) direct: Vec<bool>,
    pub(super) training: bool,
    /// Whether there is a loss.
    pub(super) reports: bool,
    /// Samples in a batch.
    pub(super) batch: usize,
    /// Tensors that have a gradient, by their roots.
    pub(super) filled: HashSet<TensorId>,
    program: Program,
}

impl Program {
    /// Makes the dispatches of a step. Training needs the optimizer.
    pub fn new(plan: &Plan, purpose: &Purpose, batch: usize, course: Option<&Course>) -> Result<Self> {
        let objectives = purpose.objectives();
        let losses: Vec<LossInput> = objectives.iter().enumerate().map(|(o, own)| loss_input(plan, o, own)).collect();
        let fused: Vec<usize> = losses.iter().filter_map(|l| l.fused).collect();
        let training = matches!(purpose, Purpose::Train(_));
        let (nodes, roots) = nodes(plan, &fused, training);
        let read_there = |s: &Stage| matches!(s.kind, Kind::Dense { .. } | Kind::Embedding { .. });
        let direct = (0..plan.tensors.len())
            .map(|t| {
                let readers = |s: &Stage| !s.inputs.contains(&t) || read_there(s);
                plan.tensors[t].source.is_some() && !plan.outputs.contains(&t) && plan.stages.iter().all(readers)
            })
            .collect();
        let outputs = plan.outputs.iter().map(|&t| roots[t]).collect();
        let (kept, given) = (HashMap::new(), HashMap::new());
        let program = Program { dispatches: Vec::new(), outputs, sections: Vec::new(), results: 0, kept, given };
        let (filled, reports) = (HashSet::new(), !objectives.is_empty());
        let mut maker = Maker { plan, nodes, roots, direct, training, reports, batch, filled, program };
        maker.forward();
        for (o, (objective, input)) in objectives.iter().zip(&losses).enumerate() {
            maker.loss(o, objective, *input);
        }
        if reports {
            maker.penalties();
        }
        if let Some(course) = course.filter(|_| training) {
            maker.backward();
            maker.update(course);
        }
        let mut program = maker.program;
        for dispatch in program.dispatches.iter_mut().filter(|d| d.places.contains(&Place::Results)) {
            dispatch.shape.more[0] = program.results;
        }
        program.check(batch)?;
        Ok(program)
    }

    /// Refuses what is beyond any dispatch.
    fn check(&self, batch: usize) -> Result<()> {
        let beyond = |d: &&Dispatch| d.grid.groups(batch).iter().any(|&n| n > MAX_GROUPS);
        if let Some(dispatch) = self.dispatches.iter().find(beyond) {
            return Err(too_large(&dispatch.layer, batch));
        }
        // The samples whose penalties are summed for a report are not looped over.
        let activity = self.sections.iter().any(|section| matches!(section.content, Content::Activity));
        if activity && row_groups(batch, false) > MAX_GROUPS {
            return Err(too_large("activity regularization", batch));
        }
        Ok(())
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
        self.program.dispatches.push(Dispatch { layer: layer.to_string(), shader, places, shape, grid });
    }

    /// The same with an invocation for each element of the shape.
    pub(super) fn each(&mut self, layer: &str, shader: String, places: Vec<Place>, shape: Shape) {
        let count = match shape.per_sample {
            0 => Count::Fixed(shape.columns),
            rows => Count::PerSample(rows.saturating_mul(shape.columns)),
        };
        self.push(layer, shader, places, shape, Grid::Each(count));
    }

    /// Room for what a stage keeps until later in the step.
    pub(super) fn keep(&mut self, stage: usize, number: usize, count: Count) -> Place {
        let place = Place::Kept(stage, number);
        self.program.kept.insert(place, count);
        place
    }

    /// Words that a stage is given, once and for all.
    pub(super) fn give(&mut self, stage: usize, number: usize, words: impl FnOnce() -> Vec<u32>) -> Place {
        let place = Place::Given(stage, number);
        self.program.given.entry(place).or_insert_with(words);
        place
    }

    /// Room for `count` numbers of a report; says where it begins.
    pub(super) fn section(&mut self, content: Content, count: usize) -> usize {
        let first = self.program.results;
        self.program.sections.push(Section { content, first });
        self.program.results += count;
        first
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
                let product = Product::of(rows.saturating_mul(self.batch), columns);
                let shader = wgsl::dense(tail.variant(self.training), bias.is_some(), self.direct[input], product);
                let mut places = vec![self.value(input), Place::Variable(*kernel)];
                places.extend([bias.map_or(Place::Nothing, Place::Variable), Place::Order]);
                places.extend(self.tail_places(tail));
                self.push(layer, shader, places, shape, Grid::Tiles(Count::PerSample(rows), columns, product.tile));
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
                let s = &self.plan.stages[*stage];
                let shape = Shape { depth: self.size(s.input()).1, ..self.shape(s.output) };
                let (long, rows) = (is_long(shape.columns), Count::PerSample(shape.per_sample));
                let shader = wgsl::rows_forward(activation, long);
                let places = vec![self.value(s.input()), self.value(s.output)];
                self.push(&s.layer, shader, places, shape, Grid::Rows(rows, long));
            }
            Node::Other { stage } => self.forward_other(*stage),
        }
    }

    /// Loss, gradient and metrics of an output.
    fn loss(&mut self, o: usize, objective: &Objective, input: LossInput) {
        if objective.target_kind().is_none() {
            return;
        }
        let (tensor, output) = (input.tensor, self.plan.outputs[o]);
        let gradient = self.training && objective.loss.is_some() && self.plan.tensors[tensor].trained;
        let quantities = 1 + objective.metrics.iter().filter(|m| m.metric.is_row_mean()).count();
        let shape = self.shape(tensor);
        let long = is_long(shape.columns) && objective.joins_columns();
        let groups = row_groups(self.batch.saturating_mul(shape.per_sample), long);
        let first = self.section(Content::Rows { output: o, quantities, long }, groups.saturating_mul(quantities));
        // A gradient that is there already is added to in a second step, since a loss uses its own as scratch.
        let again = gradient && !self.filled.insert(self.roots[tensor]);
        let slope = match (gradient, again) {
            (false, _) => Place::Void(0),
            (_, true) => Place::Slope(o),
            _ => self.gradient(tensor),
        };
        let (target, weights) = (Place::Target(o), Place::Weights(o));
        let places = vec![self.value(tensor), target, weights, Place::Order, slope, Place::Results];
        let own = Shape { extra: first, more: [0, o, 0, 0], ..shape };
        let shader = wgsl::loss(objective, input.head, gradient, long);
        self.push("loss", shader, places, own, Grid::AllRows(Count::PerSample(shape.per_sample), long));
        if again {
            let shape = Shape { amounts: [1.0, 0.0, 0.0, 0.0], ..shape };
            self.each("loss", wgsl::copy(1), vec![slope, self.gradient(tensor)], shape);
        }
        if objective.metrics.iter().any(|m| !m.metric.is_row_mean()) {
            let size = self.batch.saturating_mul(self.plan.tensors[output].shape.iter().product());
            let first = self.section(Content::Raw { output: o }, size);
            let shape = Shape { extra: first, ..self.shape(output) };
            self.each("metrics", wgsl::report(), vec![self.value(output), Place::Results], shape);
        }
    }

    /// The penalties on variables, and on what layers put out.
    fn penalties(&mut self) {
        for (v, variable) in self.plan.variables.iter().enumerate() {
            let Some((l1, l2)) = variable.regularizer().and_then(|r| r.elementwise()) else { continue };
            let extra = self.section(Content::Penalty, 1);
            let shape = Shape { extra, amounts: amounts(l1, l2), ..Shape::fixed(variable.layout().len()) };
            self.push(
                variable.path(),
                wgsl::penalty(),
                vec![Place::Variable(v), Place::Results],
                shape,
                Grid::Groups(1),
            );
        }
    }
}

/// The numbers of a penalty.
pub(super) fn amounts(l1: f64, l2: f64) -> [f32; 4] {
    [l1 as f32, l2 as f32, 0.0, 0.0]
}
