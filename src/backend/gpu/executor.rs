//! A compiled plan at work on a device: many steps a submission, results read once a submission.

use super::device::Gpu;
use super::memory::{Memory, RECORD, staging};
use super::pipelines::Pipeline;
use super::program::{Place, Program, loss_groups};
use super::resident::Resident;
use super::transfer::{Mirror, read_back};
use crate::backend::{Executor, Objective, Purpose, Steps, Totals};
use crate::data::Feed;
use crate::error::{Error, Result};
use crate::optimizers::{MAX_PARAMETERS, OptimizerConfig, OptimizerState};
use crate::params::Snapshot;
use crate::plan::Plan;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a submission should take: long against the cost of one, short against the patience of whoever waits.
const SUBMISSION: Duration = Duration::from_millis(10);
/// Numbers of output that a submission brings back at most, one block aside.
const MAX_OUTPUT: usize = 1 << 21;

/// What a program needs to run.
struct Compiled {
    program: Program,
    memory: Memory,
    pipelines: Vec<Arc<Pipeline>>,
    /// Made when the data set is there.
    bindings: Vec<wgpu::BindGroup>,
    /// Where results are read.
    results: wgpu::Buffer,
    optimizer: Option<OptimizerConfig>,
}

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

/// One step, as `Step` in `common.wgsl`.
fn step_record(first: usize, samples: usize, number: u64, scale: f64, slot: usize, rule: &[f32]) -> [u32; 24] {
    let mut words = [0; 24];
    let head = [first as u32, samples as u32, number as u32, (number >> 32) as u32];
    words[..4].copy_from_slice(&head);
    words[4] = (scale as f32).to_bits();
    words[5] = slot as u32;
    for (word, parameter) in words[8..].iter_mut().zip(rule) {
        *word = parameter.to_bits();
    }
    words
}

impl GpuExecutor {
    /// Compiles a plan; where the optimizer must be known first, only checks it.
    pub fn new(gpu: Arc<Gpu>, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> Result<Self> {
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
            Program::new(plan, purpose, batch, None)?;
        } else {
            executor.compile(None)?;
        }
        Ok(executor)
    }

    fn objective(&self) -> Option<&Objective> {
        match &self.purpose {
            Purpose::Train(objective) | Purpose::Evaluate(objective) => Some(objective),
            Purpose::Predict => None,
        }
    }

    /// Makes the program for the optimizer's options, its buffers and its pipelines, if they are not there.
    fn compile(&mut self, optimizer: Option<&OptimizerConfig>) -> Result<()> {
        if self.compiled.as_ref().is_some_and(|c| c.optimizer.as_ref() == optimizer) {
            return Ok(());
        }
        let gpu = self.gpu.clone();
        let program = Program::new(&self.plan, &self.purpose, self.batch, optimizer)?;
        self.mirror.forget();
        self.compiled = Some(gpu.guarded("compile", || {
            let slots = optimizer.map_or(0, OptimizerConfig::slots);
            let memory = Memory::new(&gpu, &self.plan, &program, self.batch, slots)?;
            let results = staging(&gpu, memory.capacity * program.groups * program.quantities);
            let pipelines = program.dispatches.iter().map(|d| gpu.pipeline(&d.shader)).collect();
            Ok(Compiled { program, memory, pipelines, bindings: Vec::new(), results, optimizer: optimizer.cloned() })
        })?);
        Ok(())
    }

