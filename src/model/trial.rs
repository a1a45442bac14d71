//! Steps of a run on copies, to see how long they take on a device.
//!
//! Variables and slots are copies, the optimizer is a new one with the same options, and the samples are the first of the data set,
//! so nothing of the model moves: no weight, no counter, no random stream. A pass over the samples is not counted, since it
//! compiles, allocates and copies; of the next three, the quickest counts.

use super::choice::{Task, work};
use crate::backend::{Backend, Purpose, Steps, Totals};
use crate::data::Feed;
use crate::error::{Error, Result};
use crate::optimizers::{OptimizerConfig, OptimizerState};
use crate::params::{Snapshot, Variable, zeros};
use crate::plan::Plan;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Batches of a pass at most.
const STEPS: usize = 16;
/// Floating-point operations of a pass, one batch aside: a tenth of a second, or less.
const WORK: f64 = 5e9;
/// How long a pass may take until it ends with a step.
const PASS: Duration = Duration::from_millis(30);

/// What would be run.
pub(crate) struct Trial {
    pub(crate) task: Task,
    pub(crate) plan: Arc<Plan>,
    pub(crate) purpose: Purpose,
    pub(crate) batch: usize,
    pub(crate) feed: Arc<Feed>,
    /// For training.
    pub(crate) optimizer: Option<OptimizerConfig>,
}

impl Trial {
    /// Samples of the run.
    pub(super) fn rows(&self) -> usize {
        self.feed.rows()
    }

    /// Seconds for a step, or for a sample of a prediction.
    pub(super) fn seconds(&self, backend: &dyn Backend) -> Result<f64> {
        let plan = Arc::new(copy(&self.plan)?);
        let affordable = (WORK / work(&plan).max(1.0)) as usize;
        let rows = match self.task {
            Task::Predict => self.rows().min(affordable.max(4 * self.batch)),
            Task::TrainOnBatch => self.batch,
            Task::Train | Task::Evaluate => self.batch * (affordable / self.batch.max(1)).clamp(1, STEPS),
        };
        let feed = Arc::new(self.feed.first(rows));
        let order: Vec<u32> = (0..feed.rows() as u32).collect();
        let all = order.len().div_ceil(self.batch.max(1));
        let steps = |until: usize| {
            let deadline = Instant::now() + PASS;
            Steps { order: &order, batch: self.batch, from: 0, until, deadline, check_finite: false }
        };
        let weights = Snapshot::take(&plan.variables)?;
        let mut totals = Totals::new(self.purpose.objectives(), &plan.output_columns());
        let mut state = self.optimizer.clone().map(OptimizerState::new);
        if let Some(state) = &mut state {
            state.ensure_slots(&plan)?;
        }
        let sizes = plan.outputs.iter().map(|&t| plan.tensors[t].shape.iter().product::<usize>() * feed.rows());
        let mut out = match self.task {
            Task::Predict => sizes.map(|size| zeros(size, "predictions")).collect::<Result<Vec<_>>>()?,
            _ => Vec::new(),
        };
        let mut executor = backend.compile(&plan, &self.purpose, self.batch)?;
        executor.bind_data(feed.clone())?;
        // A pass; gives what has been done: steps, or samples of a prediction.
        let mut pass = |until: usize| -> Result<usize> {
            let missing = || Error::Internal("a trial of training needs an optimizer".into());
            match self.task {
                Task::Train => executor.run_steps(&steps(until), state.as_mut().ok_or_else(missing)?, &mut totals),
                Task::TrainOnBatch => {
                    let state = state.as_mut().ok_or_else(missing)?;
                    executor.bind_data(feed.clone())?;
                    executor.run_steps(&steps(1), state, &mut totals)?;
                    executor.synchronise(state)?;
                    Ok(1)
                }
                Task::Evaluate => {
                    executor.bind_data(feed.clone())?;
                    executor.evaluate(&weights, &steps(until), &mut totals)
                }
                Task::Predict => {
                    executor.bind_data(feed.clone())?;
                    let mut parts: Vec<&mut [f32]> = out.iter_mut().map(Vec::as_mut_slice).collect();
                    executor.forward(&weights, 0..feed.rows(), &mut parts)?;
                    Ok(feed.rows())
                }
            }
        };
        pass(1)?;
        let mut best = f64::INFINITY;
        for _ in 0..3 {
            let begin = Instant::now();
            let done = pass(all)?;
            best = best.min(begin.elapsed().as_secs_f64() / done.max(1) as f64);
            if begin.elapsed() > 4 * PASS {
                break;
            }
        }
        Ok(best)
    }
}

/// The same plan with variables of its own.
fn copy(plan: &Plan) -> Result<Plan> {
    let variables = plan.variables.iter().map(|v| {
        let same = Variable::new(v.name(), v.path(), v.shape(), v.trainable(), &v.values()?)?;
        Ok(Arc::new(same.with_rules(v.regularizer().cloned(), v.constraint().cloned())))
    });
    let variables = variables.collect::<Result<_>>()?;
    Ok(Plan { variables, ..plan.clone() })
}
