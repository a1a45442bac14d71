//! Backends: whoever executes a plan.
//!
//! The interface is coarse on purpose: a data set and variables are bound, then many steps run in one call. A backend
//! refuses by name, when it is asked to compile, what it cannot do.

pub mod cpu;
mod device;
#[cfg(feature = "gpu")]
pub mod gpu;
mod usage;

pub use device::{Adapter, Device, WGPU};
pub use usage::{Part, Run as UsageOf, Usage};

use crate::data::Feed;
use crate::error::Result;
use crate::losses::{Head, LossConfig, TargetKind};
use crate::metrics::Metric;
use crate::optimizers::OptimizerState;
use crate::params::Snapshot;
use crate::plan::{Kind, Plan, TensorId};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// A metric that is reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Which.
    pub metric: Metric,
    /// Whether the samples' weights count.
    pub weighted: bool,
}

/// What training minimises of one output of the plan and what it reports of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The loss, if the output has one.
    pub loss: Option<LossConfig>,
    /// What the loss is multiplied by in the sum over all outputs.
    pub weight: f64,
    /// Metrics of the output.
    pub metrics: Vec<Measure>,
}

impl Objective {
    /// The target that loss and metrics want; `None` where there is neither.
    pub fn target_kind(&self) -> Option<TargetKind> {
        let loss = self.loss.as_ref().map(|l| l.loss.target_kind());
        loss.or_else(|| self.metrics.first().map(|m| m.metric.target_kind()))
    }

    /// Whether several invocations of a GPU may share a row of the output.
    #[cfg(feature = "gpu")]
    pub(crate) fn joins_columns(&self) -> bool {
        let metrics = self.metrics.iter().filter(|m| m.metric.is_row_mean());
        self.loss.as_ref().is_none_or(|l| l.loss.joins_columns())
            && metrics.into_iter().all(|m| m.metric.joins_columns())
    }

    /// The class that the loss leaves out.
    pub fn ignored_class(&self) -> Option<i64> {
        self.loss.as_ref().and_then(|l| l.loss.ignored_class())
    }
}

/// What an executor is compiled for. Objectives are one an output.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// Gradient steps.
    Train(Vec<Objective>),
    /// Loss and metrics on fixed weights.
    Evaluate(Vec<Objective>),
    /// Gradients of one batch, without an update.
    Differentiate(Vec<Objective>),
    /// Outputs on fixed weights.
    Predict,
    /// Outputs as training computes them.
    Call,
}

impl Purpose {
    /// The objectives; none for a prediction.
    pub fn objectives(&self) -> &[Objective] {
        match self {
            Purpose::Train(objectives) | Purpose::Evaluate(objectives) | Purpose::Differentiate(objectives) => {
                objectives
            }
            Purpose::Predict | Purpose::Call => &[],
        }
    }

    /// Whether the forward pass is that of training: with noise, and with the statistics of the batch.
    pub fn is_training(&self) -> bool {
        !matches!(self, Purpose::Predict | Purpose::Evaluate(_))
    }

    /// Whether there is a way back.
    pub fn has_gradients(&self) -> bool {
        matches!(self, Purpose::Train(_) | Purpose::Differentiate(_))
    }
}

/// Sums that become the logs of an epoch. In double precision and in the order of the steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Σ batch loss · batch size, penalties included.
    pub loss: f64,
    /// The same for each output's own loss, times its weight.
    pub losses: Vec<f64>,
    /// Samples seen.
    pub samples: f64,
    /// The state of each metric of each output.
    pub metrics: Vec<Vec<f64>>,
}

impl Totals {
    /// Nothing yet. `columns` are those of the outputs.
    pub fn new(objectives: &[Objective], columns: &[usize]) -> Self {
        let states = objectives.iter().zip(columns);
        let states = states.flat_map(|(o, &n)| o.metrics.iter().map(move |m| vec![0.0; m.metric.state_len(n)]));
        Totals { loss: 0.0, losses: vec![0.0; objectives.len()], samples: 0.0, metrics: states.collect() }
    }

