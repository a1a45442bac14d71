//! The façade: a graph of layers that is compiled, trained, evaluated and asked.

use crate::backend::{Backend, Device, Executor, Objective, Purpose};
use crate::data::{Array, Feed, Target, check_class_ids, check_finite};
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::losses::{LossSpec, Reduction, TargetKind};
use crate::metrics::MetricConfig;
use crate::optimizers::OptimizerState;
use crate::params::Snapshot;
use crate::plan::{Builder, Plan, TensorId};
use crate::rng;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Layers and how they are connected. Values are numbered: the inputs first, then one value a node.
pub struct Graph {
    /// Each layer with the values it reads.
    pub nodes: Vec<(Arc<Layer>, Vec<usize>)>,
    /// Shapes of one sample.
    pub input_shapes: Vec<Vec<usize>>,
    /// The values that come out.
    pub outputs: Vec<usize>,
}

impl Graph {
    /// Layers one after the other, built for this input.
    pub fn chain(layers: &[Arc<Layer>], input_shape: &[usize], seed: u64) -> Result<Self> {
        let mut shape: Vec<Option<usize>> = input_shape.iter().map(|&d| Some(d)).collect();
        for (i, layer) in layers.iter().enumerate() {
            layer.build(&shape, seed, &i.to_string())?;
            shape = layer.output_shape(&shape)?;
        }
        let nodes = layers.iter().enumerate().map(|(i, layer)| (layer.clone(), vec![i])).collect();
        Ok(Graph { nodes, input_shapes: vec![input_shape.to_vec()], outputs: vec![layers.len()] })
    }

    /// The plan; `seed` is the model's.
    pub fn lower(&self, seed: u64) -> Result<Plan> {
        let mut builder = Builder::new(seed);
        let inputs = self.input_shapes.iter().enumerate();
        let mut values: Vec<TensorId> = inputs.map(|(i, shape)| builder.input(i, shape)).collect();
        for (i, (layer, inputs)) in self.nodes.iter().enumerate() {
            let [input] = inputs[..] else {
                return Err(Error::invalid(layer.place(), "one input", format!("{}", inputs.len())));
            };
            let place = || Error::invalid(layer.place(), "an input made before it", format!("value {input}"));
            builder.set_path(i.to_string());
            let value = layer.lower(&mut builder, *values.get(input).ok_or_else(place)?)?;
            values.push(value);
        }
        let outputs: Option<Vec<TensorId>> = self.outputs.iter().map(|&o| values.get(o).copied()).collect();
        match outputs {
            Some(outputs) if outputs.len() == 1 => Ok(builder.finish(outputs)),
            _ => Err(Error::invalid("model", "one output that a layer makes", format!("{:?}", self.outputs))),
        }
    }
}

/// An optimizer that models and their users share.
pub type SharedOptimizer = Arc<Mutex<OptimizerState>>;

/// What `compile` was told.
pub struct Compiled {
    pub(crate) plan: Arc<Plan>,
    pub(crate) optimizer: SharedOptimizer,
    loss: LossSpec,
    metrics: Vec<MetricConfig>,
    /// The executor of the last training run, for the next one of the same kind: its buffers, and what it learned about
    /// the machine.
    pub(crate) trainer: Mutex<Option<Trainer>>,
}

/// Where an executor can be used again: on the same device (`None`: the model's own backend), in the same process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Home {
    device: Option<Device>,
    process: u32,
}

/// An executor and its home.
pub(crate) struct Settled {
    pub(crate) home: Home,
    /// Emptied on drop only.
    executor: Option<Box<dyn Executor>>,
}

impl Settled {
    /// The executor.
    pub(crate) fn get(&mut self) -> Result<&mut Box<dyn Executor>> {
        self.executor.as_mut().ok_or_else(|| Error::Internal("an executor was taken".into()))
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        // After a fork, what the parent opened cannot be closed.
        if self.home.process != std::process::id() && !matches!(self.home.device, Some(Device::Cpu)) {
            std::mem::forget(self.executor.take());
        }
    }
}

