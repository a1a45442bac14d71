//! The façade: a graph of layers that is compiled, trained, evaluated and asked.

mod choice;
#[cfg(test)]
mod choice_tests;
mod compiled;
mod graph;
mod memory;
mod samples;
mod trial;

#[cfg(feature = "python")]
pub(crate) use choice::SMALL_PREDICTION;
pub use choice::{Choice, Task};
pub use compiled::Compiled;
pub(crate) use compiled::{Home, Settled, Trainer};
pub use graph::Graph;
pub use memory::Needs;
pub use samples::Samples;
#[cfg(feature = "python")]
pub(crate) use samples::tuple;
pub(crate) use trial::Trial;

#[cfg(feature = "python")]
use crate::backend::cpu::{Chain, Storage, simd::Level};
use crate::backend::{Backend, Device, Purpose};
use crate::error::{Error, Result};
use crate::optimizers::OptimizerState;
use crate::params::Snapshot;
use crate::plan::Plan;
use crate::rng;
use choice::Choices;
use compiled::Asked;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An optimizer that models and their users share.
pub type SharedOptimizer = Arc<Mutex<OptimizerState>>;

/// Locks; a panic elsewhere leaves nothing half done here, so a poisoned lock is as good as another.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A model. All methods take `&self`: it can be shared by threads, of which one trains at a time.
pub struct Model {
    graph: Graph,
    plan: Arc<Plan>,
    seed: u64,
    /// Where runs take place that name no device; without it, wherever the process says.
    backend: Option<Arc<dyn Backend>>,
    compiled: Mutex<Option<Arc<Compiled>>>,
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    /// The chain of the latest snapshot that was asked for one.
    #[cfg(feature = "python")]
    chain: Mutex<Option<(u64, Option<Arc<Chain>>)>>,
    pub(crate) predictors: Mutex<Vec<Settled>>,
    pub(crate) training: Mutex<()>,
    /// Epochs begun, which the order of the samples is drawn by.
    pub(crate) epochs: AtomicU64,
    /// Calls as in training, which noise is drawn by.
    calls: AtomicU64,
    choices: Choices,
}

impl Model {
    /// A model of built layers. `seed` decides dropout and the order of samples.
    pub fn new(graph: Graph, seed: u64) -> Result<Self> {
        Self::with(graph, seed, None)
    }

    /// A model on a backend of choice.
    pub fn on(graph: Graph, seed: u64, backend: Box<dyn Backend>) -> Result<Self> {
        Self::with(graph, seed, Some(backend.into()))
    }

    fn with(graph: Graph, seed: u64, backend: Option<Arc<dyn Backend>>) -> Result<Self> {
        let plan = Arc::new(graph.lower(seed)?);
        Ok(Model {
            graph,
            plan,
            seed,
            backend,
            compiled: Mutex::new(None),
            snapshot: Mutex::new(None),
            #[cfg(feature = "python")]
            chain: Mutex::new(None),
            predictors: Mutex::new(Vec::new()),
            training: Mutex::new(()),
            epochs: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            choices: Choices::default(),
        })
    }

