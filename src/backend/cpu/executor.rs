//! Compiled plans at work: training in lockstep, evaluation and prediction block by block.
//!
//! Training: all workers take every operation of a step together, each its share. Evaluation and prediction need no
//! lockstep: each worker runs the whole program on batches of its own, in memory of its own, and the results are put
//! together in the order of the batches.

use super::lockstep::Control;
use super::memory::Memory;
use super::ops::{Context, Step};
use super::pace::{Choice, Pace};
use super::pool::{self, Worker};
use super::profile::{Clock, Profile};
use super::program::Program;
use super::simd::Level;
use super::threads::num_threads;
use super::update_ops::Course;
use super::usage::{self, workers};
use crate::backend::{Backend, Executor, Purpose, Steps, Totals, Usage, UsageOf};
use crate::data::Feed;
use crate::error::{Error, Result};
use crate::optimizers::{OptimizerConfig, OptimizerState};
use crate::params::{Exclusive, Snapshot};
use crate::plan::{Plan, TensorId};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The CPU as a backend.
#[derive(Clone, Copy, Debug)]
pub struct CpuBackend {
    /// The instruction set to use.
    pub level: Level,
    /// Take the general update path even where the fused one could be; for tests, since both give the same bits.
    pub force_general: bool,
    /// Use fewer threads where that is quicker, see `pace.rs`; off in tests that want each thread to take part.
    pub adaptive: bool,
}

impl Default for CpuBackend {
    fn default() -> Self {
        CpuBackend { level: Level::current(), force_general: false, adaptive: true }
    }
}

impl Backend for CpuBackend {
    fn compile(&self, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> Result<Box<dyn Executor>> {
        Ok(Box::new(self.executor(plan, purpose, batch)?))
    }

    fn usage(&self, run: &UsageOf) -> Result<Usage> {
        usage::usage(self, run)
    }
}

impl CpuBackend {
    /// The executor itself, which can do more than any backend's.
    pub(crate) fn executor(&self, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> Result<CpuExecutor> {
        // The optimizer is not known yet, so training is scheduled when it first runs.
        let program = Program::new(plan, purpose, batch, None, self.force_general);
        let memory = match purpose {
            Purpose::Train(_) => Vec::new(),
            _ => vec![Memory::new(plan, purpose, batch, &program)?],
        };
        let (plan, purpose) = (plan.clone(), purpose.clone());
        Ok(CpuExecutor {
            backend: *self,
            plan,
            purpose,
            batch,
            program,
            memory,
            feed: None,
            scheduled: None,
            pace: Pace::default(),
            profile: Profile::wanted(),
        })
    }
}

/// A plan compiled for the CPU.
pub(crate) struct CpuExecutor {
    backend: CpuBackend,
    pub(super) plan: Arc<Plan>,
    purpose: Purpose,
    batch: usize,
    pub(super) program: Program,
    /// One for training, one a worker otherwise.
    pub(super) memory: Vec<Memory>,
    feed: Option<Arc<Feed>>,
    /// The optimizer that the program was scheduled for.
    scheduled: Option<OptimizerConfig>,
    pace: Pace,
    profile: Option<Profile>,
}

impl CpuExecutor {
    fn feed(&self) -> Result<Arc<Feed>> {
        self.feed.clone().ok_or_else(|| Error::State("no data set is bound".into()))
    }

    /// Schedules training for the optimizer's options and makes room for it.
    fn schedule(&mut self, optimizer: &OptimizerState) -> Result<()> {
        if self.scheduled.as_ref() != Some(optimizer.config()) {
            let config = Some(optimizer.config());
            self.program = Program::new(&self.plan, &self.purpose, self.batch, config, self.backend.force_general);
            self.memory = vec![Memory::new(&self.plan, &self.purpose, self.batch, &self.program)?];
            self.scheduled = config.cloned();
        }
        Ok(())
    }

