//! One operation on one worker's share.

use super::dense::{InputGradient, Product};
use super::elementwise::{Dropout, Map, MapBackward, Multiply, Share};
use super::gemm::{Panels, Start};
use super::memory::Memory;
use super::pool::Worker;
use super::program::{Op, Program, Scheduled, Split};
use super::rows::{LossRows, RowMap, RowMapBackward, TargetPlace};
use super::simd::{Level, PANEL};
use crate::backend::Objective;
use crate::data::{Feed, Target};
use crate::losses::{LossConfig, Reduction};
use crate::optimizers::{MAX_SLOTS, OptimizerConfig};
use crate::params::panels;
use crate::plan::{Kind, Plan, Stage};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};

/// What the operations of a run share.
pub struct Context<'a> {
    pub level: Level,
    pub plan: &'a Plan,
    pub program: &'a Program,
    pub memory: &'a Memory,
    pub feed: &'a Feed,
    pub objective: Option<&'a Objective>,
    /// The start of each variable.
    pub variables: &'a [*mut f32],
    /// The slots of each variable.
    pub slots: &'a [[*mut f32; MAX_SLOTS]],
    pub optimizer: Option<&'a OptimizerConfig>,
    pub learning_rate: f64,
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
    let each = count.div_ceil(grain).div_ceil(worker.threads) * grain;
    (worker.index * each).min(count)..((worker.index + 1) * each).min(count)
}

/// Rows that workers divide come in eights: the tallest tile, and two blocks of the random generator.
const ROW_GRAIN: usize = 8;
/// Panels go in pairs: the widest tile.
const PANEL_GRAIN: usize = 2;

