//! What a batch comes to: losses, penalties and metrics added up by one worker, row by row, in double precision.

use super::ops::Context;
use super::rows::TargetPlace;
use super::simd::PANEL;
use crate::backend::{Measure, Totals};
use crate::losses::Target;
use crate::params::panels;
use crate::plan::TensorId;

impl Context<'_> {
    /// Adds a batch's losses and metrics to `totals`.
    pub fn tally(&self, samples: usize, totals: &mut Totals) {
        let mut loss = self.penalties(samples);
        let mut states = totals.metrics.iter_mut();
        for (o, objective) in self.objectives.iter().enumerate() {
            let memory = &self.memory.outputs[o];
            let rows = samples * self.plan.tensors[self.plan.outputs[o]].rows();
            // SAFETY: every row's value was written before the barrier that precedes this.
            let read = |start: *const f32, r: usize| f64::from(unsafe { *start.add(r) });
            if objective.loss.is_some() {
                let own = (0..rows).map(|r| read(memory.losses, r)).sum::<f64>() * self.loss_scale(o, samples);
                totals.losses[o] += own * samples as f64;
                loss += own * objective.weight;
            }
            for (i, (measure, state)) in objective.metrics.iter().zip(&mut states).enumerate() {
                if !measure.metric.is_row_mean() {
                    self.accumulate(o, measure, rows, state);
                    continue;
                }
                // SAFETY: each metric has `stride` floats.
                let values = unsafe { memory.metric_values.add(i * memory.stride) };
                for r in 0..rows {
                    let weight = if measure.weighted { read(memory.weights, r) } else { 1.0 };
                    state[0] += read(values, r) * weight;
                    state[1] += weight;
                }
            }
        }
        totals.loss += loss * samples as f64;
        totals.samples += samples as f64;
    }

    /// Whether a batch's loss is a finite number: no row and no penalty is NaN or infinite. Every worker may ask, past the
    /// barrier before the tally, and finds the same.
    pub fn is_finite(&self, samples: usize) -> bool {
        let losses = self.objectives.iter().enumerate().filter(|(_, objective)| objective.loss.is_some());
        let rows_are_finite = |o: usize| {
            let rows = samples * self.plan.tensors[self.plan.outputs[o]].rows();
            // SAFETY: every row's value was written before the barrier that precedes this.
            let rows = unsafe { std::slice::from_raw_parts(self.memory.outputs[o].losses.cast_const(), rows) };
            // Without a branch, so that it runs over registers.
            rows.iter().fold(true, |all, value| all & value.is_finite())
        };
        losses.fold(true, |all, (o, _)| all & rows_are_finite(o)) && self.penalties(samples).is_finite()
    }

    /// The penalties on variables and on activity, the latter over the batch's size.
    fn penalties(&self, samples: usize) -> f64 {
        let mut sum = 0.0;
        for (v, variable) in self.plan.variables.iter().enumerate() {
            if variable.regularizer().is_some() {
                // SAFETY: the variable has a double a panel, written before the barrier.
                sum += (0..panels(variable.layout().columns))
                    .map(|p| unsafe { *self.memory.penalties[v].add(p) })
                    .sum::<f64>();
            }
        }
        for rows in self.memory.stage_rows.iter().filter(|rows| !rows.is_null()) {
            // SAFETY: the stage has a number a sample, written before the barrier.
            sum += (0..samples).map(|r| f64::from(unsafe { *rows.add(r) })).sum::<f64>() / samples as f64;
        }
        sum
    }

    /// Adds the rows of a batch to the state of a metric that is no mean of rows.
    fn accumulate(&self, o: usize, measure: &Measure, rows: usize, state: &mut [f64]) {
        let (memory, output) = (&self.memory.outputs[o], self.plan.outputs[o]);
        let columns = self.plan.tensors[output].columns();
        let scratch = self.memory.scratch(0).cast::<f64>();
        // SAFETY: worker 0 alone is here, and its scratch holds 48 floats a column of the widest output, aligned to 64 bytes.
        let (y, p) = unsafe {
            (
                std::slice::from_raw_parts_mut(scratch, columns),
                std::slice::from_raw_parts_mut(scratch.add(columns), columns),
            )
        };
        for r in 0..rows {
            // SAFETY: the row was written before the barrier that precedes this.
            unsafe {
                self.values[output].read_row(r, p);
                let target = match memory.target {
                    TargetPlace::Dense(matrix) => {
                        matrix.read_row(r, y);
                        Target::Dense(y)
                    }
                    TargetPlace::Class(ids) => Target::Class(f64::from(*ids.add(r))),
                };
                let weight = if measure.weighted { f64::from(*memory.weights.add(r)) } else { 1.0 };
                measure.metric.add(state, target, p, weight);
            }
        }
    }

    /// A tensor's rows, row-major.
    pub fn copy_out(&self, tensor: TensorId, columns: usize, out: &mut [f32]) {
        let values = self.values[tensor];
        for (row, line) in out.chunks_exact_mut(columns.max(1)).enumerate() {
            for (panel, part) in line.chunks_mut(PANEL).enumerate() {
                // SAFETY: the tensor has room for every row of a block, and this worker computed it.
                unsafe { std::ptr::copy_nonoverlapping(values.at(panel, row), part.as_mut_ptr(), part.len()) };
            }
        }
    }
}
