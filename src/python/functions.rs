//! Functions of the module: formulas on arrays, names, seeds, threads.

use super::arrays::{array_of, borrow, numbers};
use super::error::{detached, guarded};
use crate::activations::Activation;
use crate::backend::cpu::pool::fault;
use crate::backend::cpu::simd::Level;
use crate::backend::cpu::{self, CpuBackend};
use crate::backend::{Device, WGPU};
use crate::config;
use crate::constraints::Constraint;
use crate::data::Array;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::layers::Layer;
use crate::losses::{Loss, LossConfig, Target, TargetKind};
use crate::metrics::{Metric, MetricSpec};
use crate::model::{Graph, Model, lock, seed_of, tuple};
use crate::optimizers::OptimizerConfig;
use crate::regularizers::Regularizer;
use crate::rng::{Stream, entropy};
use numpy::{PyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A configuration that may also be a bare name.
pub fn named(text: &str, place: &str) -> Result<Value> {
    config::parse(text, place).or_else(|_| Ok(Value::String(text.to_string())))
}

/// An activation along the last axis.
#[pyfunction]
pub fn activation<'py>(
    py: Python<'py>,
    config: &str,
    x: &Bound<PyUntypedArray>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let values = numbers(x, "x")?;
    let (shape, columns) = (x.shape().to_vec(), x.shape().last().copied().unwrap_or(1));
    let rows = values.len().checked_div(columns).unwrap_or(0);
    let (values, columns) = detached(py, || {
        let form = json!({"class_name": "Activation", "config": {"activation": named(config, "activation")?}});
        let layer = Arc::new(Layer::from_value(&form)?);
        // On the CPU, whatever the device: a formula on an array is no run.
        let graph = Graph::chain(&[layer], &[columns], 0)?;
        let model = Arc::new(Model::on(graph, 0, Box::new(CpuBackend::default()))?);
        let columns = model.output_shapes()[0][0];
        if rows == 0 {
            return Ok((Vec::new(), columns));
        }
        Ok((model.predict(vec![Array::new(values, &[rows, columns_of(&shape)])?])?, columns))
    })?;
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = columns;
    }
    array_of(py, values, &shape)
}

fn columns_of(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

/// Calls `value(target, p)` for each row of predictions, along the last axis.
fn each_row<'py>(
    py: Python<'py>,
    y_true: &Bound<PyUntypedArray>,
    y_pred: &Bound<PyUntypedArray>,
    kind: TargetKind,
    value: impl Fn(Target<f64>, &[f64]) -> f64 + Send + Sync,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let rows = y_pred.ndim().saturating_sub(1);
    collect(py, y_true, y_pred, kind, rows, |target, p, out| out.push(value(target, p) as f32))
}

/// Calls `row(target, p, out)` for each row of predictions, along the last axis; what it pushes has the shape of the
/// predictions, up to `axes`.
fn collect<'py>(
    py: Python<'py>,
    y_true: &Bound<PyUntypedArray>,
    y_pred: &Bound<PyUntypedArray>,
    kind: TargetKind,
    axes: usize,
    row: impl Fn(Target<f64>, &[f64], &mut Vec<f32>) + Send + Sync,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let (y, p) = (borrow(y_true, "y_true")?, borrow(y_pred, "y_pred")?);
    let shape = p.shape().to_vec();
    let Some((&columns, rows_shape)) = shape.split_last() else {
        return Err(Error::invalid("y_pred", "at least one axis", "a scalar").into());
    };
    let wanted = match kind {
        TargetKind::Dense => &shape[..],
        TargetKind::Class => rows_shape,
    };
    let count = |s: &[usize]| s.iter().product::<usize>();
    if count(y.shape()) != count(wanted) {
        let expected = format!("as many values as shape {}", tuple(wanted));
        return Err(Error::invalid("y_true", expected, format!("shape {}", tuple(y.shape()))).into());
    }
    let values = detached(py, || {
        let flat = |a: &Array| {
            let (mut row, mut all) = (Vec::new(), Vec::new());
            if a.shape().is_empty() {
                return all;
            }
            for i in 0..a.rows() {
                a.read_row(i, &mut row);
                all.extend_from_slice(&row);
            }
            all
        };
        let (y, p) = (flat(&y), flat(&p));
        let mut out = Vec::new();
        for (i, p) in p.chunks_exact(columns.max(1)).enumerate() {
            let target = match kind {
                TargetKind::Dense => Target::Dense(&y[i * columns..(i + 1) * columns]),
                TargetKind::Class => Target::Class(y[i]),
            };
            row(target, p, &mut out);
        }
        Ok(out)
    })?;
    array_of(py, values, &shape[..axes])
}

