//! Evaluation and prediction, on snapshots of the weights.

use crate::backend::cpu::{CpuBackend, Pass};
#[cfg(feature = "python")]
use crate::backend::cpu::{Source, profile_is_wanted};
use crate::backend::{Device, Objective, Purpose, Steps, Totals};
use crate::data::{Array, Feed};
use crate::error::{Error, Result};
#[cfg(feature = "python")]
use crate::model::SMALL_PREDICTION;
use crate::model::{Compiled, Model, Samples, Settled, Task, Trial, lock};
use crate::params::{Snapshot, zeros};
use crate::train::{Schedule, check_same, identity};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Samples that one worker takes through the whole network at a time: enough to reuse each kernel panel from the
/// first-level cache, few enough that activations stay in the second.
pub(crate) const BLOCK: usize = 64;

/// Floating-point operations of a prediction that is over before anybody could want to interrupt it: some milliseconds.
#[cfg(feature = "python")]
const QUICK_WORK: f64 = SMALL_PREDICTION;

/// Evaluations of one data set, in pieces, each on the weights of its beginning.
pub struct Evaluation {
    model: Arc<Model>,
    compiled: Arc<Compiled>,
    objectives: Vec<Objective>,
    feed: Arc<Feed>,
    executor: Settled,
    weights: Arc<Snapshot>,
    order: Vec<u32>,
    batch: usize,
    /// Samples that the executor has room for.
    capacity: usize,
    steps: usize,
    step: usize,
    totals: Totals,
}

impl Evaluation {
    /// Checks and allocates everything. `device`: where to run, if not where the model does.
    pub fn new(model: &Arc<Model>, data: Samples, schedule: Schedule, device: Option<Device>) -> Result<Self> {
        let compiled = model.compiled()?;
        let (feed, objectives) = model.check_data(&compiled, data)?;
        let (steps, batch) = (schedule.steps(feed.rows())?, schedule.batch.min(feed.rows()));
        let totals = Totals::new(&objectives, &model.output_columns());
        let home = model.home(device, || {
            let (plan, purpose) = (compiled.plan.clone(), Purpose::Evaluate(objectives.clone()));
            Ok(Trial { task: Task::Evaluate, plan, purpose, batch, feed: feed.clone(), optimizer: None })
        })?;
        let mut executor = model.settle(home, &compiled.plan, &Purpose::Evaluate(objectives.clone()), batch)?;
        let order = identity(&feed)?;
        executor.get()?.bind_data(feed.clone())?;
        let weights = model.snapshot()?;
        let model = model.clone();
        Ok(Evaluation {
            model,
            compiled,
            objectives,
            feed,
            executor,
            weights,
            order,
            batch,
            capacity: batch,
            steps,
            step: 0,
            totals,
        })
    }

    /// Makes other samples the whole of what comes next, see [`crate::train::Fit::rebind`].
    pub fn rebind(&mut self, data: Samples) -> Result<()> {
        let (feed, objectives) = self.model.check_data(&self.compiled, data)?;
        check_same(&objectives, &self.objectives)?;
        let (rows, order) = (feed.rows(), identity(&feed)?);
        if self.capacity < rows {
            let purpose = Purpose::Evaluate(objectives);
            self.executor = self.model.settle(self.executor.home, &self.compiled.plan, &purpose, rows)?;
            self.capacity = rows;
        }
        self.executor.get()?.bind_data(feed.clone())?;
        (self.feed, self.order, self.batch) = (feed, order, rows);
        (self.step, self.steps) = (0, 1);
        Ok(())
    }

    /// Whose run it is.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }
    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.steps
    }
    /// Steps done.
    pub fn step(&self) -> usize {
        self.step
    }
    /// The samples of the next step and their outputs, see [`crate::train::Fit::preview`].
    pub fn preview(&mut self) -> Result<(Vec<u32>, Vec<Vec<f32>>)> {
        let bound = |step: usize| (step * self.batch).min(self.order.len());
        let rows = self.order[bound(self.step)..bound(self.step + 1)].to_vec();
        let mut out = self.model.room_for(rows.len())?;
        let mut previewer = CpuBackend::default().executor(self.model.plan(), &Purpose::Predict, rows.len())?;
        previewer.call(&self.feed, &rows, Pass { number: 0, moves: false }, &mut out)?;
        Ok((rows, out))
    }
    /// The sums so far, in which the state of each metric is.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }
    /// Loss and metrics so far.
    pub fn logs(&self) -> Vec<(String, f64)> {
        self.compiled.logs(&self.objectives, &self.totals)
    }

    /// Starts again, on the weights as they are now.
    pub fn begin(&mut self) -> Result<()> {
        self.weights = self.model.snapshot()?;
        self.step = 0;
        self.totals.clear();
        Ok(())
    }

    /// Runs whole steps until the end, `max_steps` are done or the time is over; at least one.
    pub fn run(&mut self, max_steps: Option<usize>, time: Duration) -> Result<()> {
        let until = max_steps.map_or(self.steps, |n| self.step.saturating_add(n).min(self.steps));
        if self.step < until {
            let deadline = Instant::now() + time;
            let steps =
                Steps { order: &self.order, batch: self.batch, from: self.step, until, deadline, check_finite: false };
            self.step += self.executor.get()?.evaluate(&self.weights, &steps, &mut self.totals)?;
        }
        Ok(())
    }
}

/// A prediction of many samples, in pieces.
pub struct Prediction {
    model: Arc<Model>,
    executor: Option<Settled>,
    weights: Arc<Snapshot>,
    rows: usize,
    done: usize,
    widths: Vec<usize>,
}

