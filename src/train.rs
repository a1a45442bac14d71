//! Training: epochs of steps over borrowed arrays.

use crate::backend::cpu::{CpuBackend, CpuExecutor, Fault, Pass};
use crate::backend::{Device, Objective, Purpose, Steps, Totals};
use crate::data::{Array, Feed};
use crate::error::{Error, Result};
use crate::model::{Compiled, Model, Samples, Task, Trainer, Trial, lock};
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
    blocks: Option<Blocks>,
    epoch: u64,
    steps: usize,
    step: usize,
    totals: Totals,
    check_finite: bool,
}

/// How an order is drawn that reads neighbours together, for data on a disk: runs of `rows` neighbouring samples are
/// shuffled, and then the samples of `mixed` runs at a time.
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    /// Samples in a run.
    pub rows: usize,
    /// Runs whose samples are mixed.
    pub mixed: usize,
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
        let home = model.home(device, || {
            let optimizer = Some(lock(&compiled.optimizer).config().clone());
            let (plan, purpose) = (compiled.plan.clone(), Purpose::Train(objectives.clone()));
            let task = if batch < feed.rows() { Task::Train } else { Task::TrainOnBatch };
            Ok(Trial { task, plan, purpose, batch, feed: feed.clone(), optimizer })
        })?;
        // A single step, as a loop of one's own takes it, runs in whatever buffers are large enough.
        let kept = lock(&compiled.trainer).take_if(|t| {
            let fits = t.batch == batch || (steps == 1 && t.batch > batch);
            fits && t.objectives == objectives && t.executor.home == home
        });
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
        let (step, check_finite) = (steps, true);
        Ok(Fit {
            model,
            compiled,
            trainer,
            objectives,
            feed,
            previewer,
            schedule,
            order,
            blocks: None,
            epoch: 0,
            steps,
            step,
            totals,
            check_finite,
        })
    }

    /// Makes other samples the whole of what comes next: one step, on a batch of any size. Sums, optimizer and epoch go
    /// on. Buffers are made for the largest batch so far. When it is refused, nothing has changed.
    pub fn rebind(&mut self, data: Samples) -> Result<()> {
        let (feed, objectives) = self.model.check_data(&self.compiled, data)?;
        check_same(&objectives, &self.objectives)?;
        let (rows, order) = (feed.rows(), identity(&feed)?);
        if let Some(trainer) = &mut self.trainer {
            if trainer.batch < rows {
                let purpose = Purpose::Train(objectives);
                trainer.executor = self.model.settle(trainer.executor.home, &self.compiled.plan, &purpose, rows)?;
                (trainer.batch, self.previewer) = (rows, None);
            }
            trainer.executor.get()?.bind_data(feed.clone())?;
        }
        (self.feed, self.order, self.schedule.batch) = (feed, order, rows);
        (self.step, self.steps) = (0, 1);
        Ok(())
    }

    /// Makes the epochs that follow shuffle in blocks, if they shuffle.
    pub fn shuffle_in(&mut self, blocks: Blocks) -> Result<()> {
        if blocks.rows == 0 || blocks.mixed == 0 {
            return Err(Error::invalid("blocks", "positive integers", format!("{blocks:?}")));
        }
        self.blocks = Some(blocks);
        Ok(())
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
    /// Whether a loss that is NaN or infinite ends the run with [`Error::NonFinite`], before the step changes anything;
    /// so it is at first.
    pub fn set_check_finite(&mut self, check: bool) {
        self.check_finite = check;
    }
    /// Where the next step meets its first numbers that are not finite; for the message after [`Error::NonFinite`].
    /// Computed on the CPU, at the price of a forward pass.
    pub fn find_fault(&self) -> Result<Fault> {
        let number = lock(&self.compiled.optimizer).iterations();
        let purpose = Purpose::Differentiate(self.objectives.clone());
        let executor = CpuBackend::default().executor(&self.compiled.plan, &purpose, self.schedule.batch)?;
        Ok(executor.find_fault(&self.feed, &*self.model.snapshot()?, self.next_rows(), number))
    }
    /// The samples of the next step.
    fn next_rows(&self) -> &[u32] {
        let bound = |step: usize| (step * self.schedule.batch).min(self.order.len());
        &self.order[bound(self.step)..bound(self.step + 1)]
    }
    /// The samples of the next step, and the outputs that it will have before its update: what Python needs to know where
    /// it computes a loss or a metric. Computed on the CPU, at the price of a forward pass.
    pub fn preview(&mut self) -> Result<(Vec<u32>, Vec<Vec<f32>>)> {
        let rows = self.next_rows().to_vec();
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
        self.epoch = self.model.next_epoch();
        if self.schedule.shuffle {
            let mut order = std::mem::take(&mut self.order);
            self.shuffle(&mut order);
            self.order = order;
        }
    }

    /// The order that this epoch has for so many things, for a caller who brings the batches himself.
    pub fn order_of(&self, count: usize) -> Result<Vec<u32>> {
        let mut order = numbered(count)?;
        self.shuffle(&mut order);
        Ok(order)
    }

    fn shuffle(&self, order: &mut [u32]) {
        order.iter_mut().zip(0..).for_each(|(row, i)| *row = i);
        let mut sequence = Stream::new(self.model.seed(), "order").sequence(self.epoch);
        let Some(Blocks { rows, mixed }) = self.blocks else { return sequence.shuffle(order) };
        let count = order.len();
        let mut runs: Vec<u32> = (0..count.div_ceil(rows) as u32).collect();
        sequence.shuffle(&mut runs);
        let samples = runs.iter().flat_map(|&run| {
            let from = run as usize * rows;
            from as u32..from.saturating_add(rows).min(count) as u32
        });
        order.iter_mut().zip(samples).for_each(|(row, sample)| *row = sample);
        order.chunks_mut(rows.saturating_mul(mixed)).for_each(|part| sequence.shuffle(part));
    }

    /// Where this epoch stands: steps done, and the sums behind the logs.
    pub fn position(&self) -> (usize, Vec<f64>) {
        (self.step, self.totals.numbers())
    }

    /// Goes on, e.g. in another process, at a `position` within the epoch that the model counts as the last begun.
    pub fn resume(&mut self, step: usize, sums: &[f64]) -> Result<()> {
        if step > self.steps || sums.len() != self.totals.numbers().len() {
            let received = format!("step {step} of {} with {} sums", self.steps, sums.len());
            return Err(Error::invalid("position", "one in the same model, data and batch size", received));
        }
        let (epochs, calls) = self.model.position();
        self.model.set_position(epochs.saturating_sub(1), calls);
        self.begin_epoch();
        self.step = step;
        self.totals.set_numbers(sums);
        Ok(())
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
            let (order, batch, check_finite) = (&self.order, self.schedule.batch, self.check_finite);
            let steps = Steps { order, batch, from: self.step, until, deadline, check_finite };
            match executor.run_steps(&steps, &mut optimizer, &mut self.totals) {
                Ok(done) => self.step += done,
                Err(error) => {
                    if let Error::NonFinite { step, .. } = error {
                        self.step = step;
                        executor.synchronise(&mut optimizer)?;
                    }
                    return Err(error);
                }
            }
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
    numbered(feed.rows())
}

fn numbered(count: usize) -> Result<Vec<u32>> {
    let mut order = Vec::new();
    order
        .try_reserve_exact(count)
        .map_err(|_| Error::OutOfMemory { place: "order of the samples".into(), bytes: count.saturating_mul(4) })?;
    order.extend(0..count as u32);
    Ok(order)
}

/// Refuses a batch for which the automatic losses and metrics mean something else than for those before it.
pub(crate) fn check_same(new: &[Objective], old: &[Objective]) -> Result<()> {
    if new == old {
        return Ok(());
    }
    let expected = "targets of the shape of the batches before, which losses and metrics were chosen for";
    Err(Error::invalid("y", expected, "another number of columns"))
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
