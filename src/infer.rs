//! Evaluation and prediction, on snapshots of the weights.

use crate::backend::{Device, Purpose, Steps, Totals};
use crate::data::{Array, Feed};
use crate::error::{Error, Result};
use crate::model::{Compiled, Model, Settled, lock};
use crate::params::Snapshot;
use crate::train::{Schedule, identity, logs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Samples that one worker takes through the whole network at a time: enough to reuse each kernel panel from the
/// first-level cache, few enough that activations stay in the second.
const BLOCK: usize = 64;

/// Evaluations of one data set, in pieces, each on the weights of its beginning.
pub struct Evaluation {
    model: Arc<Model>,
    compiled: Arc<Compiled>,
    executor: Settled,
    weights: Arc<Snapshot>,
    order: Vec<u32>,
    batch: usize,
    steps: usize,
    step: usize,
    totals: Totals,
}

impl Evaluation {
    /// Checks and allocates everything.
    pub fn new(
        model: &Arc<Model>,
        x: Vec<Array>,
        y: Array,
        weights: Option<Array>,
        schedule: Schedule,
    ) -> Result<Self> {
        Self::on(model, x, y, weights, schedule, None)
    }

    /// The same on a device of choice.
    pub fn on(
        model: &Arc<Model>,
        x: Vec<Array>,
        y: Array,
        weights: Option<Array>,
        schedule: Schedule,
        device: Option<Device>,
    ) -> Result<Self> {
        let compiled = model.compiled()?;
        let (feed, objective) = model.check_data(&compiled, x, y, weights)?;
        let (steps, batch) = (schedule.steps(feed.rows())?, schedule.batch.min(feed.rows()));
        let totals = Totals::new(objective.metrics.len());
        let home = model.home(device)?;
        let mut executor = model.settle(home, &compiled.plan, &Purpose::Evaluate(objective), batch)?;
        let order = identity(&feed)?;
        executor.get()?.bind_data(feed)?;
        let weights = model.snapshot()?;
        let model = model.clone();
        Ok(Evaluation { model, compiled, executor, weights, order, batch, steps, step: 0, totals })
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.steps
    }
    /// Steps done.
    pub fn step(&self) -> usize {
        self.step
    }
    /// Loss and metrics so far.
    pub fn logs(&self) -> Vec<(String, f64)> {
        logs(&self.totals, &self.compiled)
    }

    /// Starts again, on the weights as they are now.
    pub fn begin(&mut self) -> Result<()> {
        self.weights = self.model.snapshot()?;
        self.step = 0;
        self.totals = Totals::new(self.totals.metrics.len());
        Ok(())
    }

    /// Runs whole steps until the end, `max_steps` are done or the time is over; at least one.
    pub fn run(&mut self, max_steps: Option<usize>, time: Duration) -> Result<()> {
        let until = max_steps.map_or(self.steps, |n| self.step.saturating_add(n).min(self.steps));
        if self.step < until {
            let deadline = Instant::now() + time;
            let steps = Steps { order: &self.order, batch: self.batch, from: self.step, until, deadline };
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
    width: usize,
}

impl Prediction {
    /// Checks and allocates everything but the result.
    pub fn new(model: &Arc<Model>, x: Vec<Array>) -> Result<Self> {
        Self::on(model, x, None)
    }

    /// The same on a device of choice.
    pub fn on(model: &Arc<Model>, x: Vec<Array>, device: Option<Device>) -> Result<Self> {
        model.check_inputs(&x)?;
        let feed = Arc::new(Feed { inputs: x, target: None, weights: None });
        let rows = feed.rows();
        let home = model.home(device)?;
        let kept = {
            let mut predictors = lock(&model.predictors);
            predictors.iter().position(|p| p.home == home).map(|i| predictors.swap_remove(i))
        };
        let mut executor = match kept {
            Some(executor) => executor,
            None => model.settle(home, model.plan(), &Purpose::Predict, BLOCK)?,
        };
        executor.get()?.bind_data(feed)?;
        let width = model.output_shapes()[0].iter().product();
        let weights = model.snapshot()?;
        Ok(Prediction { model: model.clone(), executor: Some(executor), weights, rows, done: 0, width })
    }

    /// Samples in all.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Samples done.
    pub fn done(&self) -> usize {
        self.done
    }
    /// Numbers a sample.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Predicts up to `max_rows` more samples or until the time is over, into `out`, which is the whole result. At least
    /// one block.
    pub fn run(&mut self, out: &mut [f32], max_rows: usize, time: Duration) -> Result<()> {
        if out.len() != self.rows * self.width {
            let expected = format!("{} numbers", self.rows * self.width);
            return Err(Error::invalid("out", expected, out.len().to_string()));
        }
        let deadline = Instant::now() + time;
        let until = self.done.saturating_add(max_rows).min(self.rows);
        // Pieces small enough to look at the clock, large enough to be worth several threads.
        let mut piece = BLOCK * 16;
        while self.done < until {
            let end = (self.done + piece).min(until);
            if let Some(executor) = &mut self.executor {
                let executor = executor.get()?;
                executor.forward(&self.weights, self.done..end, &mut out[self.done * self.width..end * self.width])?;
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
    /// The outputs for `x`, row-major; safe from any number of threads.
    pub fn predict(self: &Arc<Self>, x: Vec<Array>) -> Result<Vec<f32>> {
        let mut prediction = Prediction::new(self, x)?;
        let mut out = Vec::new();
        let count = prediction.rows() * prediction.width();
        out.try_reserve_exact(count)
            .map_err(|_| Error::OutOfMemory { place: "predictions".into(), bytes: count * 4 })?;
        out.resize(count, 0.0);
        while prediction.done() < prediction.rows() {
            prediction.run(&mut out, usize::MAX, Duration::from_secs(3600))?;
        }
        Ok(out)
    }
}
