//! Submissions of many steps, and of many blocks of a prediction.

use super::device::Gpu;
use super::dispatch::Place;
use super::memory::{Memory, RECORD};
use super::pipelines::Pipeline;
use super::program::{Program, loss_groups};
use super::resident::Resident;
use super::transfer::read_back;
use crate::backend::{Objective, Steps, Totals};
use crate::error::{Error, Result};
use crate::optimizers::{MAX_PARAMETERS, OptimizerConfig, OptimizerState};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a submission should take: long against the cost of one, short against the patience of whoever waits.
const SUBMISSION: Duration = Duration::from_millis(10);

/// What a program needs to run.
pub struct Compiled {
    pub program: Program,
    pub memory: Memory,
    pub pipelines: Vec<Arc<Pipeline>>,
    /// Made when the data set is there.
    pub bindings: Vec<wgpu::BindGroup>,
    /// Where results are read.
    pub results: wgpu::Buffer,
    pub optimizer: Option<OptimizerConfig>,
}

/// One step, as `Step` in `common.wgsl`.
fn step_record(
    first: usize,
    samples: usize,
    number: u64,
    scale: f64,
    slot: usize,
    rule: &[f32],
) -> [u32; 8 + MAX_PARAMETERS] {
    debug_assert!(rule.len() <= MAX_PARAMETERS);
    let mut words = [0; 8 + MAX_PARAMETERS];
    let head = [first as u32, samples as u32, number as u32, (number >> 32) as u32];
    words[..4].copy_from_slice(&head);
    words[4] = (scale as f32).to_bits();
    words[5] = slot as u32;
    for (word, parameter) in words[8..].iter_mut().zip(rule) {
        *word = parameter.to_bits();
    }
    words
}

/// What a run of steps goes by.
pub struct Run<'a, 'b> {
    pub gpu: &'a Gpu,
    pub objective: &'a Objective,
    pub resident: &'a Resident,
    pub steps: &'a Steps<'b>,
    /// Where there is training.
    pub optimizer: Option<&'a OptimizerState>,
    /// Rows of the output a sample has.
    pub per_sample: usize,
}

impl Run<'_, '_> {
    /// The places of a batch's samples in the order.
    fn places(&self, batch: usize) -> Range<usize> {
        let bound = |b: usize| (b * self.steps.batch).min(self.steps.order.len());
        bound(batch)..bound(batch + 1)
    }

    /// Runs the batches of `steps`, a submission at a time, until the deadline. `stride` is the number of steps of the
    /// first submission, and then that of the next.
    pub fn run(&self, compiled: &Compiled, stride: &mut usize, totals: &mut Totals) -> Result<usize> {
        let (steps, mut done) = (self.steps, 0);
        while steps.from + done < steps.until {
            let begin = Instant::now();
            let count = (*stride).min(compiled.memory.capacity).min(steps.until - steps.from - done);
            self.submit(compiled, done, count, totals)?;
            done += count;
            let now = Instant::now();
            if now >= steps.deadline {
                break;
            }
            let each = (now - begin) / count as u32;
            let fits = |time: Duration| (time.as_nanos() / each.as_nanos().max(1)).max(1) as usize;
            // At most twice as many as were seen to work, as many as the time allows.
            *stride = (2 * count).min(fits(SUBMISSION)).min(fits(steps.deadline - now)).max(1);
        }
        Ok(done)
    }

    /// Runs `count` steps after the first `done`.
    fn submit(&self, compiled: &Compiled, done: usize, count: usize, totals: &mut Totals) -> Result<()> {
        let Run { gpu, resident, steps, .. } = self;
        let (groups, quantities) = (compiled.program.groups, compiled.program.quantities);
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut batches = Vec::with_capacity(count);
        let mut dispatches = 0;
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for i in 0..count {
                let places = self.places(steps.from + done + i);
                let scale = resident.loss_scale(self.objective, &steps.order[places.clone()]);
                let number = self.optimizer.map_or(0, |o| o.iterations()) + (done + i) as u64;
                let rule = self.optimizer.map(|o| o.config().parameters(number + 1, o.rate().at(number)));
                let words = step_record(places.start, places.len(), number, scale, i, &rule.unwrap_or_default());
                gpu.queue.write_buffer(&compiled.memory.steps, i as u64 * RECORD, bytemuck::cast_slice(&words));
                dispatches += compiled.encode(&mut pass, i, places.len());
                batches.push((places.len(), scale));
            }
        }
        let numbers = count * groups * quantities;
        if let Some(results) = compiled.memory.get(Place::Results) {
            encoder.copy_buffer_to_buffer(results, 0, &compiled.results, 0, numbers as u64 * 4);
        }
        let mut fault = None;
        read_back(gpu, encoder, dispatches, &compiled.results, numbers, |numbers| {
            let slots = batches.iter().zip(numbers.chunks_exact(groups * quantities));
            for (i, ((samples, scale), slot)) in slots.enumerate() {
                let used = &slot[..loss_groups(*samples, self.per_sample) * quantities];
                let loss = sum(used, quantities, 0) * scale;
                if steps.check_finite && !loss.is_finite() {
                    fault = Some(Error::NonFinite { step: steps.from + done + i, loss });
                    break;
                }
                tally(used, quantities, *samples, self.per_sample, loss, totals);
            }
        })?;
        fault.map_or(Ok(()), Err)
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

    /// The outputs of samples `rows` into `out`, in one submission.
    pub fn predict(
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

/// One quantity of a step, summed over the workgroups.
fn sum(results: &[f32], quantities: usize, i: usize) -> f64 {
    results.chunks_exact(quantities).map(|group| f64::from(group[i])).sum()
}

/// Adds one step's results, whose loss is this: for each workgroup of rows the sum of the losses, then that of each metric.
fn tally(results: &[f32], quantities: usize, samples: usize, per_sample: usize, loss: f64, totals: &mut Totals) {
    totals.loss += loss * samples as f64;
    totals.losses[0] += loss * samples as f64;
    totals.samples += samples as f64;
    for (i, metric) in totals.metrics.iter_mut().enumerate() {
        metric[0] += sum(results, quantities, 1 + i);
        metric[1] += (samples * per_sample) as f64;
    }
}
