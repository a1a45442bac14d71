//! The schedule: a plan as operations in order, each with the way it is divided among workers and whether a barrier
//! comes before it.
//!
//! Two operations divided the same way need no barrier between them where each worker reads only what it wrote
//! itself. [`Schedule`] follows what was written since the last barrier, and how, and sets a barrier exactly where
//! somebody else's part is read.
//!
//! A training step has two phases. First forward, loss and every gradient of activations; then, past a barrier that
//! all workers reach, gradients of weights and updates. Nothing that can fail comes after that barrier, so an error in
//! a step leaves the weights of the step before.

use crate::backend::{Objective, Purpose, fused_head};
use crate::losses::{Head, Reduction};
use crate::optimizers::OptimizerConfig;
use crate::params::panels;
use crate::plan::{Kind, Plan, TensorId};
use std::collections::{HashMap, HashSet};

/// One operation; numbers are of stages unless they say otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Reads a tensor's part of the batch from an input.
    Gather(TensorId),
    /// Reads targets and weights.
    Target,
    /// A stage forward.
    Forward(usize),
    /// Loss, its gradient and the metrics.
    Loss,
    /// The gradient of a stage's input from that of its output; added to what is there when the flag says so.
    Backward(usize, bool),
    /// Worker 0 adds up losses and metrics and decides whether to go on.
    Tally,
    /// The gradient of a dense stage's variables, and their update at once.
    Update(usize),
    /// The gradient of a dense stage's variables into memory, or added to it.
    Gradient(usize, bool),
    /// The update of a variable from its gradient in memory.
    Apply(usize),
}

/// How an operation is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// By samples.
    Rows,
    /// By panels of the stage's matrix; the number of panels tells which stages agree.
    Panels(usize),
    /// By units of a kernel.
    Units(usize),
    /// Worker 0 does it.
    First,
}

/// An operation in its place.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// What to do.
    pub op: Op,
    /// Who does which part.
    pub split: Split,
    /// Whether all workers meet before it.
    pub barrier: bool,
}

