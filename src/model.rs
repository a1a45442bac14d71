//! The façade: a graph of layers that is compiled, trained, evaluated and asked.

use crate::backend::{Backend, Device, Executor, Measure, Objective, Purpose, Totals};
use crate::data::{Array, Feed, Target, check_class_ids, check_finite, check_ids};
use crate::error::{Error, Result};
use crate::layers::{Layer, Shape};
use crate::losses::{LossSpec, Reduction, TargetKind};
use crate::metrics::MetricConfig;
use crate::optimizers::OptimizerState;
use crate::params::Snapshot;
use crate::plan::{Builder, Kind, Plan, TensorId};
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
        let nodes = layers.iter().enumerate().map(|(i, layer)| (layer.clone(), vec![i])).collect();
        let graph = Graph { nodes, input_shapes: vec![input_shape.to_vec()], outputs: vec![layers.len()] };
        graph.build(seed)?;
        Ok(graph)
    }

    /// Builds the layers that are not built yet. A layer's random streams are named by its first place in the graph.
    pub fn build(&self, seed: u64) -> Result<()> {
        let known = |shape: &Vec<usize>| shape.iter().map(|&d| Some(d)).collect();
        let mut shapes: Vec<Shape> = self.input_shapes.iter().map(known).collect();
        for (i, (layer, inputs)) in self.nodes.iter().enumerate() {
            let inputs = pick(&shapes, layer, inputs)?;
            layer.build(&inputs, seed, &i.to_string())?;
            shapes.push(layer.output_shape(&inputs)?);
        }
        Ok(())
    }

    /// The plan; `seed` is the model's.
    pub fn lower(&self, seed: u64) -> Result<Plan> {
        self.lower_into(Builder::new(seed))
    }

    /// The same with gradients by the inputs.
    pub fn lower_with_input_gradients(&self, seed: u64) -> Result<Plan> {
        self.lower_into(Builder::new(seed).with_input_gradients())
    }

    fn lower_into(&self, mut builder: Builder) -> Result<Plan> {
        let inputs = self.input_shapes.iter().enumerate();
        let mut values: Vec<TensorId> = inputs.map(|(i, shape)| builder.input(i, shape)).collect();
        for (i, (layer, inputs)) in self.nodes.iter().enumerate() {
            let inputs = pick(&values, layer, inputs)?;
            builder.set_path(i.to_string());
            let value = layer.lower(&mut builder, &inputs)?;
            values.push(value);
        }
        let outputs: Option<Vec<TensorId>> = self.outputs.iter().map(|&o| values.get(o).copied()).collect();
        match outputs {
            Some(outputs) if !outputs.is_empty() => Ok(builder.finish(outputs)),
            _ => Err(Error::invalid("model", "outputs that layers make", format!("{:?}", self.outputs))),
        }
    }
}

/// What a node reads of what was made before it.
fn pick<T: Clone>(values: &[T], layer: &Layer, inputs: &[usize]) -> Result<Vec<T>> {
    let picked: Option<Vec<T>> = inputs.iter().map(|&i| values.get(i).cloned()).collect();
    let made = || Error::invalid(layer.place(), "inputs made before it", format!("values {inputs:?}"));
    picked.filter(|picked| !picked.is_empty()).ok_or_else(made)
}

/// An optimizer that models and their users share.
pub type SharedOptimizer = Arc<Mutex<OptimizerState>>;

/// What `compile` was told.
pub struct Compiled {
    pub(crate) plan: Arc<Plan>,
    pub(crate) optimizer: SharedOptimizer,
    /// One an output.
    asked: Vec<Asked>,
    /// The executor of the last training run, for the next one of the same kind: its buffers, and what it learned about
    /// the machine.
    pub(crate) trainer: Mutex<Option<Trainer>>,
}

/// What `compile` was told about one output. What it means exactly, the data decide.
struct Asked {
    loss: Option<LossSpec>,
    weight: f64,
    /// What the logs call the output's own loss; `None` where they do not name it.
    loss_key: Option<String>,
    metrics: Vec<(MetricConfig, bool)>,
}

