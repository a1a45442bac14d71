//! The device `auto`: the quicker one for each kind of run and size of a batch, found out once and kept with the model.
//!
//! Four questions, of which each is asked only where those before it leave it open:
//!
//! 1. Is a step too little work for any submission to pay? Then the CPU, and no adapter is looked for.
//! 2. Which adapters are quicker than this CPU at anything? Each shows it, once a process, on a product of 512 × 512 matrices;
//!    software adapters are sorted out here. So is a driver that cannot be opened.
//! 3. Is the CPU done with a step before the adapter has started its kernels? What a kernel costs that does nothing, the
//!    adapter has shown too.
//! 4. Which is quicker at steps of this very run? They are timed on the first samples, see `trial.rs`.
//!
//! An adapter has to be a tenth quicker to be chosen. Whatever fails on it decides for the CPU. The answer is part of the model's
//! state: files keep it, so a run that is resumed takes place where it did before.

use super::Model;
use super::compiled::Home;
use super::trial::Trial;
use crate::backend::cpu::CpuBackend;
use crate::backend::{Device, Purpose};
use crate::data::{Array, Feed};
use crate::error::{Error, Result};
use crate::plan::{Kind, Plan};
use crate::sequential::Sequential;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use strum::VariantNames;

/// Floating-point operations of a training step, or of one of an evaluation, that a CPU is done with in some 20 µs.
const SMALL_STEP: f64 = 2e6;
/// The same of a whole prediction, for which a device needs room, the samples and a way back: some 200 µs.
pub(crate) const SMALL_PREDICTION: f64 = 2e7;
/// How much of the CPU's time an adapter may take to be chosen.
const WORTH: f64 = 0.9;
/// Rows of predictions that are told apart: as many and more are one kind.
const MANY_ROWS: usize = 1 << 16;

/// What a run is, as far as its cost goes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumString, strum::Display, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Task {
    /// Epochs over a data set, which stays where it is.
    Train,
    /// Steps on data of one batch, as they come one by one; the weights are read after each.
    TrainOnBatch,
    /// Loss and metrics.
    Evaluate,
    /// Outputs; the size is the number of samples of a call, rounded up to a power of two.
    Predict,
}

/// A device for a task and the size of its batch.
pub type Choice = (Task, usize, Device);

/// What has been chosen.
#[derive(Default)]
pub(super) struct Choices(Mutex<BTreeMap<(Task, usize), Device>>);

/// What an adapter has shown in this process, with times of the CPU as a measure.
#[derive(Clone, Copy, Debug)]
struct Shown {
    /// The CPU's time for a large product, over the adapter's.
    speed: f64,
    /// Seconds that a kernel takes that does next to nothing.
    kernel: f64,
}

/// What they have shown, by number; `None` for those that failed. Of one process: a forked child asks again.
static SHOWN: Mutex<(u32, BTreeMap<usize, Option<Shown>>)> = Mutex::new((0, BTreeMap::new()));

impl Choices {
    fn get(&self, key: (Task, usize)) -> Option<Device> {
        super::lock(&self.0).get(&key).copied()
    }
}

impl Model {
    /// Where a run takes place: on the device that it names, else on the model's own backend, else on the process's device.
    /// Where that is `auto`, `trial` says what would be timed.
    pub(crate) fn home(&self, device: Option<Device>, trial: impl FnOnce() -> Result<Trial>) -> Result<Home> {
        let device = match device.map_or_else(|| self.named_device(), |device| Ok(Some(device)))? {
            Some(Device::Auto) => Some(self.choose(trial()?)),
            other => other,
        };
        Ok(Home::at(device))
    }

    /// What `auto` has chosen for a task of this size.
    pub(crate) fn chosen(&self, task: Task, size: usize) -> Option<Device> {
        self.choices.get((task, size))
    }

    /// The device of runs that name none; `None` for a backend of the model's own.
    pub(crate) fn named_device(&self) -> Result<Option<Device>> {
        if self.backend.is_some() { Ok(None) } else { Device::current().map(Some) }
    }

    fn choose(&self, trial: Trial) -> Device {
        let size = if trial.task == Task::Predict { kind_of(trial.rows()) } else { trial.batch };
        let key = (trial.task, size);
        // What is not here any more is chosen anew.
        if let Some(known) = self.choices.get(key).filter(|known| known.backend().is_ok()) {
            return known;
        }
        // A trial that fails even on the CPU says nothing; the run will say why.
        let Some(device) = quickest(&trial) else { return Device::Cpu };
        *super::lock(&self.choices.0).entry(key).and_modify(|known| *known = device).or_insert(device)
    }

    /// Whether `auto` predicts so many samples on the CPU without a thought.
    #[cfg(feature = "python")]
    pub(crate) fn is_small_prediction(&self, rows: usize) -> bool {
        let chosen = self.choices.get((Task::Predict, kind_of(rows)));
        matches!(chosen, None | Some(Device::Cpu)) && work(&self.plan) * rows as f64 <= SMALL_PREDICTION
    }

    /// The devices that `auto` has chosen.
    pub fn choices(&self) -> Vec<Choice> {
        super::lock(&self.choices.0).iter().map(|(&(task, size), &device)| (task, size, device)).collect()
    }

