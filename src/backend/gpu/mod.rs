//! The GPU, whoever made it: the plan's stages as compute shaders, through wgpu on Vulkan, Metal or DX12.
//!
//! From the outside in: `executor` and `run` are the steps, `step` and `report` what goes into one and comes out of it; `schedule`,
//! `program`, `backward`, `update`, `others` and `dispatch` what a plan becomes; `memory` and `transfer` hold buffers and
//! what goes to and fro, `dataset`, `known`, `resident` and `windows` the data set; `wgsl` puts shaders together, `pipelines` compiles them, `device` finds adapters.
//! Matrices are row-major here; the store's panels are packed and unpacked on the way.
//!
//! Sums have one order, there are no atomics, and masks are the CPU's: one adapter gives the same bits each time, and
//! differs from the CPU by rounding alone.

mod backward;
mod dataset;
mod device;
mod dispatch;
mod executor;
mod known;
mod limits;
mod memory;
mod others;
mod others_backward;
mod pipelines;
#[cfg(test)]
mod product_tests;
mod program;
mod report;
mod resident;
mod room;
mod run;
mod schedule;
mod step;
mod support;
#[cfg(test)]
mod tests;
mod transfer;
mod update;
mod usage;
mod wgsl;
mod windows;

pub use device::Counters;

use super::{Adapter, Backend, Executor, Purpose, Usage, UsageOf};
use crate::error::Result;
use crate::plan::Plan;
use device::Gpu;
use std::sync::Arc;

/// Samples that a prediction takes through the network at a time, if there is room for them.
const BLOCK: usize = 256;

/// One adapter as a backend.
pub struct GpuBackend {
    gpu: Arc<Gpu>,
}

impl GpuBackend {
    /// Adapter number `index`, opened if it was not.
    pub fn open(index: usize) -> Result<Self> {
        Ok(GpuBackend { gpu: Gpu::open(index)? })
    }

    /// The same as a device of its own whose kernels see at most `binding_limit` bytes of a buffer, as if the adapter were
    /// smaller; the environment variable `IRONHORN_GPU_BINDING_LIMIT` does that to a whole process. For tests and diagnoses.
    pub fn open_limited(index: usize, binding_limit: u64) -> Result<Self> {
        Ok(GpuBackend { gpu: Gpu::open_limited(index, binding_limit)? })
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        self.gpu.name()
    }

    /// What is known of all adapters.
    pub fn adapters() -> Vec<Adapter> {
        device::adapters()
    }

    /// Dispatches and submissions so far, of all who use this adapter.
    pub fn counters(&self) -> Counters {
        self.gpu.counters()
    }
}

impl Backend for GpuBackend {
    fn compile(&self, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> Result<Box<dyn Executor>> {
        let batch = if matches!(purpose, Purpose::Predict) { usage::block(&self.gpu, plan, batch) } else { batch };
        Ok(Box::new(executor::GpuExecutor::new(self.gpu.clone(), plan, purpose, batch)?))
    }

    fn usage(&self, run: &UsageOf) -> Result<Usage> {
        usage::usage(&self.gpu, run)
    }
}