/// The loss that `config` describes, for predictions of these columns.
fn loss_of(config: &str, y_pred: &Bound<PyUntypedArray>) -> PyResult<Loss> {
    Ok(guarded(|| {
        let loss = LossConfig::parse(&named(config, "loss")?, "loss")?.loss;
        loss.check(columns_of(y_pred.shape()))?;
        Ok(loss)
    })?)
}

/// The loss of each row.
#[pyfunction]
pub fn loss_values<'py>(
    py: Python<'py>,
    config: &str,
    y_true: &Bound<PyUntypedArray>,
    y_pred: &Bound<PyUntypedArray>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let loss = loss_of(config, y_pred)?;
    each_row(py, y_true, y_pred, loss.target_kind(), |target, p| loss.plain(target, p, None))
}

/// The derivative of each row's loss by the row's predictions.
#[pyfunction]
pub fn loss_gradient<'py>(
    py: Python<'py>,
    config: &str,
    y_true: &Bound<PyUntypedArray>,
    y_pred: &Bound<PyUntypedArray>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let loss = loss_of(config, y_pred)?;
    collect(py, y_true, y_pred, loss.target_kind(), y_pred.ndim(), |target, p, out| {
        let mut gradient = vec![0.0; p.len()];
        loss.plain(target, p, Some(&mut gradient));
        out.extend(gradient.into_iter().map(|slope| slope as f32));
    })
}

/// The metric of each row.
#[pyfunction]
pub fn metric_values<'py>(
    py: Python<'py>,
    config: &str,
    y_true: &Bound<PyUntypedArray>,
    y_pred: &Bound<PyUntypedArray>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let spec = guarded(|| MetricSpec::parse(&named(config, "metric")?, "metric"))?;
    let target_columns = (y_true.ndim() == y_pred.ndim()).then(|| columns_of(y_true.shape()));
    let metric = spec.resolve(columns_of(y_pred.shape()), target_columns);
    each_row(py, y_true, y_pred, metric.target_kind(), |target, p| metric.row(target, p))
}

/// One array from an initializer.
#[pyfunction]
pub fn initialize<'py>(
    py: Python<'py>,
    config: &str,
    shape: Vec<usize>,
    seed: u64,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let values = detached(py, || {
        let initializer = Initializer::parse(&named(config, "initializer")?, "initializer")?;
        let count = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let out_of_memory = || Error::OutOfMemory { place: "initializer".into(), bytes: count.unwrap_or(usize::MAX) };
        let mut values = Vec::new();
        values.try_reserve_exact(count.unwrap_or(usize::MAX)).map_err(|_| out_of_memory())?;
        values.resize(count.unwrap_or(0), 0.0);
        let mut sequence = Stream::new(initializer.seed().unwrap_or(seed), "initializer").sequence(0);
        initializer.fill(&shape, &mut values, &mut || sequence.uniform())?;
        Ok(values)
    })?;
    array_of(py, values, &shape)
}

/// Every name of a kind.
#[pyfunction]
pub fn names(kind: &str) -> PyResult<Vec<String>> {
    let names = match kind {
        "layers" => Layer::names().to_vec(),
        "activations" => Activation::names(),
        "losses" => Loss::names(),
        "metrics" => Metric::names(),
        "optimizers" => OptimizerConfig::names(),
        "initializers" => Initializer::names(),
        "regularizers" => Regularizer::names(),
        "constraints" => Constraint::names(),
        other => {
            let known = [
                "layers",
                "activations",
                "losses",
                "metrics",
                "optimizers",
                "initializers",
                "regularizers",
                "constraints",
            ];
            return Err(Error::unknown("kind", other, &known).into());
        }
    };
    Ok(names.into_iter().map(str::to_string).collect())
}

/// Whether the GPU backend can do what a configuration asks for: a layer, a loss, a metric, an optimizer or an activation.
#[pyfunction]
pub fn runs_on_gpu(kind: &str, config: &str) -> PyResult<bool> {
    let runs = guarded(|| {
        let value = named(config, kind)?;
        Ok(match kind {
            "layers" => layer_runs_on_gpu(&value)?,
            "losses" => LossConfig::parse(&value, "loss").map(|_| true)?,
            "metrics" => MetricSpec::parse(&value, "metric").map(|_| true)?,
            "optimizers" => OptimizerConfig::parse(&value).map(|_| true)?,
            "activations" => Activation::parse(&value, "activation").map(|_| true)?,
            other => return Err(Error::unknown("kind", other, &["layers", "losses", "metrics", "optimizers"])),
        })
    })?;
    Ok(runs)
}

