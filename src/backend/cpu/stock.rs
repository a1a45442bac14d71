//! Prediction of any plan for many callers at once: each takes an executor of a stock, or makes one.

use super::executor::{CpuBackend, CpuExecutor};
use crate::backend::{Executor, Purpose};
use crate::data::Feed;
use crate::error::Result;
use crate::params::Snapshot;
use crate::plan::Plan;
use std::sync::{Arc, Mutex};

/// Samples of a block.
const BLOCK: usize = 64;

/// A plan, its weights, and executors that nobody uses just now.
pub(crate) struct Stock {
    backend: CpuBackend,
    plan: Arc<Plan>,
    weights: Arc<Snapshot>,
    idle: Mutex<Vec<CpuExecutor>>,
}

impl Stock {
    pub fn new(backend: CpuBackend, plan: Arc<Plan>, weights: Arc<Snapshot>) -> Self {
        Stock { backend, plan, weights, idle: Mutex::new(Vec::new()) }
    }

    /// The outputs of all samples, row-major, each into its part of `out`.
    pub fn predict(&self, feed: Arc<Feed>, out: &mut [&mut [f32]]) -> Result<()> {
        // Nobody waits here: after a fork, the lock may be held by a thread that is gone.
        let kept = self.idle.try_lock().ok().and_then(|mut idle| idle.pop());
        let mut executor = match kept {
            Some(executor) => executor,
            None => self.backend.executor(&self.plan, &Purpose::Predict, BLOCK)?,
        };
        let rows = feed.rows();
        executor.bind_data(feed)?;
        let outcome = executor.forward(&self.weights, 0..rows, out);
        executor.bind_data(Feed::nothing())?;
        if let Ok(mut idle) = self.idle.try_lock() {
            idle.push(executor);
        }
        outcome
    }
}