    /// Replaces them, e.g. by those of another process; by none, to have them made anew.
    pub fn set_choices(&self, choices: impl IntoIterator<Item = Choice>) -> Result<()> {
        let choices: BTreeMap<_, _> = choices.into_iter().map(|(task, size, device)| ((task, size), device)).collect();
        if choices.values().any(|device| *device == Device::Auto) {
            return Err(Error::invalid("devices", "\"cpu\" or \"gpu:N\"", "\"auto\""));
        }
        *super::lock(&self.choices.0) = choices;
        Ok(())
    }
}

impl Task {
    /// Reads a name; `place` is what the error calls it.
    pub fn parse(name: &str, place: &str) -> Result<Self> {
        name.parse().map_err(|_| Error::unknown(place, name, Task::VARIANTS))
    }
}

/// A number of rows that stands for those about as many.
pub(super) fn kind_of(rows: usize) -> usize {
    rows.clamp(1, MANY_ROWS).next_power_of_two()
}

/// Floating-point operations of a forward pass, for one sample: products, and four for each other element that is made.
pub(super) fn work(plan: &Plan) -> f64 {
    let stage = |stage: &crate::plan::Stage| {
        let output = &plan.tensors[stage.output];
        let elements = (output.rows() * output.columns()) as f64;
        match stage.kind {
            Kind::Dense { .. } => 2.0 * elements * plan.tensors[stage.input()].columns() as f64,
            _ => 4.0 * elements,
        }
    };
    plan.stages.iter().map(stage).sum()
}

/// The quickest device for a run; `None` where the CPU fails.
fn quickest(trial: &Trial) -> Option<Device> {
    let (small, passes) = match trial.task {
        Task::Train | Task::TrainOnBatch => (SMALL_STEP, 3.0),
        Task::Evaluate => (SMALL_STEP, 1.0),
        Task::Predict => (SMALL_PREDICTION, 1.0),
    };
    let rows = if trial.task == Task::Predict { trial.rows() } else { trial.batch };
    if work(&trial.plan) * passes * rows as f64 <= small {
        return Some(Device::Cpu);
    }
    let adapters = Device::adapters();
    if adapters.is_empty() || trial.plan.refused_on_gpu().is_some() {
        return Some(Device::Cpu);
    }
    let cpu = trial.seconds(&CpuBackend::default()).ok()?;
    let dense = trial.plan.stages.iter().filter(|s| matches!(s.kind, Kind::Dense { .. })).count();
    let kernels = dense.max(1) as f64 * passes;
    let timed = (0..adapters.len()).filter_map(|index| {
        let shown = shown(index)?;
        if shown.speed * WORTH <= 1.0 || shown.kernel * kernels >= cpu * WORTH {
            return None;
        }
        let backend = Device::Gpu(index).backend().ok()?;
        Some((Device::Gpu(index), trial.seconds(&*backend).ok()?))
    });
    Some(better(cpu, timed))
}

/// The quickest of several, by their times; the CPU unless that is clearly worse.
pub(super) fn better(cpu: f64, timed: impl Iterator<Item = (Device, f64)>) -> Device {
    let best = timed.min_by(|a, b| a.1.total_cmp(&b.1));
    best.filter(|(_, seconds)| *seconds < cpu * WORTH).map_or(Device::Cpu, |(device, _)| device)
}

/// What an adapter has shown; shown now, the first time.
fn shown(index: usize) -> Option<Shown> {
    let known = || SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    {
        let mut known = known();
        if known.0 != process {
            *known = (process, BTreeMap::new());
        }
        if let Some(shown) = known.1.get(&index) {
            return *shown;
        }
    }
    // Nobody waits meanwhile: two threads who come at once both look.
    let shown = show(index).ok();
    known().1.insert(index, shown);
    shown
}

/// Times a product of 512 × 512 matrices on the CPU and on an adapter, and a chain of kernels of next to no work.
fn show(index: usize) -> Result<Shown> {
    let backend = Device::Gpu(index).backend()?;
    let large = sample(512, &[512], 512)?;
    let (cpu, gpu) = (large.seconds(&CpuBackend::default())?, large.seconds(&*backend)?);
    let (layers, blocks) = (8, 16);
    let kernels = sample(1, &[1; 8], 256 * blocks)?.seconds(&*backend)? / (layers * blocks) as f64;
    Ok(Shown { speed: cpu / gpu, kernel: kernels })
}

/// A prediction by dense layers of these sizes.
fn sample(inputs: usize, units: &[usize], rows: usize) -> Result<Trial> {
    let mut net = Sequential::new(&[inputs], 1);
    for &units in units {
        net = net.dense(units, "linear")?;
    }
    let values = (0..rows * inputs).map(|i| (i % 13) as f32 * 0.1).collect();
    let feed = Feed { inputs: vec![Array::new(values, &[rows, inputs])?], ..Feed::default() };
    let plan = net.build()?.plan().clone();
    Ok(Trial { task: Task::Predict, plan, purpose: Purpose::Predict, batch: 64, feed: Arc::new(feed), optimizer: None })
}