impl Context<'_> {
    /// Carries out an operation on this worker's share.
    pub fn execute(&self, scheduled: &Scheduled, worker: &Worker, step: &Step) {
        let samples = part(step.rows.len(), ROW_GRAIN, worker);
        match scheduled.op {
            Op::Gather(tensor) => self.gather(tensor, samples, step),
            Op::Target => self.target(samples, step),
            Op::Forward(s) => self.forward(s, scheduled.split, worker, step),
            Op::Loss => self.loss(samples, worker, step.rows.len()),
            Op::Backward(s, accumulate) => self.backward(s, accumulate, scheduled.split, worker, step),
            Op::Update(s) | Op::Gradient(s, _) => self.gradient(s, scheduled.op, worker, step),
            Op::Apply(s) => self.apply(s, worker, step),
            Op::Tally => {}
        }
    }

    fn gather(&self, tensor: usize, samples: Range<usize>, step: &Step) {
        let info = &self.plan.tensors[tensor];
        let Some(source) = info.source else { return };
        let (array, to) = (&self.feed.inputs[source], samples.start * info.rows());
        // SAFETY: the tensor has room for every sample of a batch, and these are this worker's.
        unsafe { array.gather(&step.rows[samples], self.memory.values[tensor], to, info.columns()) };
    }

    /// Asks the memory for share `index` of `count` of what this worker will gather in the next step. A random row of a
    /// large data set comes from far away; spread over the update, the journey costs nothing.
    pub fn prefetch(&self, index: usize, count: usize, worker: &Worker, step: &Step) {
        let samples = part(step.next.len(), ROW_GRAIN, worker);
        let own = samples.start + samples.len() * index / count..samples.start + samples.len() * (index + 1) / count;
        for &row in &step.next[own] {
            self.feed.inputs.iter().for_each(|input| input.prefetch(row as usize));
        }
    }

    fn target(&self, samples: Range<usize>, step: &Step) {
        let output = &self.plan.tensors[self.program.loss_input];
        let (rows, columns) = (output.rows(), output.columns());
        for sample in samples.clone() {
            let row = step.rows[sample] as usize;
            let weight = self.feed.weights.as_ref().map_or(1.0, |w| w.element(row, 0) as f32);
            for r in sample * rows..(sample + 1) * rows {
                // SAFETY: the weights have room for every row of a batch, and these are this worker's.
                unsafe { *self.memory.weights.add(r) = weight };
            }
        }
        match (self.memory.target, self.feed.target.as_ref()) {
            // SAFETY: as above.
            (TargetPlace::Dense(into), Some(Target::Dense(y))) => unsafe {
                y.gather(&step.rows[samples.clone()], into, samples.start * rows, columns);
            },
            (TargetPlace::Class(ids), Some(Target::Class(y))) => {
                for (sample, &row) in samples.clone().zip(&step.rows[samples]) {
                    for r in 0..rows {
                        let id = y.element(row as usize, r) as f32;
                        if !self.accepts(id, columns) {
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
    fn accepts(&self, id: f32, columns: usize) -> bool {
        let ignored = self.objective.and_then(|o| o.loss.loss.ignored_class());
        (id >= 0.0 && id < columns as f32) || ignored.is_some_and(|i| id == i as f32)
    }

    /// A worker's part of a matrix that an operation writes.
    fn share(&self, rows: usize, columns: usize, split: Split, worker: &Worker, samples: usize) -> Share {
        match split {
            Split::Panels(_) => Share { rows: 0..samples * rows, panels: part(panels(columns), PANEL_GRAIN, worker) },
            _ => {
                let own = part(samples, ROW_GRAIN, worker);
                Share { rows: own.start * rows..own.end * rows, panels: 0..panels(columns) }
            }
        }
    }

    fn forward(&self, s: usize, split: Split, worker: &Worker, step: &Step) {
        let Stage { kind, input, output, .. } = &self.plan.stages[s];
        let (from, to) = (&self.plan.tensors[*input], &self.plan.tensors[*output]);
        let (x, y) = (self.memory.values[*input], self.memory.values[*output]);
        let share = self.share(to.rows(), to.columns(), split, worker, step.rows.len());
        match kind {
            Kind::Dense { kernel, bias } => {
                let start = bias.map_or(Start::Zero, |b| Start::Row(self.variables[b]));
                let b = Panels { start: self.variables[*kernel], stride: from.columns() * PANEL };
                self.level.run(Product { share, depth: from.columns(), a: x, b, c: y, start });
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
                let mask = self.memory.masks[s];
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
        }
    }

    fn backward(&self, s: usize, accumulate: bool, split: Split, worker: &Worker, step: &Step) {
        let Stage { kind, input, output, .. } = &self.plan.stages[s];
        let (from, to) = (&self.plan.tensors[*input], &self.plan.tensors[*output]);
        let (x, y) = (self.memory.values[*input], self.memory.values[*output]);
        let (dx, dy) = (self.memory.gradients[*input], self.memory.gradients[*output]);
        let share = self.share(from.rows(), from.columns(), split, worker, step.rows.len());
        match kind {
            Kind::Dense { kernel, .. } => self.level.run(InputGradient {
                share,
                rows: from.columns(),
                columns: to.columns(),
                kernel: Panels { start: self.variables[*kernel], stride: from.columns() * PANEL },
                dy,
                dx,
                accumulate,
                scratch: self.memory.scratch(worker.index),
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
                self.level.run(Multiply { share, a: dy, b: self.memory.masks[s], z: dx, accumulate });
            }
            Kind::Reshape => {
                let own = part(step.rows.len(), ROW_GRAIN, worker);
                reshape(own, dy, (to.rows(), to.columns()), dx, (from.rows(), from.columns()), accumulate);
            }
        }
    }

    fn loss(&self, samples: Range<usize>, worker: &Worker, batch: usize) {
        let Some(objective) = self.objective else { return };
        let output = &self.plan.tensors[self.program.loss_input];
        let training = self.optimizer.is_some() && output.trained;
        self.level.run(LossRows {
            loss: &objective.loss.loss,
            head: self.program.head,
            metrics: &objective.metrics,
            rows: samples.start * output.rows()..samples.end * output.rows(),
            columns: output.columns(),
            predictions: self.memory.values[self.program.loss_input],
            target: self.memory.target,
            weights: self.memory.weights,
            scale: self.loss_scale(batch),
            gradient: training.then_some(self.memory.gradients[self.program.loss_input]),
            losses: self.memory.losses,
            metric_values: self.memory.metric_values,
            metric_stride: self.memory.metric_stride,
            scratch: self.memory.scratch(worker.index),
        });
    }

    /// What the sum of the batch's weighted losses is multiplied by.
    pub fn loss_scale(&self, batch: usize) -> f64 {
        let Some(LossConfig { loss, reduction }) = self.objective.map(|o| o.loss) else { return 1.0 };
        let rows = batch * self.plan.tensors[self.program.loss_input].rows();
        let counts = |r: &usize| match (self.memory.target, loss.ignored_class()) {
            // SAFETY: every row's target was written before the barrier that precedes the loss.
            (TargetPlace::Class(ids), Some(ignored)) => unsafe { *ids.add(*r) != ignored as f32 },
            _ => true,
        };
        let whole = match reduction {
            Reduction::Sum | Reduction::None => return 1.0,
            Reduction::MeanWithSampleWeight => {
                // SAFETY: every row's weight was written before that barrier too.
                (0..rows).filter(counts).map(|r| f64::from(unsafe { *self.memory.weights.add(r) })).sum()
            }
            _ if loss.ignored_class().is_some() => (0..rows).filter(counts).count() as f64,
            _ => rows as f64,
        };
        if whole == 0.0 { 0.0 } else { 1.0 / whole }
    }
}

/// y = x on a share.
fn copy(share: &Share, x: Panels, y: Panels) {
    for panel in share.panels.clone() {
        // SAFETY: the share is this worker's alone and within both matrices.
        unsafe {
            let count = share.rows.len() * PANEL;
            std::ptr::copy_nonoverlapping(x.at(panel, share.rows.start), y.at(panel, share.rows.start), count);
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
