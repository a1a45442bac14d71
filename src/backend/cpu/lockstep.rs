//! A training region: all workers take every operation of a step together, until the steps are done, the time is over or a
//! reader waits.

use super::executor::CpuExecutor;
use super::ops::{Context, Step};
use super::pool::Worker;
use super::program::Op;
use crate::backend::{Steps, Totals};
use crate::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Looks at the clock, but not in each of many short steps: that would be a tenth of the shortest ones.
struct Watch {
    deadline: Instant,
    looked: Instant,
    /// Steps until the next look, and steps from look to look.
    left: u32,
    each: u32,
}

impl Watch {
    /// Steps from look to look at most.
    const MOST: u32 = 64;
    /// Steps are short where so many take less than this.
    const SHORT: Duration = Duration::from_micros(20);

    fn new(deadline: Instant) -> Self {
        Watch { deadline, looked: Instant::now(), left: 1, each: 1 }
    }

    /// Whether the time is over, as far as is known; called once a step.
    fn is_over(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        let now = Instant::now();
        let short = now - self.looked < Self::SHORT;
        self.each = if short { (2 * self.each).min(Self::MOST) } else { 1 };
        (self.looked, self.left) = (now, self.each);
        now >= self.deadline
    }
}

/// What the workers of a training region tell each other.
pub(super) struct Control<'a> {
    pub stop: AtomicBool,
    pub done: AtomicUsize,
    pub totals: Mutex<&'a mut Totals>,
    /// What ended the region.
    pub fault: Mutex<Option<Error>>,
}

impl CpuExecutor {
    /// A worker's part of a training region: steps until the end, the deadline, or a reader who waits.
    pub(super) fn train(&self, context: &Context, worker: &Worker, steps: &Steps, first: u64, control: &Control) {
        let context = &Context { values: context.memory.values(worker.index), ..*context };
        let mut clock = self.clock(worker);
        let mut totals = (worker.index == 0).then(|| control.totals.lock().unwrap_or_else(PoisonError::into_inner));
        let mut watch = Watch::new(steps.deadline);
        for batch in steps.from..steps.until {
            let rows_of = |batch: usize| {
                let bound = |b: usize| (b * steps.batch).min(steps.order.len());
                &steps.order[bound(batch)..bound(batch + 1)]
            };
            let rows = rows_of(batch);
            let step = Step { rows, next: rows_of(batch + 1), number: first + (batch - steps.from) as u64 };
            for (i, scheduled) in self.program.ops.iter().enumerate() {
                if scheduled.barrier {
                    worker.wait();
                }
                clock.waited(i);
                if scheduled.op == Op::Tally {
                    // Past this barrier weights change: a batch with a refused target ends here, for every worker.
                    if context.refused.load(Ordering::Relaxed) >= 0 {
                        return;
                    }
                    // So does one whose loss is no number; each worker sees the same.
                    if steps.check_finite && !context.is_finite(rows.len()) {
                        if worker.index == 0 {
                            let mut totals = Totals::new(context.objectives, &self.plan.output_columns());
                            context.tally(rows.len(), &mut totals);
                            let loss = totals.loss / totals.samples;
                            let mut fault = control.fault.lock().unwrap_or_else(PoisonError::into_inner);
                            *fault = Some(Error::NonFinite { step: batch, loss });
                        }
                        return;
                    }
                    if let Some(totals) = &mut totals {
                        context.tally(rows.len(), totals);
                        if self.plan.variables.iter().any(|v| v.is_wanted()) || watch.is_over() {
                            control.stop.store(true, Ordering::Relaxed);
                        }
                    }
                } else {
                    context.execute(scheduled, worker, &step);
                }
                clock.worked(i);
            }
            worker.wait();
            clock.batch(rows.len());
            if worker.index == 0 {
                control.done.store(batch + 1 - steps.from, Ordering::Relaxed);
            }
            if control.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}
