//! One batch by itself, on the caller's thread: a forward pass as in training, and gradients without an update.

use super::executor::{CpuExecutor, refusal};
use super::ops::Step;
use super::pool::Worker;
use super::program::Op;
use super::simd::PANEL;
use crate::backend::Totals;
use crate::data::Feed;
use crate::error::Result;
use crate::gradients::Numbers;
use crate::params::{Exclusive, Snapshot, Variable, zeros};
use crate::plan::{Stage, TensorId};
use crate::train::identity;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A forward pass by itself.
#[derive(Clone, Copy)]
pub(crate) struct Pass {
    /// What noise is drawn by: the number of the step.
    pub number: u64,
    /// Whether moving statistics move.
    pub moves: bool,
}

impl Pass {
    /// One that moves the moving statistics.
    pub fn moving(number: u64) -> Self {
        Pass { number, moves: true }
    }
}

impl CpuExecutor {
    /// Samples as one batch, without an update of what has gradients.
    pub(crate) fn call(&mut self, feed: &Feed, rows: &[u32], pass: Pass, out: &mut [Vec<f32>]) -> Result<()> {
        let refused = AtomicI64::new(-1);
        let mut locks = Exclusive::lock(&self.plan.variables);
        let variables = locks.pointers();
        let context = self.context(feed, &self.memory[0], &variables, &refused);
        let step = Step { rows, next: &[], number: pass.number };
        let worker = Worker::alone();
        for scheduled in self.program.ops.iter().filter(|o| pass.moves || !matches!(o.op, Op::Moving(_))) {
            context.execute(scheduled, &worker, &step);
        }
        for (&output, out) in self.plan.outputs.iter().zip(out) {
            context.copy_out(output, self.plan.tensors[output].columns(), out);
        }
        if pass.moves {
            self.plan.variables.iter().for_each(|v| v.touch());
        }
        Ok(())
    }

    /// The gradients of the whole data set as one batch: by each variable, where it is trained, and by each input.
    pub(crate) fn differentiate(
        &mut self,
        feed: Arc<Feed>,
        weights: &Snapshot,
        number: u64,
        totals: &mut Totals,
    ) -> Result<[Vec<Option<Numbers>>; 2]> {
        let rows = identity(&feed)?;
        let (variables, refused) = (weights.pointers(), AtomicI64::new(-1));
        let context = self.context(&feed, &self.memory[0], &variables, &refused);
        self.run_alone(&context, &Step { rows: &rows, next: &[], number }, &mut self.clock(&Worker::alone()));
        if let row @ 0.. = refused.load(Ordering::Relaxed) {
            return Err(refusal(row));
        }
        context.tally(rows.len(), totals);
        let of_variable = |(v, variable): (usize, &Arc<Variable>)| {
            let layout = variable.layout();
            let mut values = zeros(layout.len(), variable.path())?;
            // SAFETY: a trained variable's gradient has its layout; every variable takes the general path here.
            let lines =
                unsafe { std::slice::from_raw_parts(self.memory[0].variable_gradients[v].cast(), layout.lines()) };
            layout.unpack(lines, &mut values);
            Ok((values, variable.shape().to_vec()))
        };
        let all = self.plan.variables.iter().enumerate();
        let variables = all.map(|each| self.plan.trained[each.0].then(|| of_variable(each)).transpose());
        let passes = |t: TensorId| {
            let reads = |s: &Stage| s.inputs.contains(&t) && s.kind.passes_gradient();
            self.plan.outputs.contains(&t) || self.plan.stages.iter().any(reads)
        };
        let inputs = feed.inputs.iter().enumerate().map(|(i, input)| {
            let mut sum = zeros(input.rows() * input.row_len(), "gradients")?;
            let readings = self.plan.tensors.iter().enumerate();
            let readings = readings.filter(|(t, tensor)| tensor.source == Some(i) && tensor.uses > 0 && passes(*t));
            let readings: Vec<_> = readings.collect();
            if readings.is_empty() {
                return Ok(None);
            }
            for (t, tensor) in readings {
                let columns = tensor.columns();
                for (at, value) in sum.iter_mut().enumerate() {
                    let (row, column) = (at / columns, at % columns);
                    // SAFETY: an input's gradient has room for every row and was written, or is zero, by now.
                    *value += unsafe { *self.memory[0].gradients[t].at(column / PANEL, row).add(column % PANEL) };
                }
            }
            Ok(Some((sum, input.shape().to_vec())))
        });
        Ok([variables.collect::<Result<_>>()?, inputs.collect::<Result<_>>()?])
    }
}