/// A training executor, and what it was made for.
pub(crate) struct Trainer {
    pub(crate) batch: usize,
    pub(crate) objective: Objective,
    pub(crate) executor: Settled,
}

impl Compiled {
    /// What the logs call the metrics.
    pub(crate) fn metric_names(&self) -> impl Iterator<Item = &str> {
        self.metrics.iter().map(|m| m.name.as_str())
    }
}

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
    pub(crate) predictors: Mutex<Vec<Settled>>,
    pub(crate) training: Mutex<()>,
    /// Epochs begun, which the order of the samples is drawn by.
    pub(crate) epochs: AtomicU64,
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
            predictors: Mutex::new(Vec::new()),
            training: Mutex::new(()),
            epochs: AtomicU64::new(0),
        })
    }

    /// Where a run takes place: on the device that it names, else on the model's own backend, else on the process's device.
    pub(crate) fn home(&self, device: Option<Device>) -> Result<Home> {
        let device = match (device, &self.backend) {
            (None, Some(_)) => None,
            (None, None) => Some(Device::current()?),
            (named, _) => named,
        };
        Ok(Home { device, process: std::process::id() })
    }

    /// Compiles for a home.
    pub(crate) fn settle(&self, home: Home, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> Result<Settled> {
        let executor = match (home.device, &self.backend) {
            (None, Some(own)) => own.compile(plan, purpose, batch)?,
            (device, _) => device.unwrap_or(Device::Cpu).backend()?.compile(plan, purpose, batch)?,
        };
        Ok(Settled { home, executor: Some(executor) })
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
    /// The shape of one sample of each output.
    pub fn output_shapes(&self) -> Vec<Vec<usize>> {
        self.plan.outputs.iter().map(|&t| self.plan.tensors[t].shape.clone()).collect()
    }

    /// Sets optimizer, loss and metrics. `config`: `{"loss": …, "metrics": [{"name": …, "metric": …}]}`, each object a
    /// name or a class name with arguments. Which layers are trainable is read now.
    pub fn compile(&self, optimizer: SharedOptimizer, config: &Value) -> Result<()> {
        let loss = LossSpec::parse(config.get("loss").unwrap_or(&Value::Null), "loss")?;
        if let LossSpec::Exact(exact) = &loss
            && exact.reduction == Reduction::None
        {
            return Err(Error::invalid("loss: reduction", "one that makes a number", "None"));
        }
        let metrics = config.get("metrics").and_then(Value::as_array).into_iter().flatten();
        let metrics = metrics.map(|m| {
            let mut metric = MetricConfig::parse(m.get("metric").unwrap_or(m), "metrics")?;
            if let Some(name) = m.get("name").and_then(Value::as_str) {
                metric.name = name.to_string();
            }
            Ok(metric)
        });
        let metrics = metrics.collect::<Result<_>>()?;
        let plan = Arc::new(self.graph.lower(self.seed)?);
        *lock(&self.compiled) = Some(Arc::new(Compiled { plan, optimizer, loss, metrics, trainer: Mutex::new(None) }));
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

    /// Draws the number of the next epoch.
    pub(crate) fn next_epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed)
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

    /// Makes the next reader look at the variables again.
    pub(crate) fn forget_snapshot(&self) {
        *lock(&self.snapshot) = None;
    }

    /// Checks inputs against the model.
    pub(crate) fn check_inputs(&self, x: &[Array]) -> Result<()> {
        if x.len() != self.graph.input_shapes.len() {
            let expected = format!("{} inputs", self.graph.input_shapes.len());
            return Err(Error::invalid("x", expected, x.len().to_string()));
        }
        for (array, shape) in x.iter().zip(&self.graph.input_shapes) {
            let sample = array.shape().get(1..).unwrap_or(&[]);
            // As Keras: a trailing axis of 1 may be missing or too many.
            let fits = sample == shape
                || shape.strip_suffix(&[1]) == Some(sample)
                || sample.strip_suffix(&[1]) == Some(&shape[..]);
            if array.shape().is_empty() || !fits {
                return Err(Error::invalid("x", format!("shape {}", with_batch(shape)), tuple(array.shape())));
            }
            if array.rows() == 0 {
                return Err(Error::invalid("x", "at least one sample", "none"));
            }
            if array.rows() != x[0].rows() || array.rows() >= u32::MAX as usize {
                let expected = format!("{} samples, fewer than 2³² − 1", x[0].rows());
                return Err(Error::invalid("x", expected, array.rows().to_string()));
            }
        }
        Ok(())
    }

    /// Checks data for training or evaluation, and settles what the automatic loss and metrics mean for it.
    pub(crate) fn check_data(
        &self,
        compiled: &Compiled,
        x: Vec<Array>,
        y: Array,
        weights: Option<Array>,
    ) -> Result<(Arc<Feed>, Objective)> {
        self.check_inputs(&x)?;
        let samples = x[0].rows();
        for (place, array) in [("y", Some(&y)), ("sample_weight", weights.as_ref())] {
            if let Some(array) = array
                && array.rows() != samples
            {
                return Err(Error::invalid(place, format!("{samples} samples, as x has"), array.rows().to_string()));
            }
        }
        if let Some(weights) = &weights {
            if weights.row_len() != 1 {
                return Err(Error::invalid("sample_weight", "one number a sample", tuple(weights.shape())));
            }
            check_finite(weights, "sample_weight")?;
        }
        let output = &compiled.plan.tensors[compiled.plan.outputs[0]];
        let (shape, columns) = (&output.shape, output.columns());
        let target_columns = (y.shape().len() == shape.len() + 1).then(|| y.shape()[shape.len()]);
        let objective = Objective {
            loss: compiled.loss.resolve(columns, target_columns),
            metrics: compiled.metrics.iter().map(|m| m.spec.resolve(columns, target_columns)).collect(),
        };
        let kind = objective.loss.loss.target_kind();
        for (metric, config) in objective.metrics.iter().zip(&compiled.metrics) {
            // With one column a class id and a number are the same thing.
            if metric.target_kind() != kind && columns != 1 {
                let expected = format!("a metric of {} targets, like the loss", name_of(kind));
                return Err(Error::invalid("metrics", expected, format!("'{}'", config.name)));
            }
        }
        let sample = &y.shape()[1..];
        let target = match kind {
            TargetKind::Class => {
                let rows = &shape[..shape.len() - 1];
                if sample != rows && sample.strip_suffix(&[1]) != Some(rows) {
                    let expected = format!("class ids of shape {}", with_batch(rows));
                    return Err(Error::invalid("y", expected, tuple(y.shape())));
                }
                check_class_ids(&y, columns, objective.loss.loss.ignored_class())?;
                Target::Class(y)
            }
            TargetKind::Dense => {
                if sample != shape && shape.strip_suffix(&[1]) != Some(sample) {
                    let expected = format!("shape {}, as the output", with_batch(shape));
                    return Err(Error::invalid("y", expected, tuple(y.shape())));
                }
                check_finite(&y, "y")?;
                Target::Dense(y)
            }
        };
        Ok((Arc::new(Feed { inputs: x, target: Some(target), weights }), objective))
    }
}

fn name_of(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Class => "class-id",
        TargetKind::Dense => "dense",
    }
}

/// A shape as Python writes it.
pub(crate) fn tuple(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The shape of a batch of samples, as Python writes it.
fn with_batch(shape: &[usize]) -> String {
    let sizes: String = shape.iter().map(|d| format!(", {d}")).collect();
    if shape.is_empty() { "(None,)".into() } else { format!("(None{sizes})") }
}

/// A seed from a global seed and the number of a model.
pub fn seed_of(global: u64, number: u64) -> u64 {
    rng::mix(global ^ rng::mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}