impl Asked {
    fn parse(value: &Value) -> Result<Self> {
        let loss = value.get("loss").filter(|loss| !loss.is_null());
        let loss = loss.map(|loss| LossSpec::parse(loss, "loss")).transpose()?;
        if let Some(LossSpec::Exact(exact)) = &loss
            && exact.reduction == Reduction::None
        {
            return Err(Error::invalid("loss: reduction", "one that makes a number", "None"));
        }
        let weight = value.get("loss_weight").filter(|w| !w.is_null());
        let weight = weight.map_or(Some(1.0), Value::as_f64).filter(|w| w.is_finite());
        let weight = weight.ok_or_else(|| Error::wrong_type("loss_weights", "finite numbers", value.to_string()))?;
        let metrics = value.get("metrics").and_then(Value::as_array).into_iter().flatten();
        let metrics = metrics.map(|m| {
            let mut metric = MetricConfig::parse(m.get("metric").unwrap_or(m), "metrics")?;
            if let Some(name) = m.get("metric").and(m.get("name")).and_then(Value::as_str) {
                metric.name = name.to_string();
            }
            Ok((metric, m.get("weighted").and_then(Value::as_bool).unwrap_or(false)))
        });
        let loss_key = value.get("loss_key").and_then(Value::as_str).map(str::to_string);
        Ok(Asked { loss, weight, loss_key, metrics: metrics.collect::<Result<_>>()? })
    }

    /// What it means for an output of so many columns and a target of so many.
    fn resolve(&self, output_columns: usize, target_columns: Option<usize>) -> Objective {
        let measure = |(config, weighted): &(MetricConfig, bool)| Measure {
            metric: config.spec.resolve(output_columns, target_columns),
            weighted: *weighted,
        };
        Objective {
            loss: self.loss.as_ref().map(|loss| loss.resolve(output_columns, target_columns)),
            weight: self.weight,
            metrics: self.metrics.iter().map(measure).collect(),
        }
    }
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
    pub(crate) objectives: Vec<Objective>,
    pub(crate) executor: Settled,
}

