//! Training: epochs of steps over borrowed arrays.

use crate::backend::cpu::{CpuBackend, CpuExecutor, Pass};
use crate::backend::{Device, Objective, Purpose, Steps, Totals};
use crate::data::{Array, Feed};
use crate::error::{Error, Result};
use crate::model::{Compiled, Model, Samples, Trainer, lock};
use crate::plan::Plan;
use crate::rng::Stream;
use std::sync::{Arc, TryLockError};
use std::time::{Duration, Instant};

/// How an epoch goes through its data.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Samples in a batch; the last one of an epoch may have fewer.
    pub batch: usize,
    /// Batches in an epoch, if not all.
    pub steps: Option<usize>,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
}

impl Schedule {
    /// Batches in an epoch over `rows` samples.
    pub(crate) fn steps(&self, rows: usize) -> Result<usize> {
        if self.batch == 0 {
            return Err(Error::invalid("batch_size", "a positive integer", "0"));
        }
        let all = rows.div_ceil(self.batch);
        match self.steps {
            Some(0) => Err(Error::invalid("steps", "a positive integer", "0")),
            Some(steps) => Ok(steps.min(all)),
            None => Ok(all),
        }
    }
}

/// A training run over one data set, in pieces.
pub struct Fit {
    model: Arc<Model>,
    compiled: Arc<Compiled>,
    trainer: Option<Trainer>,
    objectives: Vec<Objective>,
    feed: Arc<Feed>,
    previewer: Option<Box<CpuExecutor>>,
    schedule: Schedule,
    order: Vec<u32>,
    steps: usize,
    step: usize,
    totals: Totals,
}

impl Fit {
    /// Checks everything, allocates everything, changes nothing. `device`: where to run, if not where the model does.
    pub fn new(model: &Arc<Model>, data: Samples, schedule: Schedule, device: Option<Device>) -> Result<Self> {
        let compiled = model.compiled()?;
        let (feed, objectives) = model.check_data(&compiled, data)?;
        let steps = schedule.steps(feed.rows())?;
        let totals = Totals::new(&objectives, &model.output_columns());
        let batch = schedule.batch.min(feed.rows());
        let order = identity(&feed)?;
        let home = model.home(device)?;
        let kept = lock(&compiled.trainer)
            .take_if(|t| t.batch == batch && t.objectives == objectives && t.executor.home == home);
        let mut trainer = match kept {
            Some(trainer) => trainer,
            None => {
                let executor = model.settle(home, &compiled.plan, &Purpose::Train(objectives.clone()), batch)?;
                Trainer { batch, objectives: objectives.clone(), executor }
            }
        };
        trainer.executor.get()?.bind_data(feed.clone())?;
        lock(&compiled.optimizer).ensure_slots(&compiled.plan)?;
        let schedule = Schedule { batch, ..schedule };
        let (model, trainer, previewer) = (model.clone(), Some(trainer), None);
        Ok(Fit { model, compiled, trainer, objectives, feed, previewer, schedule, order, steps, step: steps, totals })
    }

    /// Whose run it is.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }
    /// Steps in an epoch.
    pub fn steps(&self) -> usize {
        self.steps
    }
    /// Steps done in this epoch.
    pub fn step(&self) -> usize {
        self.step
    }
    /// The samples of the next step, and the outputs that it will have before its update: what Python needs to know where
    /// it computes a loss or a metric. Computed on the CPU, at the price of a forward pass.
    pub fn preview(&mut self) -> Result<(Vec<u32>, Vec<Vec<f32>>)> {
        let bound = |step: usize| (step * self.schedule.batch).min(self.order.len());
        let rows = self.order[bound(self.step)..bound(self.step + 1)].to_vec();
        let number = lock(&self.compiled.optimizer).iterations();
        if self.previewer.is_none() {
            let plan = &self.compiled.plan;
            let executor = CpuBackend::default().executor(plan, &Purpose::Call, self.schedule.batch)?;
            self.previewer = Some(Box::new(executor));
        }
        let mut out = self.model.room_for(rows.len())?;
        if let Some(previewer) = &mut self.previewer {
            previewer.call(&self.feed, &rows, Pass { number, moves: false }, &mut out)?;
        }
        Ok((rows, out))
    }
    /// The sums so far, in which the state of each metric is.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }
    /// Running loss and metrics of this epoch.
    pub fn logs(&self) -> Vec<(String, f64)> {
        self.compiled.logs(&self.objectives, &self.totals)
    }