/// Lowers a layer for the first inputs that it takes, and asks for each of its stages. Pairs come first: a merge of one
/// input is the identity.
fn layer_runs_on_gpu(value: &Value) -> Result<bool> {
    let one: [&[usize]; 4] = [&[4], &[3, 4], &[1], &[2, 3, 4]];
    let inputs = [2, 1].into_iter().flat_map(|count| one.iter().map(move |shape| vec![shape.to_vec(); count]));
    let mut refused = None;
    for shapes in inputs {
        let layer = Arc::new(Layer::from_value(value)?);
        let nodes = vec![(layer, (0..shapes.len()).collect())];
        let outputs = vec![shapes.len()];
        let graph = Graph { nodes, input_shapes: shapes, outputs };
        match graph.build(0).and_then(|()| graph.lower(0)) {
            Ok(plan) => return Ok(plan.refused_on_gpu().is_none()),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| Error::Internal("no shape was tried".into())))
}

/// The seed that was set, and how many models have been seeded from it.
static SEEDS: Mutex<Option<(u64, u64)>> = Mutex::new(None);

/// Makes the seeds of the models to come reproducible.
#[pyfunction]
pub fn set_random_seed(seed: u64) {
    *lock(&SEEDS) = Some((seed, 0));
}

/// The seed of the next model.
#[pyfunction]
pub fn next_seed() -> u64 {
    match &mut *lock(&SEEDS) {
        Some((seed, number)) => {
            *number += 1;
            seed_of(*seed, *number)
        }
        None => entropy(),
    }
}

/// Threads in a region.
#[pyfunction]
pub fn num_threads() -> usize {
    cpu::num_threads()
}

/// Sets the number of threads; None is the default.
#[pyfunction]
#[pyo3(signature = (count))]
pub fn set_num_threads(count: Option<usize>) -> PyResult<()> {
    if count == Some(0) || count.is_some_and(|n| n > 1024) {
        return Err(Error::invalid("count", "a number of threads from 1 to 1024, or None", format!("{count:?}")).into());
    }
    cpu::set_num_threads(count);
    Ok(())
}

/// Every device with its name; looks for adapters.
#[pyfunction]
pub fn devices(py: Python) -> PyResult<Vec<(String, String)>> {
    let all = detached(py, || Ok(Device::all()))?;
    Ok(all.into_iter().map(|(device, name)| (device.to_string(), name)).collect())
}

/// What is known of each GPU: name, kind, interface, driver, limits, features.
#[pyfunction]
pub fn adapters(py: Python) -> PyResult<Vec<Bound<PyDict>>> {
    let all = detached(py, || Ok(Device::adapters()))?;
    let described = all.into_iter().enumerate().map(|(i, adapter)| {
        let dict = PyDict::new(py);
        dict.set_item("device", Device::Gpu(i).to_string())?;
        for (key, value) in [("name", adapter.name.as_str()), ("type", adapter.kind), ("interface", &adapter.interface)]
        {
            dict.set_item(key, value)?;
        }
        dict.set_item("driver", adapter.driver)?;
        dict.set_item("limits", adapter.limits.into_py_dict(py)?)?;
        dict.set_item("features", adapter.features.into_py_dict(py)?)?;
        Ok(dict)
    });
    described.collect()
}

/// The version of wgpu, or None in a build without GPUs.
#[pyfunction]
pub fn wgpu_version() -> Option<&'static str> {
    WGPU
}

/// Dispatches and submissions so far on GPU number `index`, of everybody in this process: what a benchmark counts.
#[pyfunction]
pub fn gpu_counters(py: Python, index: usize) -> PyResult<(u64, u64)> {
    detached(py, || counters(index))
}

#[cfg(feature = "gpu")]
fn counters(index: usize) -> Result<(u64, u64)> {
    let found = crate::backend::gpu::GpuBackend::open(index)?.counters();
    Ok((found.dispatches, found.submissions))
}

#[cfg(not(feature = "gpu"))]
fn counters(index: usize) -> Result<(u64, u64)> {
    Device::Gpu(index).backend().map(|_| (0, 0))
}

/// The device of runs that name none.
#[pyfunction]
pub fn device() -> PyResult<String> {
    Ok(Device::current()?.to_string())
}

/// Sets it; None goes back to the environment's.
#[pyfunction]
#[pyo3(signature = (name))]
pub fn set_device(py: Python, name: Option<&str>) -> PyResult<()> {
    detached(py, || Device::set_current(name.map(|name| Device::parse(name, "device")).transpose()?))
}

/// The kernels in use.
#[pyfunction]
pub fn cpu_level() -> String {
    Level::current().to_string()
}

/// For the tests: the next visit to a site panics, once.
#[pyfunction(name = "_inject_panic")]
pub fn inject_panic(site: &str) -> PyResult<()> {
    match site {
        "caller" => fault::inject(fault::CALLER),
        "worker" => fault::inject(fault::WORKER),
        other => return Err(Error::unknown("site", other, &["caller", "worker"]).into()),
    }
    Ok(())
}
