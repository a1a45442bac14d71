//! Submissions of many steps, and of many blocks of a prediction.

use super::dataset::{DataSet, Store};
use super::device::Gpu;
use super::dispatch::Place;
use super::known::Known;
use super::memory::{Memory, RECORD};
use super::pipelines::Pipeline;
use super::program::{Course, Program};
use super::report::Report;
use super::step;
use super::transfer::read_back;
use crate::backend::{Objective, Steps, Totals};
use crate::data::Feed;
use crate::error::{Error, Result};
use crate::optimizers::OptimizerState;
use crate::plan::Plan;
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
    /// The optimizer that the program was made for.
    pub course: Option<Course>,
}

/// What a run of steps goes by.
pub struct Run<'a, 'b> {
    pub gpu: &'a Gpu,
    pub plan: &'a Plan,
    pub objectives: &'a [Objective],
    /// The data set on the host, for metrics that are computed there.
    pub feed: &'a Feed,
    /// What the host knows of the targets of each output.
    pub outputs: &'a [Known],
    pub steps: &'a Steps<'b>,
    /// Where there is training.
    pub optimizer: Option<&'a OptimizerState>,
}

impl Run<'_, '_> {
    /// The places of a batch's samples in the order.
    fn places(&self, batch: usize) -> Range<usize> {
        let bound = |b: usize| (b * self.steps.batch).min(self.steps.order.len());
        bound(batch)..bound(batch + 1)
    }

    /// Runs the batches of `steps`, a submission at a time, until the deadline. `stride` is the number of steps of the
    /// first submission, and then that of the next.
    pub fn run(
        &self,
        compiled: &Compiled,
        store: &mut Store,
        stride: &mut usize,
        totals: &mut Totals,
    ) -> Result<usize> {
        let (steps, mut done) = (self.steps, 0);
        let mut in_time = usize::MAX;
        while steps.from + done < steps.until {
            let begin = Instant::now();
            let most = (*stride).min(in_time).min(compiled.memory.capacity).min(steps.until - steps.from - done);
            let count = self.submit(compiled, store, done, most, *stride, totals)?;
            done += count;
            let now = Instant::now();
            if now >= steps.deadline {
                break;
            }
            let each = (now - begin) / count as u32;
            let fits = |time: Duration| (time.as_nanos() / each.as_nanos().max(1)).max(1) as usize;
            // As many as the time allows, at most twice as many as were seen to work; fewer where a deadline or the data that
            // are there say so, which the next ones need not heed.
            *stride = (2 * count).max(*stride).min(fits(SUBMISSION));
            in_time = fits(steps.deadline - now);
        }
        Ok(done)
    }

    /// Runs up to `most` steps after the first `done`, and gets the samples of `ahead` more ready meanwhile; says how many
    /// steps it ran.
    fn submit(
        &self,
        compiled: &Compiled,
        store: &mut Store,
        done: usize,
        most: usize,
        ahead: usize,
        totals: &mut Totals,
    ) -> Result<usize> {
        let Run { gpu, outputs, steps, .. } = self;
        let program = &compiled.program;
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let (first, last) = (self.places(steps.from + done), self.places(steps.from + done + most - 1));
        let there = store.reach(gpu, outputs, &mut encoder, first.start..last.end, first.end)?;
        let count = (0..most).take_while(|i| self.places(steps.from + done + i).end <= there.end).count();
        let mut batches = Vec::with_capacity(count);
        let mut dispatches = 0;
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for i in 0..count {
                let places = self.places(steps.from + done + i);
                let samples = &steps.order[places.clone()];
                let own = self.objectives.iter().zip(*outputs);
                let scales: Vec<f64> = own.map(|(own, known)| known.loss_scale(own, samples)).collect();
                let weighted = scales.iter().zip(self.objectives).map(|(scale, own)| (scale * own.weight) as f32);
                let number = self.optimizer.map_or(0, |o| o.iterations()) + (done + i) as u64;
                let weighted: Vec<f32> = weighted.collect();
                let mut words = step::record(places.start - there.start, places.len(), number, i, &weighted);
                if let Some(optimizer) = self.optimizer {
                    step::add_rule(&mut words, optimizer, number);
                }
                gpu.queue.write_buffer(&compiled.memory.steps, i as u64 * RECORD, bytemuck::cast_slice(&words));
                dispatches += compiled.encode(&mut pass, i, places.len());
                batches.push((samples, scales));
            }
        }
        let numbers = count * program.results;
        if let Some(results) = compiled.memory.get(Place::Results).filter(|_| numbers > 0) {
            encoder.copy_buffer_to_buffer(results, 0, &compiled.results, 0, numbers as u64 * 4);
        }
        let mut fault = None;
        let meanwhile = || store.prefetch(gpu, outputs, ahead.min(compiled.memory.capacity) * steps.batch);
        read_back(gpu, encoder, dispatches, &compiled.results, numbers, meanwhile, |numbers| {
            let slots = numbers.chunks_exact(program.results.max(1));
            for (i, ((samples, scales), slot)) in batches.iter().zip(slots).enumerate() {
                let report = Report { run: self, program, samples, scales, numbers: slot };
                let loss = report.loss();
                if steps.check_finite && !loss.is_finite() {
                    fault = Some(Error::NonFinite { step: steps.from + done + i, loss });
                    break;
                }
                report.tally(loss, totals);
            }
        })?;
        fault.map_or(Ok(count), Err)
    }
}

