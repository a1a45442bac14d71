//! One operation on one worker's share.

use super::dense::{InputGradient, Product};
use super::elementwise::{Dropout, Map, MapBackward, Multiply, Share};
use super::gemm::{Panels, Start};
use super::memory::Memory;
use super::pool::Worker;
use super::program::{Op, Program, Scheduled, Split};
use super::rows::{LossRows, RowMap, RowMapBackward, TargetPlace};
use super::simd::{Level, PANEL};
use super::update_ops::Course;
use crate::backend::{LossInput, Objective};
use crate::data::{Feed, Target};
use crate::losses::{LossConfig, Reduction};
use crate::optimizers::MAX_SLOTS;
use crate::params::panels;
use crate::plan::{Kind, Plan};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};

/// What the operations of a run share.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub level: Level,
    pub plan: &'a Plan,
    pub program: &'a Program,
    pub memory: &'a Memory,
    /// Where each tensor is for this worker.
    pub values: &'a [Panels],
    pub feed: &'a Feed,
    /// One an output, none for a prediction.
    pub objectives: &'a [Objective],
    /// Whether this is a training step: noise, statistics of the batch, gradients.
    pub training: bool,
    /// The start of each variable.
    pub variables: &'a [*mut f32],
    /// The slots of each variable.
    pub slots: &'a [[*mut f32; MAX_SLOTS]],
    /// For each variable where its gradients of several steps are summed, null where they are not.
    pub accumulators: &'a [*mut f32],
    pub optimizer: Option<&'a Course<'a>>,
    /// The kernel beside whose update the next batch is fetched, where that is worth it.
    pub ahead: Option<usize>,
    /// The first row whose target was refused, or −1.
    pub refused: &'a AtomicI64,
}

// SAFETY: the pointers lead to variables and slots that the run holds locked; the schedule keeps workers apart.
unsafe impl Sync for Context<'_> {}

/// One batch.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The samples, as rows of the data set.
    pub rows: &'a [u32],
    /// The samples of the batch after this, to be fetched in time.
    pub next: &'a [u32],
    /// Steps taken before, which dropout draws by.
    pub number: u64,
}

/// A worker's part of `count` things, in multiples of `grain`.
pub fn part(count: usize, grain: usize, worker: &Worker) -> Range<usize> {
    if worker.threads == 1 {
        return 0..count;
    }
    let each = count.div_ceil(grain).div_ceil(worker.threads) * grain;
    (worker.index * each).min(count)..((worker.index + 1) * each).min(count)
}

/// Rows that workers divide come in eights: the tallest tile, and two blocks of the random generator.
const ROW_GRAIN: usize = 8;
/// Panels go in pairs: the widest tile.
pub(super) const PANEL_GRAIN: usize = 2;