impl Prediction {
    /// Checks and allocates everything but the results. `device`: where to run, if not where the model does.
    pub fn new(model: &Arc<Model>, x: Vec<Array>, device: Option<Device>) -> Result<Self> {
        model.check_inputs(&x)?;
        let feed = Arc::new(Feed { inputs: x, ..Feed::default() });
        let rows = feed.rows();
        let home = model.home(device, || {
            let (plan, feed) = (model.plan().clone(), Arc::clone(&feed));
            Ok(Trial { task: Task::Predict, plan, purpose: Purpose::Predict, batch: BLOCK, feed, optimizer: None })
        })?;
        let kept = {
            let mut predictors = lock(&model.predictors);
            predictors.iter().position(|p| p.home == home).map(|i| predictors.swap_remove(i))
        };
        let mut executor = match kept {
            Some(executor) => executor,
            None => model.settle(home, model.plan(), &Purpose::Predict, BLOCK)?,
        };
        executor.get()?.bind_data(feed)?;
        let widths = model.output_shapes().iter().map(|shape| shape.iter().product()).collect();
        let weights = model.snapshot()?;
        Ok(Prediction { model: model.clone(), executor: Some(executor), weights, rows, done: 0, widths })
    }

    /// Starts again, on the weights as they are now.
    pub fn begin(&mut self) -> Result<()> {
        self.weights = self.model.snapshot()?;
        self.done = 0;
        Ok(())
    }

    /// Starts again with other samples, on the same weights.
    pub fn rebind(&mut self, x: Vec<Array>) -> Result<()> {
        self.model.check_inputs(&x)?;
        let feed = Arc::new(Feed { inputs: x, ..Feed::default() });
        let rows = feed.rows();
        if let Some(executor) = &mut self.executor {
            executor.get()?.bind_data(feed)?;
        }
        (self.rows, self.done) = (rows, 0);
        Ok(())
    }

    /// Samples in all.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Samples done.
    pub fn done(&self) -> usize {
        self.done
    }
    /// Numbers a sample, for each output.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// Room for all results.
    pub fn results(&self) -> Result<Vec<Vec<f32>>> {
        self.widths.iter().map(|width| zeros(self.rows.saturating_mul(*width), "predictions")).collect()
    }

    /// Predicts up to `max_rows` more samples or until the time is over, into `out`, which is what
    /// [`Prediction::results`] made. At least one block.
    pub fn run(&mut self, out: &mut [Vec<f32>], max_rows: usize, time: Duration) -> Result<()> {
        if !out.iter().map(Vec::len).eq(self.widths.iter().map(|width| self.rows * width)) {
            let expected = format!("{} samples of {:?} numbers", self.rows, self.widths);
            return Err(Error::invalid("out", expected, "arrays of other sizes"));
        }
        let deadline = Instant::now() + time;
        let until = self.done.saturating_add(max_rows).min(self.rows);
        // Pieces small enough to look at the clock, large enough to be worth several threads.
        let mut piece = BLOCK * 16;
        while self.done < until {
            let end = (self.done + piece).min(until);
            if let Some(executor) = &mut self.executor {
                let parts = out.iter_mut().zip(&self.widths);
                let mut parts: Vec<&mut [f32]> =
                    parts.map(|(out, width)| &mut out[self.done * width..end * width]).collect();
                executor.get()?.forward(&self.weights, self.done..end, &mut parts)?;
            }
            self.done = end;
            if Instant::now() >= deadline {
                break;
            }
            piece = (piece * 2).min(BLOCK * 1024);
        }
        Ok(())
    }
}

impl Drop for Prediction {
    fn drop(&mut self) {
        // The executor's buffers serve the next prediction; the arrays do not.
        if let Some(mut executor) = self.executor.take()
            && executor.get().and_then(|executor| executor.bind_data(Feed::nothing())).is_ok()
        {
            lock(&self.model.predictors).push(executor);
        }
    }
}

impl Model {
    /// The first output for `x`, row-major; safe from any number of threads.
    pub fn predict(self: &Arc<Self>, x: Vec<Array>) -> Result<Vec<f32>> {
        Ok(self.predict_all(x)?.swap_remove(0))
    }

    /// The output for a few samples, on the caller's thread and without an executor; `None` for a model that is no chain of
    /// layers on rows, that computes elsewhere, for samples that do not fit, or for so many samples that others should have a
    /// turn in between; nor where a profile of the operations is wanted.
    #[cfg(feature = "python")]
    pub(crate) fn predict_rows(self: &Arc<Self>, x: &Array) -> Result<Option<Vec<f32>>> {
        if profile_is_wanted() {
            return Ok(None);
        }
        let Some(chain) = self.chain()? else { return Ok(None) };
        let rows = x.rows();
        let here = match self.named_device()? {
            Some(Device::Auto) => self.is_small_prediction(rows),
            device => device == Some(Device::Cpu) && chain.work() * rows as f64 <= QUICK_WORK,
        };
        if !here || self.check_inputs(std::slice::from_ref(x)).is_err() {
            return Ok(None);
        }
        let mut out = zeros(rows * self.output_columns()[0], "predictions")?;
        // SAFETY: the array was held against the input's shape; `out` has a row of the output for each of its samples.
        unsafe { chain.predict(Source::Array(x), rows, out.as_mut_ptr())? };
        Ok(Some(out))
    }

    /// Every output for `x`, row-major; safe from any number of threads.
    pub fn predict_all(self: &Arc<Self>, x: Vec<Array>) -> Result<Vec<Vec<f32>>> {
        let mut prediction = Prediction::new(self, x, None)?;
        let mut out = prediction.results()?;
        while prediction.done() < prediction.rows() {
            prediction.run(&mut out, usize::MAX, Duration::from_secs(3600))?;
        }
        Ok(out)
    }
}