    /// Puts the data set on the device and binds everything, if that has not been done.
    fn prepare(&mut self) -> Result<()> {
        let feed = self.feed.clone().ok_or_else(|| Error::State("no data set is bound".into()))?;
        let objective = self.objective().cloned();
        let Some(compiled) = &mut self.compiled else { return Ok(()) };
        if self.resident.is_none() {
            let output = &self.plan.tensors[compiled.program.output];
            let size = (output.rows(), output.columns());
            let resident = Resident::new(&self.gpu, &feed, objective.as_ref(), size)?;
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

    /// Runs batches of `steps`, a submission at a time, until the deadline. `optimizer` and the number of the first step
    /// where there is training.
    fn run(&mut self, steps: &Steps, optimizer: Option<&OptimizerState>, totals: &mut Totals) -> Result<usize> {
        let objective = self.objective().cloned();
        let (Some(objective), Some(compiled), Some(resident)) = (objective, &self.compiled, &mut self.resident) else {
            return Err(Error::State("no data set is bound".into()));
        };
        let gpu = &self.gpu;
        resident.set_order(gpu, steps.order);
        let rows_of = |batch: usize| {
            let bound = |b: usize| (b * steps.batch).min(steps.order.len());
            bound(batch)..bound(batch + 1)
        };
        let mut done = 0;
        while steps.from + done < steps.until {
            let begin = Instant::now();
            let count = self.stride.min(compiled.memory.capacity).min(steps.until - steps.from - done);
            let batches: Vec<(Range<usize>, f64)> = (0..count)
                .map(|i| {
                    let rows = rows_of(steps.from + done + i);
                    let scale = resident.loss_scale(objective.loss, &steps.order[rows.clone()]);
                    (rows, scale)
                })
                .collect();
            for (i, (rows, scale)) in batches.iter().enumerate() {
                let number = optimizer.map_or(0, |o| o.iterations()) + (done + i) as u64;
                let rule = optimizer.map(|o| o.config().parameters(number + 1, o.learning_rate())).unwrap_or_default();
                debug_assert!(rule.len() <= MAX_PARAMETERS);
                let words = step_record(rows.start, rows.len(), number, *scale, i, &rule);
                gpu.queue.write_buffer(&compiled.memory.steps, i as u64 * RECORD, bytemuck::cast_slice(&words));
            }
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut dispatches = 0;
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                for (i, (rows, _)) in batches.iter().enumerate() {
                    dispatches += compiled.encode(&mut pass, i, rows.len());
                }
            }
            let numbers = count * compiled.program.groups * compiled.program.quantities;
            if let Some(results) = compiled.memory.get(Place::Results) {
                encoder.copy_buffer_to_buffer(results, 0, &compiled.results, 0, numbers as u64 * 4);
            }
            let per_sample = self.plan.tensors[compiled.program.output].rows();
            let quantities = compiled.program.quantities;
            read_back(gpu, encoder, dispatches, &compiled.results, numbers, |numbers| {
                for ((rows, scale), slot) in
                    batches.iter().zip(numbers.chunks_exact(compiled.program.groups * quantities))
                {
                    let used = &slot[..loss_groups(rows.len(), per_sample) * quantities];
                    tally(used, quantities, rows.len(), per_sample, *scale, totals);
                }
            })?;
            done += count;
            let now = Instant::now();
            if now >= steps.deadline {
                break;
            }
            let each = (now - begin) / count as u32;
            let fits = |time: Duration| (time.as_nanos() / each.as_nanos().max(1)).max(1) as usize;
            // At most twice as many as were seen to work, as many as the time allows.
            self.stride = (2 * count).min(fits(SUBMISSION)).min(fits(steps.deadline - now)).max(1);
        }
        Ok(done)
    }
}

impl Compiled {
    /// Records the dispatches of one step, whose record is number `index`; says how many.
    fn encode(&self, pass: &mut wgpu::ComputePass, index: usize, samples: usize) -> u64 {
        for ((dispatch, pipeline), binding) in self.program.dispatches.iter().zip(&self.pipelines).zip(&self.bindings) {
            let [x, y] = dispatch.grid.groups(samples);
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, binding, &[(index as u64 * RECORD) as u32]);
            pass.dispatch_workgroups(x as u32, y as u32, 1);
        }
        self.program.dispatches.len() as u64
    }
}

/// Adds one step's results: for each workgroup of rows the sum of the losses, then that of each metric.
fn tally(results: &[f32], quantities: usize, samples: usize, per_sample: usize, scale: f64, totals: &mut Totals) {
    let sum = |i: usize| -> f64 { results.chunks_exact(quantities).map(|group| f64::from(group[i])).sum() };
    totals.loss += sum(0) * scale * samples as f64;
    totals.samples += samples as f64;
    for (i, metric) in totals.metrics.iter_mut().enumerate() {
        metric.0 += sum(1 + i);
        metric.1 += (samples * per_sample) as f64;
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
        self.compile(Some(optimizer.config()))?;
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
            // The store has the last good numbers.
            Err(_) => self.mirror.forget(),
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

    fn forward(&mut self, weights: &Snapshot, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let gpu = self.gpu.clone();
        gpu.guarded("prediction", || {
            self.prepare()?;
            let (Some(compiled), Some(resident)) = (&self.compiled, &mut self.resident) else { return Ok(()) };
            self.mirror.upload_snapshot(&gpu, &self.plan, &compiled.memory, weights);
            let order: Vec<u32> = (0..resident.rows as u32).collect();
            resident.set_order(&gpu, &order);
            let output = &self.plan.tensors[compiled.program.output];
            let width = output.rows() * output.columns();
            let at_once = (MAX_OUTPUT / (self.batch * width).max(1)).clamp(1, compiled.memory.capacity) * self.batch;
            let staging = staging(&gpu, at_once.min(rows.len()) * width);
            for (piece, out) in out.chunks_mut((at_once * width).max(1)).enumerate() {
                let from = rows.start + piece * at_once;
                let piece = from..(from + at_once).min(rows.end);
                compiled.predict(&gpu, &piece, self.batch, width, &staging, out)?;
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

impl Compiled {
    /// The outputs of samples `rows` into `out`, in one submission.
    fn predict(
        &self,
        gpu: &Gpu,
        rows: &Range<usize>,
        batch: usize,
        width: usize,
        staging: &wgpu::Buffer,
        out: &mut [f32],
    ) -> Result<()> {
        let Some(output) = self.memory.get(Place::Value(self.program.output)) else {
            return Err(Error::Internal("a program without an output".into()));
        };
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut dispatches = 0;
        for (i, from) in rows.clone().step_by(batch).enumerate() {
            let samples = (rows.end - from).min(batch);
            let words = step_record(from, samples, 0, 1.0, i, &[]);
            gpu.queue.write_buffer(&self.memory.steps, i as u64 * RECORD, bytemuck::cast_slice(&words));
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                dispatches += self.encode(&mut pass, i, samples);
            }
            let at = ((from - rows.start) * width * 4) as u64;
            encoder.copy_buffer_to_buffer(output, 0, staging, at, (samples * width * 4) as u64);
        }
        read_back(gpu, encoder, dispatches, staging, out.len(), |numbers| out.copy_from_slice(numbers))
    }
}
