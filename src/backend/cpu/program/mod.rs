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

mod schedule;
mod update;

pub use schedule::{Op, Scheduled, Split};

use super::memory::bytes_of;
use crate::backend::{LossInput, Objective, Purpose, loss_input};
use crate::losses::Reduction;
use crate::optimizers::OptimizerConfig;
use crate::params::panels;
use crate::plan::{Kind, Plan, Stage, TensorId};
use schedule::{Buffer, Need, Schedule};
use std::collections::HashSet;

/// A plan scheduled for a purpose.
pub struct Program {
    /// In order.
    pub ops: Vec<Scheduled>,
    /// What the loss of each output reads.
    pub losses: Vec<LossInput>,
    /// Which variables take the general update path.
    pub general: Vec<bool>,
    /// Which tensors every worker has a copy of its own of, see [`is_copied`].
    pub copied: Vec<TensorId>,
    /// The kernel of the largest update that is fused, beside which the next batch is fetched.
    pub largest: Option<usize>,
    /// Floating-point operations for one sample.
    pub work: f64,
}

/// A kernel this small stays in every worker's first-level cache, so that dividing rows saves a barrier.
const SMALL_KERNEL_FLOATS: usize = 8 * 1024;

/// A part of a batch this small, in bytes, fits into each worker's second-level cache beside its part of the kernels.
const SMALL_INPUT: u64 = 256 << 10;

/// Whether every worker gathers all rows of a tensor for itself: where all are read by products that are divided by columns.
/// Gathering is quicker than fetching what another one gathered, and than taking the lines back from it for the next batch.
fn is_copied(plan: &Plan, t: TensorId, batch: usize) -> bool {
    let tensor = &plan.tensors[t];
    let bytes = bytes_of(batch.saturating_mul(tensor.rows()).saturating_mul(panels(tensor.columns())));
    let mut readers = plan.stages.iter().filter(|s| s.inputs.contains(&t));
    let divided = |s: &Stage| {
        let by_columns = product_split(tensor.columns(), plan.tensors[s.output].columns()) != Split::Rows;
        matches!(s.kind, Kind::Dense { .. }) && by_columns
    };
    let alone = plan.tensors.iter().enumerate().all(|(other, info)| (info.storage == t) == (other == t));
    tensor.source.is_some() && alone && bytes <= SMALL_INPUT && !plan.outputs.contains(&t) && readers.all(divided)
}

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
    /// Schedules a plan for batches of up to `batch` samples. Training needs the optimizer, whose options decide between the
    /// update paths.
    pub fn new(
        plan: &Plan,
        purpose: &Purpose,
        batch: usize,
        optimizer: Option<&OptimizerConfig>,
        force_general: bool,
    ) -> Self {
        let objectives = purpose.objectives();
        let losses: Vec<LossInput> =
            objectives.iter().enumerate().map(|(o, objective)| loss_input(plan, o, objective)).collect();
        let general = (0..plan.variables.len())
            .map(|v| optimizer.is_none_or(|o| force_general || !is_fusible(plan, v, o)))
            .collect();
        let training = purpose.is_training();
        let copied = (0..plan.tensors.len()).filter(|&t| training && is_copied(plan, t, batch)).collect();
        let mut program = Program { ops: Vec::new(), losses, general, copied, largest: None, work: 0.0 };
        program.join_general(plan);
        let kernels = plan.stages.iter().filter_map(|s| match s.kind {
            Kind::Dense { kernel, .. } if plan.trained[kernel] && !program.general[kernel] => Some(kernel),
            _ => None,
        });
        program.largest = kernels.max_by_key(|&v| plan.variables[v].layout().lines());
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
                let split = if self.copied.contains(&t) { Split::Each } else { Split::Rows };
                schedule.push(Op::Gather(t), split, &[], &[Buffer::Value(t)]);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Array;
    use crate::Sequential;
    use crate::model::Samples;

    /// How the input of a classifier is gathered for training, and whether a barrier comes before the first product.
    fn gathering(net: Sequential, inputs: usize, batch: usize) -> (Split, bool) {
        let model = net.dense(10, "softmax").unwrap().build().unwrap();
        model.compile_with("adam", 0.01, "sparse_categorical_crossentropy", &[]).unwrap();
        let compiled = model.compiled().unwrap();
        let x = Array::new(vec![0.0_f32; 4 * inputs], &[4, inputs]).unwrap();
        let y = Array::new(vec![0_u8; 4], &[4]).unwrap();
        let (_, objectives) = model.check_data(&compiled, Samples::of(x, y)).unwrap();
        let program = Program::new(&compiled.plan, &Purpose::Train(objectives), batch, None, false);
        assert_eq!(program.ops[0].op, Op::Gather(0));
        (program.ops[0].split, program.ops[1].barrier)
    }

    #[test]
    fn each_worker_gathers_a_small_input_of_a_wide_product_for_itself() {
        let wide = |inputs: usize| Sequential::new(&[inputs], 1).dense(128, "relu").unwrap();
        assert_eq!(gathering(wide(784), 784, 32), (Split::Each, false));
        // Too much of it, and a product divided by rows.
        assert_eq!(gathering(wide(784), 784, 512), (Split::Rows, true));
        assert_eq!(gathering(wide(8), 8, 32), (Split::Rows, false));
        // Another reader.
        let dropped = Sequential::new(&[784], 1).dropout(0.5).unwrap().dense(128, "relu").unwrap();
        assert_eq!(gathering(dropped, 784, 32), (Split::Rows, false));
    }
}
