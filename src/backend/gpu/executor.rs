//! A compiled plan at work on a device: many steps a submission, results read once a submission.

use super::dataset::DataSet;
use super::device::Gpu;
use super::memory::{Memory, staging};
use super::program::Course;
use super::room;
use super::run::{Compiled, Run};
use super::support;
use super::transfer::Mirror;
use crate::backend::{Executor, Purpose, Steps, Totals};
use crate::data::Feed;
use crate::error::{Error, Result};
use crate::optimizers::OptimizerState;
use crate::params::Snapshot;
use crate::plan::{Plan, TensorId};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Numbers of output that a submission brings back at most, one block aside.
const MAX_OUTPUT: usize = 1 << 21;

/// Numbers a sample of each output.
pub fn widths(plan: &Plan) -> Vec<usize> {
    plan.outputs.iter().map(|&t| plan.tensors[t].shape.iter().product()).collect()
}

/// Samples that a submission predicts at most, in batches of so many with so many numbers of output each.
pub fn at_once(batch: usize, width: usize, capacity: usize) -> usize {
    (MAX_OUTPUT / (batch * width).max(1)).clamp(1, capacity) * batch
}

/// A plan compiled for a purpose and a device.
pub struct GpuExecutor {
    gpu: Arc<Gpu>,
    plan: Arc<Plan>,
    purpose: Purpose,
    batch: usize,
    compiled: Option<Compiled>,
    feed: Option<Arc<Feed>>,
    data: Option<DataSet>,
    /// Where predictions are read.
    outputs: Option<wgpu::Buffer>,
    mirror: Mirror,
    /// Steps in the next submission.
    stride: usize,
}

impl GpuExecutor {
    /// Compiles a plan; where the optimizer must be known first, only checks it.
    pub fn new(gpu: Arc<Gpu>, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> Result<Self> {
        support::check(plan, purpose)?;
        let mut executor = GpuExecutor {
            gpu,
            plan: plan.clone(),
            purpose: purpose.clone(),
            batch,
            compiled: None,
            feed: None,
            data: None,
            outputs: None,
            mirror: Mirror::default(),
            stride: 1,
        };
        if matches!(purpose, Purpose::Train(_)) {
            room::program(&executor.gpu, plan, purpose, batch, None)?;
        } else {
            executor.compile(None)?;
        }
        Ok(executor)
    }

    /// Makes the program for the optimizer's options, its buffers and its pipelines, if they are not there.
    fn compile(&mut self, course: Option<Course>) -> Result<()> {
        if self.compiled.as_ref().is_some_and(|c| c.course == course) {
            return Ok(());
        }
        let gpu = self.gpu.clone();
        let program = room::program(&gpu, &self.plan, &self.purpose, self.batch, course.as_ref())?;
        self.mirror.forget();
        self.compiled = Some(gpu.guarded("compile", || {
            let slots = course.as_ref().map_or(0, |course| course.config.seen_slots());
            let memory = Memory::new(&gpu, &self.plan, &program, self.batch, slots)?;
            let results = staging(&gpu, memory.capacity * program.results);
            let pipelines = program.dispatches.iter().map(|d| gpu.pipeline(&d.shader)).collect();
            Ok(Compiled { program, memory, pipelines, bindings: Vec::new(), results, course })
        })?);
        Ok(())
    }

    /// Puts the data set on the device and binds everything, if that has not been done.
    fn prepare(&mut self) -> Result<()> {
        let feed = self.feed.clone().ok_or_else(|| Error::State("no data set is bound".into()))?;
        let Some(compiled) = &mut self.compiled else { return Ok(()) };
        if self.data.is_none() {
            let size = |&t: &TensorId| (self.plan.tensors[t].rows(), self.plan.tensors[t].columns());
            let sizes: Vec<_> = self.plan.outputs.iter().map(size).collect();
            let data = DataSet::new(&self.gpu, &feed, self.purpose.objectives(), &sizes, self.batch)?;
            compiled.bindings.clear();
            self.data = Some(data);
        }
        if compiled.bindings.is_empty() {
            for (place, buffer) in self.data.iter().flat_map(|data| data.store.buffers()) {
                compiled.memory.put(*place, buffer.clone());
            }
            let layouts = compiled.pipelines.iter().map(|p| &p.layout);
            compiled.bindings = compiled.memory.bind(&self.gpu, &compiled.program, layouts)?;
        }
        Ok(())
    }

    /// Runs training steps on the mirrored numbers; after an error the store has the last good ones.
    fn train(&mut self, steps: &Steps, optimizer: &mut OptimizerState, totals: &mut Totals) -> Result<usize> {
        let gpu = self.gpu.clone();
        let outcome = gpu.guarded("training", || {
            self.prepare()?;
            if let Some(compiled) = &self.compiled {
                self.mirror.upload(&gpu, &self.plan, &compiled.memory, optimizer)?;
            }
            self.mirror.ahead = true;
            self.run(steps, Some(optimizer), totals)
        });
        match &outcome {
            Ok(done) => optimizer.advance(*done as u64),
            Err(_) => self.forget(),
        }
        outcome
    }

    /// Runs batches, as [`Run::run`] says.
    fn run(&mut self, steps: &Steps, optimizer: Option<&OptimizerState>, totals: &mut Totals) -> Result<usize> {
        let (Some(feed), Some(compiled), Some(data)) = (&self.feed, &self.compiled, &mut self.data) else {
            return Err(Error::State("no data set is bound".into()));
        };
        let DataSet { outputs, store, .. } = data;
        store.set_order(&self.gpu, steps.order);
        let (gpu, plan, objectives) = (&*self.gpu, &*self.plan, self.purpose.objectives());
        Run { gpu, plan, objectives, feed, outputs, steps, optimizer }.run(compiled, store, &mut self.stride, totals)
    }

    /// The outputs of samples `rows`, a submission at a time.
    fn predict(&mut self, weights: &Snapshot, rows: Range<usize>, out: &mut [&mut [f32]]) -> Result<()> {
        let (Some(compiled), Some(data)) = (&self.compiled, &mut self.data) else { return Ok(()) };
        self.mirror.upload_snapshot(&self.gpu, &self.plan, &compiled.memory, weights);
        let order: Vec<u32> = (0..data.rows as u32).collect();
        data.store.set_order(&self.gpu, &order);
        let widths = widths(&self.plan);
        let at_once = at_once(self.batch, widths.iter().sum(), compiled.memory.capacity);
        let numbers = at_once.min(data.rows) * widths.iter().sum::<usize>();
        let kept = self.outputs.take_if(|kept| kept.size() >= numbers as u64 * 4);
        let staging = self.outputs.insert(kept.unwrap_or_else(|| staging(&self.gpu, numbers)));
        let mut from = rows.start;
        while from < rows.end {
            let parts = out.iter_mut().zip(&widths);
            let mut parts: Vec<_> = parts.map(|(out, width)| &mut out[(from - rows.start) * width..]).collect();
            let (gpu, batch) = (&self.gpu, self.batch);
            from += compiled.predict(gpu, data, from..rows.end, batch, at_once, &widths, staging, &mut parts)?;
        }
        Ok(())
    }

    /// After an error nothing on the device is relied on, nor what was on its way there.
    fn forget(&mut self) {
        self.mirror.forget();
        self.data.iter_mut().for_each(|data| data.store.forget());
    }
}

impl Executor for GpuExecutor {
    fn bind_data(&mut self, feed: Arc<Feed>) -> Result<()> {
        self.data = None;
        if let Some(compiled) = &mut self.compiled {
            compiled.bindings.clear();
            compiled.memory.forget_data();
        }
        self.feed = (feed.rows() > 0).then_some(feed);
        let gpu = self.gpu.clone();
        gpu.check()?;
        if self.feed.is_some() && self.compiled.is_some() {
            gpu.guarded("data", || self.prepare())?;
        }
        Ok(())
    }