    /// Runs `program` on one batch, alone.
    pub(super) fn run_alone(&self, context: &Context, step: &Step, clock: &mut Clock) {
        let worker = Worker::alone();
        clock.waited(0);
        for (i, scheduled) in self.program.ops.iter().enumerate() {
            context.execute(scheduled, &worker, step);
            clock.worked(i);
        }
        clock.batch(step.rows.len());
    }

    /// A worker's clock.
    pub(super) fn clock(&self, worker: &Worker) -> Clock<'_> {
        Clock::of(self.profile.as_ref(), worker.index, worker.threads, self.program.ops.len())
    }

    /// Prints where the time of a run went, where that is wanted.
    fn report(&self) {
        if let Some(profile) = &self.profile {
            profile.report(&self.plan, &self.program, &self.purpose, self.backend.level);
        }
    }

    /// Makes memory for `threads` workers that run alone.
    fn ensure_memories(&mut self, threads: usize) -> Result<()> {
        while self.memory.len() < threads {
            self.memory.push(Memory::new(&self.plan, &self.purpose, self.batch, &self.program)?);
        }
        Ok(())
    }

    pub(super) fn context<'a>(
        &'a self,
        feed: &'a Feed,
        memory: &'a Memory,
        variables: &'a [*mut f32],
        refused: &'a AtomicI64,
    ) -> Context<'a> {
        Context {
            level: self.backend.level,
            plan: &self.plan,
            program: &self.program,
            memory,
            values: memory.values(0),
            feed,
            objectives: self.purpose.objectives(),
            training: self.purpose.is_training(),
            variables,
            slots: &[],
            accumulators: &[],
            optimizer: None,
            ahead: None,
            refused,
        }
    }
}

pub(super) fn refusal(row: i64) -> Error {
    Error::invalid(
        "y",
        "class ids below the number of outputs",
        format!("another in row {row}, written during the run"),
    )
}

impl Executor for CpuExecutor {
    fn bind_data(&mut self, feed: Arc<Feed>) -> Result<()> {
        self.report();
        self.feed = Some(feed);
        Ok(())
    }

    fn run_steps(&mut self, steps: &Steps, optimizer: &mut OptimizerState, totals: &mut Totals) -> Result<usize> {
        let feed = self.feed()?;
        self.schedule(optimizer)?;
        let threads = workers(self.program.work * steps.batch as f64, num_threads());
        let choice = match self.backend.adaptive {
            true => self.pace.choose(threads, steps.deadline),
            false => Choice::fixed(threads, steps.deadline),
        };
        let (begin, steps) = (Instant::now(), &Steps { deadline: choice.deadline, ..*steps });
        self.memory[0].ensure_workers(choice.threads)?;
        optimizer.ensure_slots(&self.plan)?;

        let refused = AtomicI64::new(-1);
        let first = optimizer.iterations();
        let control = Control {
            stop: AtomicBool::new(false),
            done: AtomicUsize::new(0),
            totals: Mutex::new(totals),
            fault: Mutex::new(None),
        };
        let outcome = {
            let mut locks = Exclusive::lock(&self.plan.variables);
            let variables = locks.pointers();
            let (slots, accumulators) =
                (optimizer.slot_pointers(&self.plan), optimizer.accumulator_pointers(&self.plan));
            let course = Course::of(optimizer, &self.plan);
            let context = Context {
                slots: &slots,
                accumulators: &accumulators,
                optimizer: Some(&course),
                ahead: self.program.largest.filter(|_| feed.inputs.iter().any(|input| input.lines() > 0)),
                ..self.context(&feed, &self.memory[0], &variables, &refused)
            };
            pool::region(choice.threads, |worker| self.train(&context, worker, steps, first, &control))
        };
        let done = control.done.load(Ordering::Relaxed);
        self.pace.observe(choice, done, begin.elapsed());
        optimizer.advance(done as u64);
        if done > 0 {
            self.plan.variables.iter().for_each(|v| v.touch());
        }
        outcome?;
        match (refused.into_inner(), control.fault.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            (row @ 0.., _) => Err(refusal(row)),
            (_, Some(fault)) => Err(fault),
            _ => Ok(done),
        }
    }