impl Context<'_> {
    /// Carries out an operation on this worker's share.
    pub fn execute(&self, scheduled: &Scheduled, worker: &Worker, step: &Step) {
        let samples = match scheduled.split {
            Split::Each => 0..step.rows.len(),
            _ => part(step.rows.len(), ROW_GRAIN, worker),
        };
        match scheduled.op {
            Op::Gather(tensor) => self.gather(tensor, samples, step),
            Op::Target(o) => self.target(o, samples, step),
            Op::Forward(s) => self.forward(s, scheduled.split, worker, step),
            Op::Loss(o, accumulate) => self.loss(o, accumulate, samples, worker, step.rows.len()),
            Op::Backward(s, i, accumulate) => self.backward(s, i, accumulate, scheduled.split, worker, step),
            Op::ClearGradient(t) => self.clear_gradient(t, worker, step),
            Op::Update(s) => self.update(s, worker, step),
            Op::Gradient(s, accumulate) => self.gradient(s, accumulate, worker, step),
            Op::UpdateRows(s) => self.update_rows(s, worker, step),
            Op::Penalty(v) => self.penalty(v, worker),
            Op::PenaltyGradient(v) => self.penalty_gradient(v, worker),
            Op::Norm(v) => self.norm(v, worker),
            Op::Direction(v) => self.direction(v, worker, step),
            Op::TrustNorms(v) => self.trust_norms(v, worker),
            Op::Apply(v) => self.apply(v, worker, step),
            Op::Overwrite(v) => self.overwrite(v, worker, step),
            Op::Constrain(v) => self.constrain(v, worker),
            Op::Moving(s) => self.moving(s, worker, step),
            Op::Tally => {}
        }
    }

    fn gather(&self, tensor: usize, samples: Range<usize>, step: &Step) {
        let info = &self.plan.tensors[tensor];
        let Some(source) = info.source else { return };
        let (array, to) = (&self.feed.inputs[source], samples.start * info.rows());
        // SAFETY: the tensor has room for every sample of a batch, and these are this worker's.
        unsafe { array.gather(&step.rows[samples], self.values[tensor], to, info.columns()) };
    }

    /// Asks the memory for share `index` of `count` of what this worker will gather in the next step. A random row of a
    /// large data set comes from far away; spread over the largest update, a few lines at a time, the journey costs nothing.
    pub fn prefetch(&self, index: usize, count: usize, worker: &Worker, step: &Step) {
        let own = part(step.next.len(), ROW_GRAIN, worker);
        for (source, input) in self.feed.inputs.iter().enumerate() {
            let whole = self.program.copied.iter().any(|&t| self.plan.tensors[t].source == Some(source));
            let samples = if whole { step.next } else { &step.next[own.clone()] };
            let (lines, all) = (input.lines(), input.lines() * samples.len());
            let (mut at, end) = (all * index / count, all * (index + 1) / count);
            while at < end {
                let (sample, first) = (at / lines, at % lines);
                let some = (lines - first).min(end - at);
                input.prefetch(samples[sample] as usize, first..first + some);
                at += some;
            }
        }
    }

    fn target(&self, o: usize, samples: Range<usize>, step: &Step) {
        let output = &self.plan.tensors[self.plan.outputs[o]];
        let memory = &self.memory.outputs[o];
        let (rows, columns) = (output.rows(), output.columns());
        for sample in samples.clone() {
            let row = step.rows[sample] as usize;
            let weight = self.feed.weights[o].as_ref().map_or(1.0, |w| w.element(row, 0) as f32);
            for r in sample * rows..(sample + 1) * rows {
                // SAFETY: the weights have room for every row of a batch, and these are this worker's.
                unsafe { *memory.weights.add(r) = weight };
            }
        }
        match (memory.target, self.feed.targets[o].as_ref()) {
            // SAFETY: as above.
            (TargetPlace::Dense(into), Some(Target::Dense(y))) => unsafe {
                y.gather(&step.rows[samples.clone()], into, samples.start * rows, columns);
            },
            (TargetPlace::Class(ids), Some(Target::Class(y))) => {
                for (sample, &row) in samples.clone().zip(&step.rows[samples]) {
                    for r in 0..rows {
                        let id = y.element(row as usize, r) as f32;
                        if !self.accepts(o, id, columns) {
                            self.refused.store(i64::from(row), Ordering::Relaxed);
                        }
                        // SAFETY: as above.
                        unsafe { *ids.add(sample * rows + r) = id };
                    }
                }
            }
            _ => unreachable!("targets were bound for this objective"),
        }
    }

    /// Whether a class id can be used; checked again here because the array's owner may have written meanwhile.
    fn accepts(&self, o: usize, id: f32, columns: usize) -> bool {
        let ignored = self.objectives[o].ignored_class();
        (id >= 0.0 && id < columns as f32) || ignored.is_some_and(|i| id == i as f32)
    }

    /// A worker's part of a matrix that an operation writes.
    pub(super) fn share(&self, rows: usize, columns: usize, split: Split, worker: &Worker, samples: usize) -> Share {
        match split {
            Split::Panels(_) => Share { rows: 0..samples * rows, panels: part(panels(columns), PANEL_GRAIN, worker) },
            _ => {
                let own = part(samples, ROW_GRAIN, worker);
                Share { rows: own.start * rows..own.end * rows, panels: 0..panels(columns) }
            }
        }
    }

    fn forward(&self, s: usize, split: Split, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let (input, output) = (stage.input(), stage.output);
        let (from, to) = (&self.plan.tensors[input], &self.plan.tensors[output]);
        let (x, y) = (self.values[input], self.values[output]);
        let share = self.share(to.rows(), to.columns(), split, worker, step.rows.len());
        match &stage.kind {
            Kind::Dense { kernel, bias } => {
                let start = bias.map_or(Start::Zero, |b| Start::Row(self.variables[b]));
                let b = Panels { start: self.variables[*kernel], stride: from.columns() * PANEL };
                let lists = self.memory.lists(worker.index);
                self.level.run(Product {
                    share,
                    depth: from.columns(),
                    columns: to.columns(),
                    a: x,
                    b,
                    c: y,
                    start,
                    lists,
                });
            }
            Kind::Map(activation) => self.level.run(Map { activation, share, x, y }),
            Kind::RowMap(activation) => self.level.run(RowMap {
                activation,
                rows: share.rows,
                x,
                y,
                columns: (from.columns(), to.columns()),
                scratch: self.memory.scratch(worker.index),
            }),
            Kind::Dropout { rate, stream } => {
                let mask = self.memory.saved[s];
                if mask.start.is_null() {
                    copy(&share, x, y);
                } else {
                    self.level.run(Dropout { share, stream: *stream, step: step.number, rate: *rate, x, y, mask });
                }
            }
            Kind::Reshape => {
                let own = part(step.rows.len(), ROW_GRAIN, worker);
                reshape(own, x, (from.rows(), from.columns()), y, (to.rows(), to.columns()), false);
            }
            _ => self.forward_kind(s, share, worker, step),
        }
    }

    fn backward(&self, s: usize, i: usize, accumulate: bool, split: Split, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let (input, output) = (stage.inputs[i], stage.output);
        let (from, to) = (&self.plan.tensors[input], &self.plan.tensors[output]);
        let (x, y) = (self.values[input], self.values[output]);
        let (dx, dy) = (self.memory.gradients[input], self.memory.gradients[output]);
        let share = self.share(from.rows(), from.columns(), split, worker, step.rows.len());
        match &stage.kind {
            Kind::Dense { kernel, .. } => self.level.run(InputGradient {
                share,
                rows: from.columns(),
                columns: to.columns(),
                kernel: Panels { start: self.variables[*kernel], stride: from.columns() * PANEL },
                dy,
                dx,
                accumulate,
                scratch: self.memory.scratch(worker.index),
                lists: self.memory.lists(worker.index),
            }),
            Kind::Map(activation) => self.level.run(MapBackward { activation, share, x, y, dy, dx, accumulate }),
            Kind::RowMap(activation) => self.level.run(RowMapBackward {
                activation,
                rows: share.rows,
                x,
                y,
                dy,
                dx,
                columns: (from.columns(), to.columns()),
                accumulate,
                scratch: self.memory.scratch(worker.index),
            }),
            Kind::Dropout { .. } => {
                self.level.run(Multiply { share, a: dy, b: self.memory.saved[s], z: dx, accumulate });
            }
            Kind::Reshape => {
                let own = part(step.rows.len(), ROW_GRAIN, worker);
                reshape(own, dy, (to.rows(), to.columns()), dx, (from.rows(), from.columns()), accumulate);
            }
            _ => self.backward_kind(s, i, accumulate, share, worker, step),
        }
    }

    fn clear_gradient(&self, t: usize, worker: &Worker, step: &Step) {
        let tensor = &self.plan.tensors[t];
        let share = self.share(tensor.rows(), tensor.columns(), Split::Rows, worker, step.rows.len());
        for panel in share.panels {
            // SAFETY: the rows are this worker's alone and within the matrix.
            unsafe {
                let start = self.memory.gradients[t].at(panel, share.rows.start);
                std::ptr::write_bytes(start, 0, share.rows.len() * PANEL);
            }
        }
    }

    fn loss(&self, o: usize, accumulate: bool, samples: Range<usize>, worker: &Worker, batch: usize) {
        let (objective, memory) = (&self.objectives[o], &self.memory.outputs[o]);
        let LossInput { tensor, head, .. } = self.program.losses[o];
        let info = &self.plan.tensors[tensor];
        let loss = objective.loss.as_ref();
        let training = self.training && info.trained && loss.is_some();
        let keep = objective.metrics.iter().any(|m| !m.metric.is_row_mean());
        self.level.run(LossRows {
            loss: loss.map(|l| &l.loss),
            head,
            metrics: &objective.metrics,
            rows: samples.start * info.rows()..samples.end * info.rows(),
            columns: info.columns(),
            predictions: self.values[tensor],
            target: memory.target,
            weights: memory.weights,
            scale: self.loss_scale(o, batch) * objective.weight,
            gradient: training.then_some(self.memory.gradients[tensor]),
            accumulate,
            losses: memory.losses,
            metric_values: memory.metric_values,
            metric_stride: memory.stride,
            output: keep.then_some(self.values[self.plan.outputs[o]]),
            scratch: self.memory.scratch(worker.index),
        });
    }

    /// What the sum of the batch's weighted losses of an output is multiplied by.
    pub fn loss_scale(&self, o: usize, batch: usize) -> f64 {
        let Some(LossConfig { loss, reduction }) = &self.objectives[o].loss else { return 0.0 };
        let rows = batch * self.plan.tensors[self.plan.outputs[o]].rows();
        let memory = &self.memory.outputs[o];
        let counts = |r: &usize| match (memory.target, loss.ignored_class()) {
            // SAFETY: every row's target was written before the barrier that precedes the loss.
            (TargetPlace::Class(ids), Some(ignored)) => unsafe { *ids.add(*r) != ignored as f32 },
            _ => true,
        };
        let whole = match reduction {
            Reduction::Sum | Reduction::None => return 1.0,
            Reduction::MeanWithSampleWeight => {
                // SAFETY: every row's weight was written before that barrier too.
                (0..rows).filter(counts).map(|r| f64::from(unsafe { *memory.weights.add(r) })).sum()
            }
            _ if loss.ignored_class().is_some() => (0..rows).filter(counts).count() as f64,
            _ => rows as f64,
        };
        if whole == 0.0 { 0.0 } else { 1.0 / whole }
    }
}