/// A plan scheduled for a purpose.
pub struct Program {
    /// In order.
    pub ops: Vec<Scheduled>,
    /// The tensor that the loss reads, and the activation it does itself.
    pub loss_input: TensorId,
    /// The activation fused with the loss.
    pub head: Head,
    /// Which variables take the general update path.
    pub general: Vec<bool>,
    /// Floating-point operations for one sample.
    pub work: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Buffer {
    Value(TensorId),
    Gradient(TensorId),
    Target,
    Rows,
    Variable(usize),
    VariableGradient(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Need {
    /// What this worker wrote, if the division is the same.
    Own(Buffer),
    /// Everybody's part.
    All(Buffer),
}

#[derive(Default)]
struct Schedule {
    ops: Vec<Scheduled>,
    written: HashMap<Buffer, Split>,
}

impl Schedule {
    fn push(&mut self, op: Op, split: Split, reads: &[Need], writes: &[Buffer]) {
        let foreign = |need: &Need| match need {
            Need::Own(buffer) => self.written.get(buffer).is_some_and(|by| *by != split),
            Need::All(buffer) => self.written.contains_key(buffer),
        };
        let clobbers = |buffer: &Buffer| self.written.get(buffer).is_some_and(|by| *by != split);
        let barrier = reads.iter().any(foreign) || writes.iter().any(clobbers);
        if barrier {
            self.written.clear();
        }
        self.written.extend(writes.iter().map(|&buffer| (buffer, split)));
        self.ops.push(Scheduled { op, split, barrier });
    }
}

/// A kernel this small stays in every worker's first-level cache, so that dividing rows saves a barrier.
const SMALL_KERNEL_FLOATS: usize = 8 * 1024;

/// The division of a product with a kernel of `depth` rows into `columns` columns.
fn product_split(depth: usize, columns: usize) -> Split {
    let across = panels(columns);
    let small = depth.saturating_mul(across * super::simd::PANEL) <= SMALL_KERNEL_FLOATS;
    if small || across < 4 { Split::Rows } else { Split::Panels(across) }
}

/// Whether a variable's update can be fused into its gradient's tiles: one use in the graph, and a rule that takes each
/// element alone.
pub fn is_fusible(plan: &Plan, variable: usize, optimizer: &OptimizerConfig) -> bool {
    plan.variable_uses[variable] == 1 && optimizer.clipnorm.is_none() && optimizer.global_clipnorm.is_none()
}

impl Program {
    /// Schedules a plan. Training needs the optimizer, whose options decide between the update paths.
    pub fn new(plan: &Plan, purpose: &Purpose, optimizer: Option<&OptimizerConfig>, force_general: bool) -> Self {
        let output = plan.outputs[0];
        let (mut loss_input, mut head, mut last) = (output, Head::Plain, plan.stages.len());
        if let Purpose::Train(objective) | Purpose::Evaluate(objective) = purpose {
            (loss_input, head) = fused_head(plan, objective);
            if loss_input != output {
                last -= 1;
            }
        }
        let general = (0..plan.variables.len())
            .map(|v| optimizer.is_none_or(|o| force_general || !is_fusible(plan, v, o)))
            .collect();
        let mut program = Program { ops: Vec::new(), loss_input, head, general, work: 0.0 };
        let mut schedule = Schedule::default();
        program.forward(plan, last, matches!(purpose, Purpose::Train(_)), &mut schedule);
        if let Purpose::Train(objective) | Purpose::Evaluate(objective) = purpose {
            program.loss(plan, objective, &mut schedule);
        }
        if matches!(purpose, Purpose::Train(_)) {
            program.backward(plan, last, &mut schedule);
            schedule.push(Op::Tally, Split::First, &[Need::All(Buffer::Rows)], &[]);
            program.update(plan, last, &mut schedule);
        }
        program.ops = schedule.ops;
        program
    }

    fn forward(&mut self, plan: &Plan, last: usize, training: bool, schedule: &mut Schedule) {
        for (t, tensor) in plan.tensors.iter().enumerate() {
            if tensor.source.is_some() && tensor.uses > 0 {
                schedule.push(Op::Gather(t), Split::Rows, &[], &[Buffer::Value(t)]);
            }
        }
        for (s, stage) in plan.stages[..last].iter().enumerate() {
            let x = Buffer::Value(plan.tensors[stage.input].storage);
            let y = Buffer::Value(plan.tensors[stage.output].storage);
            match &stage.kind {
                Kind::Dense { .. } => {
                    let (k, n) = (plan.tensors[stage.input].columns(), plan.tensors[stage.output].columns());
                    let products = if training { 3.0 } else { 1.0 };
                    self.work += products * 2.0 * (k * n * plan.tensors[stage.output].rows()) as f64;
                    let split = product_split(k, n);
                    let need = if split == Split::Rows { Need::Own(x) } else { Need::All(x) };
                    schedule.push(Op::Forward(s), split, &[need], &[y]);
                }
                Kind::Map(_) | Kind::Dropout { .. } => {
                    let split = schedule.written.get(&x).copied().unwrap_or(Split::Rows);
                    schedule.push(Op::Forward(s), split, &[Need::Own(x)], &[y]);
                }
                Kind::RowMap(_) | Kind::Reshape => {
                    schedule.push(Op::Forward(s), Split::Rows, &[Need::Own(x)], &[y]);
                }
            }
        }
    }

    fn loss(&self, plan: &Plan, objective: &Objective, schedule: &mut Schedule) {
        schedule.push(Op::Target, Split::Rows, &[], &[Buffer::Target]);
        let predictions = Need::Own(Buffer::Value(plan.tensors[self.loss_input].storage));
        // Where the denominator depends on weights or targets, it is that of the whole batch.
        let whole = objective.loss.reduction == Reduction::MeanWithSampleWeight
            || objective.loss.loss.ignored_class().is_some();
        let target = if whole { Need::All(Buffer::Target) } else { Need::Own(Buffer::Target) };
        let gradient = Buffer::Gradient(plan.tensors[self.loss_input].gradient);
        schedule.push(Op::Loss, Split::Rows, &[predictions, target], &[Buffer::Rows, gradient]);
    }

    fn backward(&mut self, plan: &Plan, last: usize, schedule: &mut Schedule) {
        let mut filled = HashSet::from([plan.tensors[self.loss_input].gradient]);
        for (s, stage) in plan.stages[..last].iter().enumerate().rev() {
            let (input, output) = (&plan.tensors[stage.input], &plan.tensors[stage.output]);
            if !input.trained || !filled.contains(&output.gradient) {
                continue;
            }
            let (dy, dx) = (Buffer::Gradient(output.gradient), Buffer::Gradient(input.gradient));
            let (x, y) = (Buffer::Value(input.storage), Buffer::Value(output.storage));
            let in_place = output.gradient == input.gradient;
            let accumulate = !in_place && !filled.insert(input.gradient);
            let op = Op::Backward(s, accumulate);
            match &stage.kind {
                Kind::Dense { .. } => {
                    let split = product_split(output.columns(), input.columns());
                    let need = if split == Split::Rows { Need::Own(dy) } else { Need::All(dy) };
                    schedule.push(op, split, &[need], &[dx]);
                }
                Kind::Map(_) | Kind::Dropout { .. } => {
                    let split = schedule.written.get(&dy).copied().unwrap_or(Split::Rows);
                    schedule.push(op, split, &[Need::Own(dy), Need::Own(x), Need::Own(y)], &[dx]);
                }
                Kind::RowMap(_) | Kind::Reshape => {
                    schedule.push(op, Split::Rows, &[Need::Own(dy), Need::Own(x), Need::Own(y)], &[dx]);
                }
            }
        }
    }

    fn update(&self, plan: &Plan, last: usize, schedule: &mut Schedule) {
        let mut stored = HashSet::new();
        for (s, stage) in plan.stages[..last].iter().enumerate() {
            let Kind::Dense { kernel, bias } = stage.kind else { continue };
            let trained = |v: usize| plan.trained[v];
            if !trained(kernel) && !bias.is_some_and(trained) {
                continue;
            }
            let units = Split::Units(super::update::units(plan.variables[kernel].layout()));
            let x = Need::All(Buffer::Value(plan.tensors[stage.input].storage));
            let dy = Need::All(Buffer::Gradient(plan.tensors[stage.output].gradient));
            if self.general[kernel] {
                let op = Op::Gradient(s, !stored.insert(kernel));
                schedule.push(op, units, &[x, dy], &[Buffer::VariableGradient(kernel)]);
            } else {
                schedule.push(Op::Update(s), units, &[x, dy], &[Buffer::Variable(kernel)]);
            }
        }
        for (s, stage) in plan.stages[..last].iter().enumerate() {
            let Kind::Dense { kernel, .. } = stage.kind else { continue };
            if self.general[kernel] && stored.remove(&kernel) {
                let reads = [Need::All(Buffer::VariableGradient(kernel))];
                let units = Split::Units(super::update::units(plan.variables[kernel].layout()));
                schedule.push(Op::Apply(s), units, &reads, &[Buffer::Variable(kernel)]);
            }
        }
    }
}