    fn each(&mut self) -> impl Iterator<Item = &mut f64> {
        let all = [&mut self.loss, &mut self.samples].into_iter();
        all.chain(&mut self.losses).chain(self.metrics.iter_mut().flatten())
    }

    /// All of them in one list.
    pub fn numbers(&self) -> Vec<f64> {
        self.clone().each().map(|x| *x).collect()
    }

    /// Takes them back, as many as there are.
    pub fn set_numbers(&mut self, numbers: &[f64]) {
        self.each().zip(numbers).for_each(|(x, number)| *x = *number);
    }

    /// Nothing again.
    pub fn clear(&mut self) {
        (self.loss, self.samples) = (0.0, 0.0);
        self.losses.iter_mut().chain(self.metrics.iter_mut().flatten()).for_each(|x| *x = 0.0);
    }

    /// Adds what came after.
    pub fn add(&mut self, later: &Totals) {
        self.loss += later.loss;
        self.samples += later.samples;
        let (own, more) = (self.losses.iter_mut(), later.losses.iter());
        own.zip(more).for_each(|(sum, more)| *sum += more);
        let (own, more) = (self.metrics.iter_mut().flatten(), later.metrics.iter().flatten());
        own.zip(more).for_each(|(sum, more)| *sum += more);
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
    /// Whether a training step whose loss is NaN or infinite ends the run, with [`crate::Error::NonFinite`], before it
    /// changes anything.
    pub check_finite: bool,
}

/// A device that can compile plans.
pub trait Backend: Send + Sync {
    /// Allocates everything that `purpose` needs for batches of up to `batch` samples.
    fn compile(&self, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> Result<Box<dyn Executor>>;
    /// What [`Backend::compile`] and the run allocate together, without allocating it; where that changes with what was
    /// found out on the way, the most that they do.
    fn usage(&self, run: &UsageOf) -> Result<Usage>;
}

/// A plan compiled for one purpose.
pub trait Executor: Send {
    /// Makes a data set available to the steps that follow.
    fn bind_data(&mut self, feed: Arc<Feed>) -> Result<()>;
    /// Runs whole training steps; says how many. Leaves variables and slots at the last whole step.
    fn run_steps(&mut self, steps: &Steps, optimizer: &mut OptimizerState, totals: &mut Totals) -> Result<usize>;
    /// Loss and metrics of batches `steps.from` … `steps.until`, as far as the deadline allows; says how many.
    fn evaluate(&mut self, weights: &Snapshot, steps: &Steps, totals: &mut Totals) -> Result<usize>;
    /// The outputs of samples `rows`, row-major, each into its part of `out`.
    fn forward(&mut self, weights: &Snapshot, rows: Range<usize>, out: &mut [&mut [f32]]) -> Result<()>;
    /// Brings variables and slots up to date where others read them.
    fn synchronise(&mut self, optimizer: &mut OptimizerState) -> Result<()>;
}

/// What the loss of an output reads.
#[derive(Clone, Copy, Debug)]
pub struct LossInput {
    /// The tensor.
    pub tensor: TensorId,
    /// The activation that the loss has to do.
    pub head: Head,
    /// The stage of that activation, which then does not run by itself.
    pub fused: Option<usize>,
}

/// The tensor the loss of output number `index` should read: what is before the last activation, where the loss can
/// take that over and nobody else reads either of the two.
pub fn loss_input(plan: &Plan, index: usize, objective: &Objective) -> LossInput {
    let output = plan.outputs[index];
    let plain = LossInput { tensor: output, head: Head::Plain, fused: None };
    let (Some(loss), 1) = (&objective.loss, plan.tensors[output].uses) else { return plain };
    let Some(s) = plan.stages.iter().position(|s| s.output == output) else { return plain };
    let stage = &plan.stages[s];
    let (Kind::Map(last) | Kind::RowMap(last)) = &stage.kind else { return plain };
    let head = loss.loss.head(last);
    if head == Head::Plain || plan.tensors[stage.input()].uses > 1 {
        return plain;
    }
    LossInput { tensor: stage.input(), head, fused: Some(s) }
}
