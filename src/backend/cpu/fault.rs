//! Where a batch meets its first numbers that are not finite: a forward pass as training would make it, on the
//! caller's thread, that looks at what each stage wrote as soon as it is written.

use super::executor::CpuExecutor;
use super::ops::{Context, Step};
use super::pool::Worker;
use super::program::Op;
use crate::data::{Array, Feed, Target};
use crate::params::Snapshot;
use crate::plan::TensorId;
use std::sync::atomic::AtomicI64;

/// What was found of numbers that are NaN or infinite, as `f32`. Rows are those of the data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// The first layer, in the order of the graph, that has some, and where: in its `weights` or in its `output`.
    pub layer: Option<(String, &'static str)>,
    /// The first input that has some, and the row.
    pub input: Option<(usize, u32)>,
    /// The first output whose target has some, and the row.
    pub target: Option<(usize, u32)>,
    /// The first output whose samples' weights have some, and the row.
    pub weight: Option<(usize, u32)>,
}

impl CpuExecutor {
    /// Searches a batch. The executor is one of gradients; the way back is not taken, and nothing is changed.
    pub(crate) fn find_fault(&self, feed: &Feed, weights: &Snapshot, rows: &[u32], number: u64) -> Fault {
        let first = |arrays: Vec<Option<&Array>>| {
            let bad = |array: &Array| rows.iter().copied().find(|&row| !is_finite(array, row));
            arrays.into_iter().enumerate().find_map(|(i, array)| Some((i, array.and_then(bad)?)))
        };
        let (variables, refused) = (weights.pointers(), AtomicI64::new(-1));
        let context = self.context(feed, &self.memory[0], &variables, &refused);
        let (worker, step) = (Worker::alone(), Step { rows, next: &[], number });
        let bad_weights = |v: usize| {
            let values = weights.values(v, self.plan.variables[v].layout());
            values.iter().any(|w| !w.is_finite())
        };
        let mut layer = None;
        for scheduled in self.program.ops.iter().take_while(|scheduled| scheduled.op != Op::Tally) {
            if !matches!(scheduled.op, Op::Gather(_) | Op::Forward(_)) {
                continue;
            }
            context.execute(scheduled, &worker, &step);
            if let Op::Forward(s) = scheduled.op {
                let stage = &self.plan.stages[s];
                let found = match stage.kind.variables().into_iter().any(bad_weights) {
                    true => Some("weights"),
                    false => context.has_fault(stage.output, rows.len()).then_some("output"),
                };
                layer = layer.or(found.map(|what| (stage.layer.clone(), what)));
            }
        }
        let targets = feed.targets.iter().map(|target| match target {
            Some(Target::Dense(y)) => Some(y),
            _ => None,
        });
        Fault {
            layer,
            input: first(feed.inputs.iter().map(Some).collect()),
            target: first(targets.collect()),
            weight: first(feed.weights.iter().map(Option::as_ref).collect()),
        }
    }
}

/// Whether a row is finite numbers, as the engine reads them.
fn is_finite(array: &Array, row: u32) -> bool {
    (0..array.row_len()).all(|e| (array.element(row as usize, e) as f32).is_finite())
}

impl Context<'_> {
    /// Whether a tensor holds a number that is not finite.
    fn has_fault(&self, tensor: TensorId, samples: usize) -> bool {
        let info = &self.plan.tensors[tensor];
        let mut row = vec![0.0; info.columns()];
        (0..samples * info.rows()).any(|r| {
            // SAFETY: the tensor has room for every row of a batch, and nobody else is at work.
            unsafe { self.values[tensor].read_row(r, &mut row) };
            row.iter().any(|x| !x.is_finite())
        })
    }
}