impl Compiled {
    /// The logs that sums amount to.
    pub(crate) fn logs(&self, objectives: &[Objective], totals: &Totals) -> Vec<(String, f64)> {
        let mean = |sum: f64| if totals.samples > 0.0 { sum / totals.samples } else { 0.0 };
        let mut logs = vec![("loss".to_string(), mean(totals.loss))];
        let mut states = totals.metrics.iter();
        for ((asked, objective), loss) in self.asked.iter().zip(objectives).zip(&totals.losses) {
            logs.extend(asked.loss_key.iter().map(|key| (key.clone(), mean(*loss))));
            for ((config, _), measure) in asked.metrics.iter().zip(&objective.metrics) {
                let state = states.next().map_or(&[][..], Vec::as_slice);
                logs.push((config.name.clone(), measure.metric.result(state)));
            }
        }
        logs
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
    /// Calls as in training, which noise is drawn by.
    calls: AtomicU64,
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
            calls: AtomicU64::new(0),
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
    /// The last axis of each output.
    pub(crate) fn output_columns(&self) -> Vec<usize> {
        self.plan.outputs.iter().map(|&t| self.plan.tensors[t].columns()).collect()
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
        *lock(&self.compiled) = Some(Arc::new(Compiled { plan, optimizer, asked, trainer: Mutex::new(None) }));
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
        // What an embedding looks up, where it comes straight from an input.
        for stage in &self.plan.stages {
            let Some(source) = self.plan.tensors[stage.input()].source else { continue };
            let Kind::Embedding { table } = stage.kind else { continue };
            let rows = self.plan.variables[table].layout().rows;
            check_ids(&x[source], rows, &format!("Embedding '{}'", stage.layer))?;
        }
        Ok(())
    }

    /// Checks data for training or evaluation, and settles what the automatic losses and metrics mean for it. `y` and
    /// `weights` hold an entry an output; `weights` may be empty.
    pub(crate) fn check_data(&self, compiled: &Compiled, data: Samples) -> Result<(Arc<Feed>, Vec<Objective>)> {
        let Samples { x, y, mut weights } = data;
        self.check_inputs(&x)?;
        let (outputs, samples) = (compiled.asked.len(), x[0].rows());
        weights.resize(if weights.is_empty() { outputs } else { weights.len() }, None);
        for (place, count) in [("y", y.len()), ("sample_weight", weights.len())] {
            if count != outputs {
                return Err(Error::invalid(place, format!("{outputs} arrays, one an output"), count.to_string()));
            }
        }
        let place = |name: &str, i: usize| if outputs == 1 { name.to_string() } else { format!("{name}[{i}]") };
        let (mut targets, mut objectives) = (Vec::new(), Vec::new());
        for (i, ((asked, y), weights)) in compiled.asked.iter().zip(y).zip(&weights).enumerate() {
            if let Some(weights) = weights {
                check_weights(weights, samples, &place("sample_weight", i))?;
            }
            let output = &compiled.plan.tensors[compiled.plan.outputs[i]];
            let rank = output.shape.len();
            let target_columns = y.as_ref().and_then(|y| (y.shape().len() == rank + 1).then(|| y.shape()[rank]));
            let objective = asked.resolve(output.columns(), target_columns);
            targets.push(check_target(&objective, asked, &output.shape, y, samples, &place("y", i))?);
            objectives.push(objective);
        }
        Ok((Arc::new(Feed { inputs: x, targets, weights }), objectives))
    }
}

/// What a run is given: inputs, and an entry an output of targets and weights.
#[derive(Default)]
pub struct Samples {
    /// The model's inputs.
    pub x: Vec<Array>,
    /// A target for each output that has a loss or a metric.
    pub y: Vec<Option<Array>>,
    /// Weights of the samples; empty where no output has any.
    pub weights: Vec<Option<Array>>,
}

impl Samples {
    /// One input, one output, no weights.
    pub fn of(x: Array, y: Array) -> Self {
        Samples { x: vec![x], y: vec![Some(y)], weights: Vec::new() }
    }
}

fn check_weights(weights: &Array, samples: usize, place: &str) -> Result<()> {
    if weights.rows() != samples {
        return Err(Error::invalid(place, format!("{samples} samples, as x has"), weights.rows().to_string()));
    }
    if weights.row_len() != 1 {
        return Err(Error::invalid(place, "one number a sample", tuple(weights.shape())));
    }
    check_finite(weights, place)
}

/// Checks the target of an output of this shape.
fn check_target(
    objective: &Objective,
    asked: &Asked,
    shape: &[usize],
    y: Option<Array>,
    samples: usize,
    place: &str,
) -> Result<Option<Target>> {
    let Some(kind) = objective.target_kind() else { return Ok(None) };
    let Some(y) = y else { return Err(Error::invalid(place, "a target for the loss and the metrics", "None")) };
    if y.rows() != samples {
        return Err(Error::invalid(place, format!("{samples} samples, as x has"), y.rows().to_string()));
    }
    let columns = shape.last().copied().unwrap_or(1);
    objective.loss.as_ref().map_or(Ok(()), |l| l.loss.check(columns))?;
    for (measure, (config, _)) in objective.metrics.iter().zip(&asked.metrics) {
        measure.metric.check(columns)?;
        // With one column a class id and a number are the same thing.
        if measure.metric.target_kind() != kind && columns != 1 {
            let expected = format!("a metric of {} targets, like the loss", name_of(kind));
            return Err(Error::invalid("metrics", expected, format!("'{}'", config.name)));
        }
    }
    let sample = &y.shape()[1..];
    match kind {
        TargetKind::Class => {
            let rows = &shape[..shape.len().saturating_sub(1)];
            if sample != rows && sample.strip_suffix(&[1]) != Some(rows) {
                let expected = format!("class ids of shape {}", with_batch(rows));
                return Err(Error::invalid(place, expected, tuple(y.shape())));
            }
            check_class_ids(&y, columns, objective.ignored_class(), place)?;
            Ok(Some(Target::Class(y)))
        }
        TargetKind::Dense => {
            if sample != shape && shape.strip_suffix(&[1]) != Some(sample) {
                let expected = format!("shape {}, as the output", with_batch(shape));
                return Err(Error::invalid(place, expected, tuple(y.shape())));
            }
            check_finite(&y, place)?;
            Ok(Some(Target::Dense(y)))
        }
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