    fn run_steps(&mut self, steps: &Steps, optimizer: &mut OptimizerState, totals: &mut Totals) -> Result<usize> {
        optimizer.ensure_slots(&self.plan)?;
        self.compile(Some(Course::of(optimizer, &self.plan)))?;
        let outcome = self.train(steps, optimizer, totals);
        if let Err(Error::NonFinite { step, .. }) = outcome
            && step > steps.from
        {
            // Steps after that one have run already: from the last good numbers again, up to it.
            let deadline = Instant::now() + Duration::from_secs(3600);
            let again = Steps { until: step, deadline, check_finite: false, ..*steps };
            self.train(&again, optimizer, &mut totals.clone())?;
        }
        outcome
    }

    fn evaluate(&mut self, weights: &Snapshot, steps: &Steps, totals: &mut Totals) -> Result<usize> {
        let gpu = self.gpu.clone();
        let outcome = gpu.guarded("evaluation", || {
            self.prepare()?;
            if let Some(compiled) = &self.compiled {
                self.mirror.upload_snapshot(&gpu, &self.plan, &compiled.memory, weights);
            }
            self.run(steps, None, totals)
        });
        if outcome.is_err() {
            self.forget();
        }
        outcome
    }

    fn forward(&mut self, weights: &Snapshot, rows: Range<usize>, out: &mut [&mut [f32]]) -> Result<()> {
        let gpu = self.gpu.clone();
        let outcome = gpu.guarded("prediction", || {
            self.prepare()?;
            self.predict(weights, rows, out)
        });
        if outcome.is_err() {
            self.forget();
        }
        outcome
    }

    fn synchronise(&mut self, optimizer: &mut OptimizerState) -> Result<()> {
        let gpu = self.gpu.clone();
        let Some(compiled) = self.compiled.as_ref().filter(|_| self.mirror.ahead) else { return Ok(()) };
        let outcome = gpu.guarded("weights", || self.mirror.download(&gpu, &self.plan, &compiled.memory, optimizer));
        if outcome.is_err() {
            self.mirror.forget();
        }
        outcome
    }
}