    fn evaluate(&mut self, weights: &Snapshot, steps: &Steps, totals: &mut Totals) -> Result<usize> {
        let feed = self.feed()?;
        let count = steps.until - steps.from;
        let threads = workers(self.program.work * (steps.batch * count) as f64, count);
        self.ensure_memories(threads)?;
        let (variables, refused) = (weights.pointers(), AtomicI64::new(-1));
        let variables = Shared(&variables);
        let mut empty = totals.clone();
        empty.clear();
        let results: Vec<Mutex<Totals>> = (0..count).map(|_| Mutex::new(empty.clone())).collect();
        let next = AtomicUsize::new(0);
        let this = &*self;
        pool::region(threads, |worker| {
            let context = this.context(&feed, &this.memory[worker.index], variables.get(), &refused);
            let mut clock = this.clock(worker);
            while next.load(Ordering::Relaxed) == 0 || Instant::now() < steps.deadline {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                let from = (steps.from + index) * steps.batch;
                let rows = &steps.order[from..(from + steps.batch).min(steps.order.len())];
                this.run_alone(&context, &Step { rows, next: &[], number: 0 }, &mut clock);
                context.tally(rows.len(), &mut results[index].lock().unwrap_or_else(PoisonError::into_inner));
            }
        })?;
        if let row @ 0.. = refused.into_inner() {
            return Err(refusal(row));
        }
        let done = next.into_inner().min(count);
        for result in results.into_iter().take(done) {
            totals.add(&result.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(done)
    }

    fn forward(&mut self, weights: &Snapshot, rows: Range<usize>, out: &mut [&mut [f32]]) -> Result<()> {
        let feed = self.feed()?;
        let blocks = rows.len().div_ceil(self.batch);
        let threads = workers(self.program.work * rows.len() as f64, blocks);
        self.ensure_memories(threads)?;
        let (variables, refused) = (weights.pointers(), AtomicI64::new(-1));
        let variables = Shared(&variables);
        let outputs: Vec<(TensorId, usize)> =
            self.plan.outputs.iter().map(|&t| (t, self.plan.tensors[t].columns())).collect();
        // For each output its blocks; a worker takes the next one of each.
        let parts = out.iter_mut().zip(&self.plan.outputs);
        let parts: Vec<_> = parts
            .map(|(out, &t)| out.chunks_mut((self.batch * self.plan.tensors[t].shape.iter().product::<usize>()).max(1)))
            .collect();
        let parts = Shared(&Mutex::new((0_usize, parts)));
        let this = &*self;
        pool::region(threads, |worker| {
            let context = this.context(&feed, &this.memory[worker.index], variables.get(), &refused);
            let mut clock = this.clock(worker);
            loop {
                let (index, mut out) = {
                    let mut parts = parts.get().lock().unwrap_or_else(PoisonError::into_inner);
                    let index = parts.0;
                    parts.0 += 1;
                    (index, parts.1.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>())
                };
                if index >= blocks {
                    break;
                }
                let from = (rows.start + index * this.batch) as u32;
                let order: Vec<u32> = (from..(from + this.batch as u32).min(rows.end as u32)).collect();
                this.run_alone(&context, &Step { rows: &order, next: &[], number: 0 }, &mut clock);
                for ((tensor, columns), out) in outputs.iter().zip(&mut out) {
                    context.copy_out(*tensor, *columns, out);
                }
            }
        })
    }

    fn synchronise(&mut self, _: &mut OptimizerState) -> Result<()> {
        // The CPU computes on the variables themselves.
        Ok(())
    }
}

impl Drop for CpuExecutor {
    fn drop(&mut self) {
        self.report();
    }
}

/// Lets workers share what is read only, or locked, though it holds pointers.
struct Shared<'a, T: ?Sized>(&'a T);

impl<'a, T: ?Sized> Shared<'a, T> {
    fn get(&self) -> &'a T {
        self.0
    }
}

// SAFETY: the snapshot's numbers are only read; the output's iterator is behind a lock.
unsafe impl<T: ?Sized> Sync for Shared<'_, T> {}