/// y = x on a share.
pub(super) fn copy(share: &Share, x: Panels, y: Panels) {
    for panel in share.panels.clone() {
        // SAFETY: the share is this worker's alone and within both matrices.
        unsafe {
            let count = share.rows.len() * PANEL;
            std::ptr::copy_nonoverlapping(x.at(panel, share.rows.start), y.at(panel, share.rows.start), count);
        }
    }
}

/// y (+)= x on a share.
pub(super) fn add_to(share: &Share, x: Panels, y: Panels, accumulate: bool) {
    if !accumulate {
        return copy(share, x, y);
    }
    for panel in share.panels.clone() {
        for row in share.rows.clone() {
            for lane in 0..PANEL {
                // SAFETY: the share is this worker's alone and within both matrices.
                unsafe { *y.at(panel, row).add(lane) += *x.at(panel, row).add(lane) };
            }
        }
    }
}

/// The elements of each sample in another shape: (rows, columns) of one sample before and after.
fn reshape(samples: Range<usize>, x: Panels, from: (usize, usize), y: Panels, to: (usize, usize), accumulate: bool) {
    for sample in samples {
        for e in 0..from.0 * from.1 {
            // SAFETY: element `e` of a sample of this worker's, in both matrices.
            unsafe {
                let column = e % from.1;
                let value = *x.at(column / PANEL, sample * from.0 + e / from.1).add(column % PANEL);
                let column = e % to.1;
                let place = y.at(column / PANEL, sample * to.0 + e / to.1).add(column % PANEL);
                *place = if accumulate { *place + value } else { value };
            }
        }
    }
}
