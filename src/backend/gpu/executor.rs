//! A compiled plan at work on a device: many steps a submission, results read once a submission.

use super::device::Gpu;
use super::memory::{self, Memory, staging};
use super::program::{Course, Program};
use super::resident::Resident;
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

/// A plan compiled for a purpose and a device.
pub struct GpuExecutor {
    gpu: Arc<Gpu>,
    plan: Arc<Plan>,
    purpose: Purpose,
    batch: usize,
    compiled: Option<Compiled>,
    feed: Option<Arc<Feed>>,
    resident: Option<Resident>,
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
            resident: None,
            mirror: Mirror::default(),
            stride: 1,
        };
        if matches!(purpose, Purpose::Train(_)) {
            let program = Program::new(plan, purpose, batch, None)?;
            memory::check(&executor.gpu, plan, &program, batch)?;
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
        let program = Program::new(&self.plan, &self.purpose, self.batch, course.as_ref())?;
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
        if self.resident.is_none() {
            let size = |&t: &TensorId| (self.plan.tensors[t].rows(), self.plan.tensors[t].columns());
            let sizes: Vec<_> = self.plan.outputs.iter().map(size).collect();
            let resident = Resident::new(&self.gpu, &feed, self.purpose.objectives(), &sizes)?;
            compiled.bindings.clear();
            self.resident = Some(resident);
        }
        if compiled.bindings.is_empty() {
            for (place, buffer) in self.resident.iter().flat_map(|r| &r.buffers) {
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
            Err(_) => self.mirror.forget(),
        }
        outcome
    }

    /// Runs batches, as [`Run::run`] says.
    fn run(&mut self, steps: &Steps, optimizer: Option<&OptimizerState>, totals: &mut Totals) -> Result<usize> {
        let (Some(feed), Some(compiled), Some(resident)) = (&self.feed, &self.compiled, &mut self.resident) else {
            return Err(Error::State("no data set is bound".into()));
        };
        resident.set_order(&self.gpu, steps.order);
        let (gpu, plan, objectives) = (&*self.gpu, &*self.plan, self.purpose.objectives());
        Run { gpu, plan, objectives, feed, resident, steps, optimizer }.run(compiled, &mut self.stride, totals)
    }
}

impl Executor for GpuExecutor {
    fn bind_data(&mut self, feed: Arc<Feed>) -> Result<()> {
        self.resident = None;
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
        let decays = self.plan.variables.iter().map(|v| optimizer.decays(v.id())).collect();
        self.compile(Some(Course { config: optimizer.config().clone(), decays }))?;
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
        gpu.guarded("evaluation", || {
            self.prepare()?;
            if let Some(compiled) = &self.compiled {
                self.mirror.upload_snapshot(&gpu, &self.plan, &compiled.memory, weights);
            }
            self.run(steps, None, totals)
        })
    }

    fn forward(&mut self, weights: &Snapshot, rows: Range<usize>, out: &mut [&mut [f32]]) -> Result<()> {
        let gpu = self.gpu.clone();
        gpu.guarded("prediction", || {
            self.prepare()?;
            let (Some(compiled), Some(resident)) = (&self.compiled, &mut self.resident) else { return Ok(()) };
            self.mirror.upload_snapshot(&gpu, &self.plan, &compiled.memory, weights);
            let order: Vec<u32> = (0..resident.rows as u32).collect();
            resident.set_order(&gpu, &order);
            let width = |&t: &TensorId| self.plan.tensors[t].shape.iter().product::<usize>();
            let widths: Vec<usize> = self.plan.outputs.iter().map(width).collect();
            let width: usize = widths.iter().sum();
            let at_once = (MAX_OUTPUT / (self.batch * width).max(1)).clamp(1, compiled.memory.capacity) * self.batch;
            let staging = staging(&gpu, at_once.min(rows.len()) * width);
            let mut pieces: Vec<_> =
                out.iter_mut().zip(&widths).map(|(out, width)| out.chunks_mut((at_once * width).max(1))).collect();
            for from in rows.clone().step_by(at_once) {
                let piece = from..(from + at_once).min(rows.end);
                let mut out: Vec<_> = pieces.iter_mut().filter_map(Iterator::next).collect();
                compiled.predict(&gpu, &piece, self.batch, &widths, &staging, &mut out)?;
            }
            Ok(())
        })
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