    /// Starts an epoch: no logs, a new order.
    pub fn begin_epoch(&mut self) {
        self.step = 0;
        self.totals.clear();
        let epoch = self.model.next_epoch();
        if self.schedule.shuffle {
            for (i, row) in self.order.iter_mut().enumerate() {
                *row = i as u32;
            }
            Stream::new(self.model.seed(), "order").sequence(epoch).shuffle(&mut self.order);
        }
    }

    /// Runs whole steps until the epoch ends, `max_steps` are done or the time is over; at least one.
    pub fn run(&mut self, max_steps: Option<usize>, time: Duration) -> Result<()> {
        let model = self.model.clone();
        let _alone = match model.training.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::State(
                    "model: expected no other training of it, but another thread trains it".into(),
                ));
            }
        };
        let deadline = Instant::now() + time;
        let until = max_steps.map_or(self.steps, |n| self.step.saturating_add(n).min(self.steps));
        let outcome = self.run_until(until, deadline);
        // A reader after this call must not be served what one during it was.
        model.forget_snapshot();
        outcome
    }

    fn run_until(&mut self, until: usize, deadline: Instant) -> Result<()> {
        let mut optimizer = lock(&self.compiled.optimizer);
        let Some(Trainer { executor, .. }) = &mut self.trainer else { return Ok(()) };
        let executor = executor.get()?;
        while self.step < until {
            let steps = Steps { order: &self.order, batch: self.schedule.batch, from: self.step, until, deadline };
            self.step += executor.run_steps(&steps, &mut optimizer, &mut self.totals)?;
            if Instant::now() >= deadline {
                break;
            }
            let_readers_in(&self.compiled.plan);
        }
        executor.synchronise(&mut optimizer)
    }
}

impl Drop for Fit {
    fn drop(&mut self) {
        if let Some(mut trainer) = self.trainer.take()
            && trainer.executor.get().and_then(|executor| executor.bind_data(Feed::nothing())).is_ok()
        {
            *lock(&self.compiled.trainer) = Some(trainer);
        }
    }
}

/// A run of steps that ended early made way for a reader, who could lose the race for the locks without this pause. It is
/// short: readers who come all the time must not stop training.
fn let_readers_in(plan: &Plan) {
    let patience = Instant::now() + Duration::from_millis(2);
    while plan.variables.iter().any(|v| v.is_wanted()) && Instant::now() < patience {
        std::thread::yield_now();
    }
}

/// The samples as they come.
pub(crate) fn identity(feed: &Feed) -> Result<Vec<u32>> {
    let rows = feed.rows();
    let mut order = Vec::new();
    order
        .try_reserve_exact(rows)
        .map_err(|_| Error::OutOfMemory { place: "order of the samples".into(), bytes: rows * 4 })?;
    order.extend(0..rows as u32);
    Ok(order)
}

impl Model {
    /// Trains for so many epochs, shuffled; gives each epoch's loss.
    pub fn fit(self: &Arc<Self>, x: Array, y: Array, batch: usize, epochs: usize) -> Result<Vec<f64>> {
        let mut fit = Fit::new(self, Samples::of(x, y), Schedule { batch, steps: None, shuffle: true }, None)?;
        (0..epochs)
            .map(|_| {
                fit.begin_epoch();
                while fit.step() < fit.steps() {
                    fit.run(None, Duration::from_secs(3600))?;
                }
                Ok(fit.logs()[0].1)
            })
            .collect()
    }
}