impl Compiled {
    /// Records the dispatches of one step, whose record is number `index`; says how many.
    fn encode(&self, pass: &mut wgpu::ComputePass, index: usize, samples: usize) -> u64 {
        for ((dispatch, pipeline), binding) in self.program.dispatches.iter().zip(&self.pipelines).zip(&self.bindings) {
            let [x, y, z] = dispatch.grid.groups(samples);
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, binding, &[(index as u64 * RECORD) as u32]);
            pass.dispatch_workgroups(x as u32, y as u32, z as u32);
        }
        self.program.dispatches.len() as u64
    }

    /// The outputs of the first of the samples `rows`, as many as one submission takes, into the beginnings of `out`; says how
    /// many. `at_once` are those that `staging` has room for.
    pub fn predict(
        &self,
        gpu: &Gpu,
        data: &mut DataSet,
        rows: Range<usize>,
        batch: usize,
        at_once: usize,
        widths: &[usize],
        staging: &wgpu::Buffer,
        out: &mut [&mut [f32]],
    ) -> Result<usize> {
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let wanted = rows.start..rows.end.min(rows.start + at_once);
        let least = wanted.end.min(rows.start + batch);
        let there = data.store.reach(gpu, &data.outputs, &mut encoder, wanted.clone(), least)?;
        let end = wanted.end.min(there.end);
        let mut dispatches = 0;
        for (i, from) in (rows.start..end).step_by(batch).enumerate() {
            let samples = (end - from).min(batch);
            let words = step::record(from - there.start, samples, 0, i, &[]);
            gpu.queue.write_buffer(&self.memory.steps, i as u64 * RECORD, bytemuck::cast_slice(&words));
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                dispatches += self.encode(&mut pass, i, samples);
            }
            // One output after the other.
            let mut first = 0;
            for (&output, &width) in self.program.outputs.iter().zip(widths) {
                let Some(output) = self.memory.get(Place::Value(output)) else {
                    return Err(Error::Internal("a program without an output".into()));
                };
                let at = (first + (from - rows.start) * width) as u64 * 4;
                encoder.copy_buffer_to_buffer(output, 0, staging, at, (samples * width * 4) as u64);
                first += (end - rows.start) * width;
            }
        }
        let done = end - rows.start;
        let numbers = done * widths.iter().sum::<usize>();
        let meanwhile = || data.store.prefetch(gpu, &data.outputs, at_once);
        read_back(gpu, encoder, dispatches, staging, numbers, meanwhile, |numbers| {
            let mut rest = numbers;
            for (out, width) in out.iter_mut().zip(widths) {
                let (own, after) = rest.split_at(done * width);
                out[..own.len()].copy_from_slice(own);
                rest = after;
            }
        })?;
        Ok(done)
    }
}
