//! Prediction on a device for many callers at once.
//!
//! A lane is an executor with weights and activations of its own on the device. There are few: the device takes turns anyway,
//! and two are enough to copy samples for one call while another is computed. Who finds none free waits.

use crate::backend::{Device, Executor, Purpose};
use crate::data::Feed;
use crate::error::Result;
use crate::infer::BLOCK;
use crate::params::Snapshot;
use crate::plan::Plan;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Executors at most.
const LANES: usize = 2;

/// A plan, its weights, and executors on a device.
pub(super) struct Lanes {
    pub(super) device: Device,
    plan: Arc<Plan>,
    weights: Arc<Snapshot>,
    /// Who opened the device: handles do not survive a fork.
    process: u32,
    stock: Mutex<Stock>,
    returned: Condvar,
}

#[derive(Default)]
struct Stock {
    idle: Vec<Box<dyn Executor>>,
    /// Those in use included.
    made: usize,
}

impl Lanes {
    /// Opens the device and makes a first executor, so that what is refused is refused here.
    pub fn new(device: Device, plan: Arc<Plan>, weights: Arc<Snapshot>) -> Result<Self> {
        let first = device.backend()?.compile(&plan, &Purpose::Predict, BLOCK)?;
        let stock = Mutex::new(Stock { idle: vec![first], made: 1 });
        Ok(Lanes { device, plan, weights, process: std::process::id(), stock, returned: Condvar::new() })
    }

    fn make(&self) -> Result<Box<dyn Executor>> {
        self.device.backend()?.compile(&self.plan, &Purpose::Predict, BLOCK)
    }

    fn run(&self, executor: &mut dyn Executor, feed: Arc<Feed>, out: &mut [&mut [f32]]) -> Result<()> {
        let rows = feed.rows();
        executor.bind_data(feed)?;
        executor.forward(&self.weights, 0..rows, out)?;
        executor.bind_data(Feed::nothing())
    }

    /// The outputs of all samples, row-major, each into its part of `out`.
    pub fn predict(&self, feed: Arc<Feed>, out: &mut [&mut [f32]]) -> Result<()> {
        if self.process != std::process::id() {
            // A forked child: the lock may be held by a thread that is gone, and the executors are the parent's.
            return self.run(&mut *self.make()?, feed, out);
        }
        let mut lane = self.take()?;
        let Some(mut executor) = lane.executor.take() else { return Ok(()) };
        let outcome = self.run(&mut *executor, feed, out);
        // After an error the device may be lost: the next call makes another.
        lane.executor = outcome.is_ok().then_some(executor);
        outcome
    }

    fn take(&self) -> Result<Lane<'_>> {
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = loop {
            match stock.idle.pop() {
                Some(executor) => break Some(executor),
                None if stock.made < LANES => break None,
                None => stock = self.returned.wait(stock).unwrap_or_else(PoisonError::into_inner),
            }
        };
        if let Some(executor) = idle {
            return Ok(Lane { lanes: self, executor: Some(executor) });
        }
        stock.made += 1;
        drop(stock);
        let mut lane = Lane { lanes: self, executor: None };
        lane.executor = Some(self.make()?);
        Ok(lane)
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // What the parent opened cannot be closed here.
            let stock = self.stock.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::take(&mut stock.idle));
        }
    }
}

/// An executor on loan, which goes back whatever happens.
struct Lane<'a> {
    lanes: &'a Lanes,
    executor: Option<Box<dyn Executor>>,
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        let mut stock = self.lanes.stock.lock().unwrap_or_else(PoisonError::into_inner);
        match self.executor.take() {
            Some(executor) => stock.idle.push(executor),
            None => stock.made -= 1,
        }
        self.lanes.returned.notify_one();
    }
}