    /// Compiles for a home.
    pub(crate) fn settle(&self, home: Home, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> Result<Settled> {
        let executor = self.backend_at(home)?.compile(plan, purpose, batch)?;
        Ok(Settled { home, executor: Some(executor) })
    }

    /// The backend of a home.
    fn backend_at(&self, home: Home) -> Result<Arc<dyn Backend>> {
        match (home.device, &self.backend) {
            (None, Some(own)) => Ok(own.clone()),
            (device, _) => device.unwrap_or(Device::Cpu).backend(),
        }
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }
    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
    /// The last axis of each output.
    pub(crate) fn output_columns(&self) -> Vec<usize> {
        self.plan.output_columns()
    }
    /// The shape of one sample of each output.
    pub fn output_shapes(&self) -> Vec<Vec<usize>> {
        self.plan.outputs.iter().map(|&t| self.plan.tensors[t].shape.clone()).collect()
    }

    /// Sets optimizer, losses and metrics. `config`: `{"outputs": [{"loss": …, "loss_weight": 1.0, "loss_key": …,
    /// "metrics": [{"name": …, "metric": …, "weighted": false}]}]}`, with an entry an output, where each loss and metric is
    /// a name or a class name with arguments; for one output that entry alone will do. Which layers are trainable is
    /// read now.
    pub fn compile(&self, optimizer: SharedOptimizer, config: &Value) -> Result<()> {
        let asked: Vec<Asked> = match config.get("outputs").and_then(Value::as_array) {
            Some(outputs) => outputs.iter().map(Asked::parse).collect::<Result<_>>()?,
            None => vec![Asked::parse(config)?],
        };
        if asked.len() != self.plan.outputs.len() {
            let expected = format!("{} losses, one an output", self.plan.outputs.len());
            return Err(Error::invalid("loss", expected, asked.len().to_string()));
        }
        if asked.iter().all(|a| a.loss.is_none()) {
            return Err(Error::invalid("loss", "a loss for an output at least", "none"));
        }
        let plan = Arc::new(self.graph.lower(self.seed)?);
        *lock(&self.compiled) =
            Some(Arc::new(Compiled { plan, optimizer, outputs: config.clone(), asked, trainer: Mutex::new(None) }));
        Ok(())
    }

    pub(crate) fn compiled(&self) -> Result<Arc<Compiled>> {
        let compiled = lock(&self.compiled).clone();
        compiled.ok_or_else(|| Error::State("model: expected it to be compiled, call compile(…) first".into()))
    }

    /// Numbers that the optimizer keeps for this model's variables.
    pub fn slot_count(&self) -> Result<usize> {
        let compiled = self.compiled()?;
        let count = lock(&compiled.optimizer).slot_count(&compiled.plan);
        Ok(count)
    }

    /// Epochs begun, and calls as in training: where the random streams stand.
    pub fn position(&self) -> (u64, u64) {
        (self.epochs.load(Ordering::Relaxed), self.calls.load(Ordering::Relaxed))
    }

    /// Continues from a position.
    pub fn set_position(&self, epochs: u64, calls: u64) {
        self.epochs.store(epochs, Ordering::Relaxed);
        self.calls.store(calls, Ordering::Relaxed);
    }

    /// Draws the number of the next epoch.
    pub(crate) fn next_epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed)
    }

    /// Draws the number of the next call as in training.
    pub(crate) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// The weights as they are, or, while somebody trains, as they were between two recent steps.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>> {
        // Held while a copy is made, so that readers who come meanwhile share it.
        let mut latest = lock(&self.snapshot);
        if let Some(snapshot) = latest.as_ref() {
            let training = self.plan.variables.iter().any(|v| v.is_training());
            if snapshot.is_current(&self.plan.variables) || (training && snapshot.is_recent()) {
                return Ok(snapshot.clone());
            }
        }
        let fresh = Arc::new(Snapshot::take(&self.plan.variables)?);
        *latest = Some(fresh.clone());
        Ok(fresh)
    }

    /// The chain that the model is, with the weights of [`Model::snapshot`].
    #[cfg(feature = "python")]
    pub(crate) fn chain(&self) -> Result<Option<Arc<Chain>>> {
        let weights = self.snapshot()?;
        let mut latest = lock(&self.chain);
        match latest.as_ref() {
            Some((id, chain)) if *id == weights.id() => Ok(chain.clone()),
            _ => {
                let chain = Chain::new(&self.plan, &weights, Level::current(), Storage::Whole)?.map(Arc::new);
                *latest = Some((weights.id(), chain.clone()));
                Ok(chain)
            }
        }
    }

    /// Makes the next reader look at the variables again.
    pub(crate) fn forget_snapshot(&self) {
        *lock(&self.snapshot) = None;
    }
}

/// A seed from a global seed and the number of a model.
pub fn seed_of(global: u64, number: u64) -> u64 {
    rng::mix(global ^ rng::mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}
