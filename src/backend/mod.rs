//! Backends: whoever executes a plan.
//!
//! The interface is coarse on purpose: a data set and variables are bound, then many steps run in one call. A backend
//! refuses by name, when it is asked to compile, what it cannot do.

pub mod cpu;
mod device;
#[cfg(feature = "gpu")]
pub mod gpu;

pub use device::Device;

use crate::data::Feed;
use crate::error::Result;
use crate::losses::{Head, LossConfig};
use crate::metrics::Metric;
use crate::optimizers::OptimizerState;
use crate::params::Snapshot;
use crate::plan::{Kind, Plan, TensorId};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// What training minimises and what it reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The loss of the plan's output.
    pub loss: LossConfig,
    /// Metrics of the plan's output.
    pub metrics: Vec<Metric>,
}

/// What an executor is compiled for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// Gradient steps.
    Train(Objective),
    /// Loss and metrics on fixed weights.
    Evaluate(Objective),
    /// Outputs on fixed weights.
    Predict,
}

/// Sums that become the logs of an epoch. In double precision and in the order of the steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Σ batch loss · batch size.
    pub loss: f64,
    /// Samples seen.
    pub samples: f64,
    /// For each metric (Σ values, number of values).
    pub metrics: Vec<(f64, f64)>,
}

impl Totals {
    /// Nothing yet.
    pub fn new(metrics: usize) -> Self {
        Totals { loss: 0.0, samples: 0.0, metrics: vec![(0.0, 0.0); metrics] }
    }

    /// Adds what came after.
    pub fn add(&mut self, later: &Totals) {
        self.loss += later.loss;
        self.samples += later.samples;
        for (sum, more) in self.metrics.iter_mut().zip(&later.metrics) {
            sum.0 += more.0;
            sum.1 += more.1;
        }
    }
}

/// Steps to run: batches `from` … `until` of an epoch.
pub struct Steps<'a> {
    /// The epoch's order of the samples.
    pub order: &'a [u32],
    /// Samples in a full batch.
    pub batch: usize,
    /// The first batch.
    pub from: usize,
    /// One past the last.
    pub until: usize,
    /// No step begins after this moment; at least one is run.
    pub deadline: Instant,
}

/// A device that can compile plans.
pub trait Backend: Send + Sync {
    /// Allocates everything that `purpose` needs for batches of up to `batch` samples.
    fn compile(&self, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> Result<Box<dyn Executor>>;
}

/// A plan compiled for one purpose.
pub trait Executor: Send {
    /// Makes a data set available to the steps that follow.
    fn bind_data(&mut self, feed: Arc<Feed>) -> Result<()>;
    /// Runs whole training steps; says how many. Leaves variables and slots at the last whole step.
    fn run_steps(&mut self, steps: &Steps, optimizer: &mut OptimizerState, totals: &mut Totals) -> Result<usize>;
    /// Loss and metrics of batches `steps.from` … `steps.until`, as far as the deadline allows; says how many.
    fn evaluate(&mut self, weights: &Snapshot, steps: &Steps, totals: &mut Totals) -> Result<usize>;
    /// The outputs of samples `rows`, row-major, into `out`.
    fn forward(&mut self, weights: &Snapshot, rows: Range<usize>, out: &mut [f32]) -> Result<()>;
    /// Brings variables and slots up to date where others read them.
    fn synchronise(&mut self, optimizer: &mut OptimizerState) -> Result<()>;
}

/// The tensor the loss should read, and the activation it then has to do: the last stage, where the loss can take it
/// over and nobody else reads what is before it.
pub fn fused_head(plan: &Plan, objective: &Objective) -> (TensorId, Head) {
    let output = plan.outputs[0];
    let Some(stage) = plan.stages.last().filter(|s| s.output == output && plan.tensors[output].uses == 1) else {
        return (output, Head::Plain);
    };
    let (Kind::Map(last) | Kind::RowMap(last)) = &stage.kind else { return (output, Head::Plain) };
    let head = objective.loss.loss.head(last);
    if head == Head::Plain || plan.tensors[stage.input].uses > 1 { (output, Head::Plain) } else { (stage.input, head) }
}
