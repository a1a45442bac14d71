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

use crate::backend::{LossInput, Objective, Purpose, loss_input};
use crate::losses::Reduction;
use crate::optimizers::OptimizerConfig;
use crate::params::panels;
use crate::plan::{Kind, Plan, Stage, TensorId};
use std::collections::{HashMap, HashSet};

/// One operation. `s` is a stage, `v` a variable, `o` an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Reads a tensor's part of the batch from an input.
    Gather(TensorId),
    /// Reads targets and weights of an output.
    Target(usize),
    /// A stage forward.
    Forward(usize),
    /// Loss, its gradient and the metrics of an output; the flag: the gradient is added to what is there.
    Loss(usize, bool),
    /// The gradient of a stage's input of this number from that of its output; added to what is there when the flag
    /// says so.
    Backward(usize, usize, bool),
    /// No gradient comes from behind: zeros.
    ClearGradient(TensorId),
    /// The penalty on a variable.
    Penalty(usize),
    /// Worker 0 adds up losses and metrics and decides whether to go on.
    Tally,
    /// The gradient of a dense stage's variables, and their update at once.
    Update(usize),
    /// The gradient of the rows of a table that the batch uses, and their update at once.
    UpdateRows(usize),
    /// The gradient of a stage's variables into memory, or added to it.
    Gradient(usize, bool),
    /// Adds the gradient of a penalty that needs the whole variable.
    PenaltyGradient(usize),
    /// The square of a gradient's norm.
    Norm(usize),
    /// The direction of an update in place of the gradient.
    Direction(usize),
    /// The squares of weights and of the update's direction.
    TrustNorms(usize),
    /// The update of a variable from its gradient in memory.
    Apply(usize),
    /// Puts a variable's moving average in its place, when it is time.
    Overwrite(usize),
    /// Makes a variable keep to its rule.
    Constrain(usize),
    /// Moves a normalization's moving statistics.
    Moving(usize),
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
    /// By rows of a table.
    Table(usize),
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
    /// What the loss of each output reads.
    pub losses: Vec<LossInput>,
    /// Which variables take the general update path.
    pub general: Vec<bool>,
    /// Floating-point operations for one sample.
    pub work: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Buffer {
    Value(TensorId),
    Gradient(TensorId),
    Target(usize),
    /// Losses and metrics of an output's rows, or the penalties of a stage's.
    Rows(usize),
    StageRows(usize),
    /// What a normalization keeps for the way back.
    Saved(usize),
    Variable(usize),
    VariableGradient(usize),
    Norm(usize),
    Penalty(usize),
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

/// Whether a variable's update can be fused into its gradient's tiles: one use in the graph, and a rule and a penalty
/// that take each element alone.
pub fn is_fusible(plan: &Plan, variable: usize, optimizer: &OptimizerConfig) -> bool {
    let penalty = plan.variables[variable].regularizer();
    plan.variable_uses[variable] == 1 && optimizer.is_elementwise() && penalty.is_none_or(|p| p.elementwise().is_some())
}

/// Whether a stage takes each element by its place, so that it follows any division of its input.
fn follows(kind: &Kind, training: bool) -> bool {
    match kind {
        Kind::Map(_) | Kind::Dropout { .. } | Kind::Noise { .. } | Kind::Merge(_) => true,
        Kind::Affine { .. } | Kind::Standardize { .. } => true,
        Kind::BatchNorm { training: own, .. } => !(training && *own),
        _ => false,
    }
}

impl Program {
    /// Schedules a plan. Training needs the optimizer, whose options decide between the update paths.
    pub fn new(plan: &Plan, purpose: &Purpose, optimizer: Option<&OptimizerConfig>, force_general: bool) -> Self {
        let objectives = purpose.objectives();
        let losses: Vec<LossInput> =
            objectives.iter().enumerate().map(|(o, objective)| loss_input(plan, o, objective)).collect();
        let general = (0..plan.variables.len())
            .map(|v| optimizer.is_none_or(|o| force_general || !is_fusible(plan, v, o)))
            .collect();
        let mut program = Program { ops: Vec::new(), losses, general, work: 0.0 };
        program.join_general(plan);
        let training = purpose.is_training();
        let mut schedule = Schedule::default();
        program.forward(plan, training, &mut schedule);
        program.loss(plan, objectives, &mut schedule);
        if !objectives.is_empty() {
            program.penalties(plan, &mut schedule);
        }
        if purpose.has_gradients() {
            program.backward(plan, objectives, &mut schedule);
            let rows = (0..objectives.len()).map(|o| Need::All(Buffer::Rows(o)));
            let penalties = (0..plan.variables.len()).map(|v| Need::All(Buffer::Penalty(v)));
            let stages = (0..plan.stages.len()).map(|s| Need::All(Buffer::StageRows(s)));
            let reads: Vec<Need> = rows.chain(penalties).chain(stages).collect();
            schedule.push(Op::Tally, Split::First, &reads, &[]);
            let stored = program.gradients(plan, optimizer, &mut schedule);
            if let Some(optimizer) = optimizer {
                program.apply(plan, optimizer, &stored, &mut schedule);
            }
        }
        if matches!(purpose, Purpose::Train(_) | Purpose::Call) {
            program.moving(plan, &mut schedule);
        }
        program.ops = schedule.ops;
        program
    }

    /// The variables of a dense stage take the same path.
    fn join_general(&mut self, plan: &Plan) {
        for stage in &plan.stages {
            if let Kind::Dense { kernel, bias: Some(bias) } = stage.kind {
                let either = self.general[kernel] || self.general[bias];
                (self.general[kernel], self.general[bias]) = (either, either);
            }
        }
    }

    fn is_fused(&self, stage: usize) -> bool {
        self.losses.iter().any(|l| l.fused == Some(stage))
    }

    fn forward(&mut self, plan: &Plan, training: bool, schedule: &mut Schedule) {
        for (t, tensor) in plan.tensors.iter().enumerate() {
            // An embedding reads its ids where they are.
            let looked_up = |s: &Stage| s.inputs.contains(&t) && !matches!(s.kind, Kind::Embedding { .. });
            let read = plan.outputs.contains(&t) || plan.stages.iter().any(looked_up);
            if tensor.source.is_some() && read {
                schedule.push(Op::Gather(t), Split::Rows, &[], &[Buffer::Value(t)]);
            }
        }
        for (s, stage) in plan.stages.iter().enumerate() {
            if self.is_fused(s) {
                continue;
            }
            let value = |t: TensorId| Buffer::Value(plan.tensors[t].storage);
            let (x, y) = (value(stage.input()), value(stage.output));
            let (from, to) = (&plan.tensors[stage.input()], &plan.tensors[stage.output]);
            let own: Vec<Need> = stage.inputs.iter().map(|&t| Need::Own(value(t))).collect();
            match &stage.kind {
                Kind::Dense { .. } => {
                    let (k, n) = (from.columns(), to.columns());
                    let products = if training { 3.0 } else { 1.0 };
                    self.work += products * 2.0 * (k * n * to.rows()) as f64;
                    let split = product_split(k, n);
                    let need = if split == Split::Rows { Need::Own(x) } else { Need::All(x) };
                    schedule.push(Op::Forward(s), split, &[need], &[y]);
                }
                kind if follows(kind, training) => {
                    let split = schedule.written.get(&x).copied().unwrap_or(Split::Rows);
                    schedule.push(Op::Forward(s), split, &own, &[y]);
                }
                Kind::BatchNorm { .. } => {
                    let split = Split::Panels(panels(to.columns()));
                    schedule.push(Op::Forward(s), split, &own, &[y, Buffer::Saved(s)]);
                }
                Kind::Dot { .. } => {
                    self.work += 2.0 * (to.rows() * to.columns() * from.columns()) as f64;
                    schedule.push(Op::Forward(s), Split::Rows, &own, &[y]);
                }
                Kind::LayerNorm { .. } => {
                    schedule.push(Op::Forward(s), Split::Rows, &own, &[y, Buffer::Saved(s)]);
                }
                Kind::Penalty { .. } => {
                    schedule.push(Op::Forward(s), Split::Rows, &own, &[Buffer::StageRows(s)]);
                }
                _ => schedule.push(Op::Forward(s), Split::Rows, &own, &[y]),
            }
            // What takes each element alone counts for a few operations.
            self.work += 4.0 * (to.rows() * to.columns()) as f64;
        }
    }

    fn loss(&self, plan: &Plan, objectives: &[Objective], schedule: &mut Schedule) {
        let mut filled = HashSet::new();
        for (o, objective) in objectives.iter().enumerate() {
            if objective.target_kind().is_none() {
                continue;
            }
            schedule.push(Op::Target(o), Split::Rows, &[], &[Buffer::Target(o)]);
            let input = &plan.tensors[self.losses[o].tensor];
            let predictions = Need::Own(Buffer::Value(input.storage));
            // Where the denominator depends on weights or targets, it is that of the whole batch.
            let reduction = objective.loss.as_ref().map(|l| l.reduction);
            let whole = reduction == Some(Reduction::MeanWithSampleWeight) || objective.ignored_class().is_some();
            let target = if whole { Need::All(Buffer::Target(o)) } else { Need::Own(Buffer::Target(o)) };
            let output = Buffer::Value(plan.tensors[plan.outputs[o]].storage);
            let mut writes = vec![Buffer::Rows(o), output];
            let mut accumulate = false;
            if objective.loss.is_some() {
                writes.push(Buffer::Gradient(input.gradient));
                accumulate = !filled.insert(input.gradient);
            }
            schedule.push(Op::Loss(o, accumulate), Split::Rows, &[predictions, target], &writes);
        }
    }

    fn penalties(&self, plan: &Plan, schedule: &mut Schedule) {
        for (v, variable) in plan.variables.iter().enumerate() {
            if let Some(penalty) = variable.regularizer() {
                let across = panels(variable.layout().columns);
                let split = if penalty.elementwise().is_some() { Split::Panels(across) } else { Split::First };
                schedule.push(Op::Penalty(v), split, &[], &[Buffer::Penalty(v)]);
            }
        }
    }

    fn backward(&mut self, plan: &Plan, objectives: &[Objective], schedule: &mut Schedule) {
        let with_loss = self.losses.iter().zip(objectives).filter(|(_, o)| o.loss.is_some());
        let mut filled: HashSet<TensorId> = with_loss.map(|(l, _)| plan.tensors[l.tensor].gradient).collect();
        for (s, stage) in plan.stages.iter().enumerate().rev() {
            let output = &plan.tensors[stage.output];
            if self.is_fused(s) || !output.trained {
                continue;
            }
            let dy = Buffer::Gradient(output.gradient);
            if !filled.contains(&output.gradient) {
                schedule.push(Op::ClearGradient(stage.output), Split::Rows, &[], &[dy]);
                filled.insert(output.gradient);
            }
            let value = |t: TensorId| Need::Own(Buffer::Value(plan.tensors[t].storage));
            let mut own = vec![Need::Own(dy), value(stage.output)];
            own.extend(stage.inputs.iter().map(|&t| value(t)));
            for (i, &t) in stage.inputs.iter().enumerate() {
                let input = &plan.tensors[t];
                if !input.trained || !stage.kind.passes_gradient() {
                    continue;
                }
                let dx = Buffer::Gradient(input.gradient);
                let in_place = output.gradient == input.gradient;
                let accumulate = !in_place && !filled.insert(input.gradient);
                let op = Op::Backward(s, i, accumulate);
                match &stage.kind {
                    Kind::Dense { .. } => {
                        let split = product_split(output.columns(), input.columns());
                        let need = if split == Split::Rows { Need::Own(dy) } else { Need::All(dy) };
                        schedule.push(op, split, &[need], &[dx]);
                    }
                    kind if follows(kind, true) => {
                        let split = schedule.written.get(&dy).copied().unwrap_or(Split::Rows);
                        schedule.push(op, split, &own, &[dx]);
                    }
                    Kind::BatchNorm { .. } => {
                        let split = Split::Panels(panels(output.columns()));
                        own.push(Need::Own(Buffer::Saved(s)));
                        schedule.push(op, split, &own, &[dx]);
                    }
                    _ => {
                        own.push(Need::Own(Buffer::Saved(s)));
                        schedule.push(op, Split::Rows, &own, &[dx]);
                    }
                }
            }
        }
    }

    /// Gradients of variables, with the update where that is fused; says whose are stored.
    fn gradients(&self, plan: &Plan, optimizer: Option<&OptimizerConfig>, schedule: &mut Schedule) -> Vec<usize> {
        let trained = |v: &usize| plan.trained[*v];
        let units = |v: usize| Split::Units(super::update::units(plan.variables[v].layout()));
        let mut stored: Vec<usize> = Vec::new();
        for (s, stage) in plan.stages.iter().enumerate() {
            let own: Vec<usize> = stage.kind.variables().into_iter().filter(trained).collect();
            if own.is_empty() {
                continue;
            }
            let input = &plan.tensors[stage.input()];
            let x = Need::All(Buffer::Value(input.storage));
            let dy = Need::All(Buffer::Gradient(plan.tensors[stage.output].gradient));
            let accumulate = own.iter().any(|v| stored.contains(v));
            let gradients: Vec<Buffer> = own.iter().map(|&v| Buffer::VariableGradient(v)).collect();
            match stage.kind {
                Kind::Dense { kernel, .. } if !self.general[kernel] => {
                    let written: Vec<Buffer> = own.iter().map(|&v| Buffer::Variable(v)).collect();
                    schedule.push(Op::Update(s), units(kernel), &[x, dy], &written);
                    continue;
                }
                Kind::Dense { kernel, .. } => {
                    schedule.push(Op::Gradient(s, accumulate), units(kernel), &[x, dy], &gradients);
                }
                Kind::Embedding { table } => {
                    let rows = plan.variables[table].layout().rows;
                    let alone = !self.general[table] && plan.variables[table].regularizer().is_none();
                    if alone && optimizer.is_some_and(OptimizerConfig::zero_gradient_is_noop) {
                        let written = [Buffer::VariableGradient(table), Buffer::Variable(table)];
                        schedule.push(Op::UpdateRows(s), Split::Table(rows), &[x, dy], &written);
                        continue;
                    }
                    schedule.push(Op::Gradient(s, accumulate), Split::Table(rows), &[x, dy], &gradients);
                }
                _ => {
                    let split = Split::Panels(panels(plan.tensors[stage.output].columns()));
                    let saved = Need::All(Buffer::Saved(s));
                    schedule.push(Op::Gradient(s, accumulate), split, &[x, dy, saved], &gradients);
                }
            }
            stored.extend(own);
        }
        stored.sort_unstable();
        stored.dedup();
        for &v in &stored {
            if let Some(penalty) = plan.variables[v].regularizer() {
                let across = panels(plan.variables[v].layout().columns);
                let split = if penalty.elementwise().is_some() { Split::Panels(across) } else { Split::First };
                let gradient = Buffer::VariableGradient(v);
                schedule.push(Op::PenaltyGradient(v), split, &[Need::All(gradient)], &[gradient]);
            }
        }
        stored
    }

    /// Moving statistics, from what forward passes saved.
    fn moving(&self, plan: &Plan, schedule: &mut Schedule) {
        for (s, stage) in plan.stages.iter().enumerate() {
            if let Kind::BatchNorm { mean, variance, training: true, .. } = stage.kind {
                let split = Split::Panels(panels(plan.tensors[stage.output].columns()));
                let written = [Buffer::Variable(mean), Buffer::Variable(variance)];
                schedule.push(Op::Moving(s), split, &[Need::Own(Buffer::Saved(s))], &written);
            }
        }
    }

    /// The rule over stored gradients, and what comes after any update.
    fn apply(&self, plan: &Plan, optimizer: &OptimizerConfig, stored: &[usize], schedule: &mut Schedule) {
        let units = |v: usize| Split::Units(super::update::units(plan.variables[v].layout()));
        let clips = optimizer.clipnorm.is_some() || optimizer.global_clipnorm.is_some();
        for &v in stored.iter().filter(|_| clips) {
            let split = Split::Panels(panels(plan.variables[v].layout().columns));
            schedule.push(Op::Norm(v), split, &[Need::All(Buffer::VariableGradient(v))], &[Buffer::Norm(v)]);
        }
        let norms: Vec<Need> = stored.iter().map(|&v| Need::All(Buffer::Norm(v))).collect();
        for &v in stored.iter().filter(|_| optimizer.has_trust_ratio()) {
            let gradient = Buffer::VariableGradient(v);
            let reads = [&norms[..], &[Need::All(gradient)]].concat();
            schedule.push(Op::Direction(v), units(v), &reads, &[gradient]);
        }
        for &v in stored.iter().filter(|_| optimizer.has_trust_ratio()) {
            let split = Split::Panels(panels(plan.variables[v].layout().columns));
            schedule.push(Op::TrustNorms(v), split, &[Need::All(Buffer::VariableGradient(v))], &[Buffer::Norm(v)]);
        }
        for &v in stored {
            let reads = [&norms[..], &[Need::All(Buffer::VariableGradient(v))]].concat();
            schedule.push(Op::Apply(v), units(v), &reads, &[Buffer::Variable(v)]);
        }
        for (v, variable) in plan.variables.iter().enumerate().filter(|(v, _)| plan.trained[*v]) {
            if optimizer.use_ema.is_some_and(|ema| ema.overwrite_frequency.is_some()) {
                let own = Buffer::Variable(v);
                schedule.push(Op::Overwrite(v), units(v), &[Need::All(own)], &[own]);
            }
            if let Some(constraint) = variable.constraint() {
                let by_columns = constraint.is_elementwise() || constraint.column_axis_only(variable.shape());
                let across = panels(variable.layout().columns);
                let split = if by_columns { Split::Panels(across) } else { Split::First };
                schedule.push(Op::Constrain(v), split, &[Need::All(Buffer::Variable(v))], &[Buffer::Variable(v)]);
            }
        }
    }
}
