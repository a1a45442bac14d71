//! `Optimizer` and `Model`.

use super::arrays::{array_of, borrow};
use super::error::{detached, guarded};
use super::layer::{Layer, Variable};
use super::optimizer::Optimizer;
use super::session::{Run, Session};
use crate::backend::Device;
use crate::config;
use crate::data::Array;
use crate::error::Result;
use crate::gradients::Gradients;
use crate::infer::{Evaluation, Prediction};
use crate::io::describe;
use crate::model::{self, Graph, Samples, Task};
use crate::train::{Fit, Schedule};
use numpy::{PyArrayDyn, PyUntypedArray};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::Arc;
use std::time::Duration;

pub(super) type Arrays<'py> = Vec<Bound<'py, PyUntypedArray>>;
pub(super) type OptionalArrays<'py> = Vec<Option<Bound<'py, PyUntypedArray>>>;
type GradientArrays<'py> =
    (Bound<'py, PyDict>, Vec<Option<Bound<'py, PyArrayDyn<f32>>>>, Vec<Option<Bound<'py, PyArrayDyn<f32>>>>);

/// Bytes by the names of parts.
type Parts = Vec<(&'static str, u64)>;

/// Borrows arrays; where there are several, an error says which.
pub(super) fn borrow_all(arrays: &[Bound<PyUntypedArray>], name: &str) -> PyResult<Vec<Array>> {
    let place = |i: usize| if arrays.len() == 1 { name.to_string() } else { format!("{name}[{i}]") };
    arrays.iter().enumerate().map(|(i, array)| borrow(array, &place(i))).collect()
}

fn borrow_some(arrays: &[Option<Bound<PyUntypedArray>>], name: &str) -> PyResult<Vec<Option<Array>>> {
    let place = |i: usize| if arrays.len() == 1 { name.to_string() } else { format!("{name}[{i}]") };
    let arrays = arrays.iter().enumerate();
    arrays.map(|(i, array)| array.as_ref().map(|array| borrow(array, &place(i))).transpose()).collect()
}

pub(super) fn samples(
    x: &[Bound<PyUntypedArray>],
    y: &[Option<Bound<PyUntypedArray>>],
    weights: Option<&[Option<Bound<PyUntypedArray>>]>,
) -> PyResult<Samples> {
    let weights = borrow_some(weights.unwrap_or(&[]), "sample_weight")?;
    Ok(Samples { x: borrow_all(x, "x")?, y: borrow_some(y, "y")?, weights })
}

/// The device of a name, if one is given.
fn device_of(name: Option<&str>) -> Result<Option<Device>> {
    name.map(|name| Device::parse(name, "device")).transpose()
}

/// A graph of layers.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Model(pub(super) Arc<model::Model>);

#[pymethods]
impl Model {
    #[new]
    fn new(
        nodes: Vec<(PyRef<Layer>, Vec<usize>)>,
        input_shapes: Vec<Vec<usize>>,
        outputs: Vec<usize>,
        seed: u64,
    ) -> PyResult<Self> {
        let nodes = nodes.into_iter().map(|(layer, inputs)| (layer.0.clone(), inputs)).collect();
        let graph = Graph { nodes, input_shapes, outputs };
        Ok(Model(Arc::new(guarded(|| model::Model::new(graph, seed))?)))
    }
    #[getter]
    fn output_shapes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        self.0.output_shapes().into_iter().map(|shape| PyTuple::new(py, shape)).collect()
    }
    fn compile(&self, optimizer: &Optimizer, config: &str) -> PyResult<()> {
        Ok(guarded(|| self.0.compile(optimizer.state.clone(), &config::parse(config, "compile")?))?)
    }
    #[pyo3(signature = (x, y, sample_weight, batch_size, steps, shuffle, device=None))]
    fn fit_session(
        &self,
        py: Python,
        x: Arrays,
        y: OptionalArrays,
        sample_weight: Option<OptionalArrays>,
        batch_size: usize,
        steps: Option<usize>,
        shuffle: bool,
        device: Option<&str>,
    ) -> PyResult<Session> {
        let (device, data) = (device_of(device)?, samples(&x, &y, sample_weight.as_deref())?);
        let schedule = Schedule { batch: batch_size, steps, shuffle };
        Ok(Session::new(Run::Fit(Box::new(detached(py, || Fit::new(&self.0, data, schedule, device))?))))
    }
    #[pyo3(signature = (x, y, sample_weight, batch_size, steps, device=None))]
    fn evaluate_session(
        &self,
        py: Python,
        x: Arrays,
        y: OptionalArrays,
        sample_weight: Option<OptionalArrays>,
        batch_size: usize,
        steps: Option<usize>,
        device: Option<&str>,
    ) -> PyResult<Session> {
        let (device, data) = (device_of(device)?, samples(&x, &y, sample_weight.as_deref())?);
        let schedule = Schedule { batch: batch_size, steps, shuffle: false };
        Ok(Session::new(Run::Evaluation(detached(py, || Evaluation::new(&self.0, data, schedule, device))?)))
    }
    #[pyo3(signature = (x, batch_size, steps, device=None))]
    fn predict_session(
        &self,
        py: Python,
        x: Arrays,
        batch_size: usize,
        steps: Option<usize>,
        device: Option<&str>,
    ) -> PyResult<Session> {
        let (device, x) = (device_of(device)?, borrow_all(&x, "x")?);
        let (prediction, limit) = detached(py, || {
            let prediction = Prediction::new(&self.0, x, device)?;
            let schedule = Schedule { batch: batch_size, steps, shuffle: false };
            let limit = (schedule.steps(prediction.rows())? * batch_size).min(prediction.rows());
            Ok((prediction, limit))
        })?;
        let shapes = self.0.output_shapes();
        Ok(Session::new(Run::prediction(prediction, shapes, batch_size, limit)?))
    }
    /// The outputs for arrays. `training`: as a training step computes them, with noise, and with the statistics of the
    /// batch, which then move the moving ones.
    #[pyo3(signature = (x, training=false))]
    fn predict<'py>(&self, py: Python<'py>, x: Arrays, training: bool) -> PyResult<Vec<Bound<'py, PyArrayDyn<f32>>>> {
        let x = borrow_all(&x, "x")?;
        let rows = x.first().map_or(0, Array::rows);
        let out = if training {
            detached(py, || self.0.call_in_training(x))?
        } else {
            let mut prediction = detached(py, || Prediction::new(&self.0, x, None))?;
            let mut out = prediction.results()?;
            while prediction.done() < prediction.rows() {
                detached(py, || prediction.run(&mut out, usize::MAX, Duration::from_millis(50)))?;
                py.check_signals()?;
            }
            out
        };
        let shapes = self.0.output_shapes().into_iter();
        out.into_iter().zip(shapes).map(|(out, shape)| array_of(py, out, &[&[rows], &shape[..]].concat())).collect()
    }
    /// The outputs for one array of a few samples; `None` where that takes more than a look at the weights.
    fn predict_rows<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyUntypedArray>,
    ) -> PyResult<Option<Bound<'py, PyArrayDyn<f32>>>> {
        let Ok(x) = borrow(x, "x") else { return Ok(None) };
        let rows = x.rows();
        let Some(out) = guarded(|| self.0.predict_rows(&x))? else { return Ok(None) };
        let shape = [&[rows], &self.0.output_shapes()[0][..]].concat();
        array_of(py, out, &shape).map(Some)
    }
    /// Loss and metrics of one batch, the gradients of the trained variables (None for the others) in the order of
    /// `variables`, and those of the inputs.
    fn gradients<'py>(
        &self,
        py: Python<'py>,
        x: Arrays,
        y: OptionalArrays,
        sample_weight: Option<OptionalArrays>,
    ) -> PyResult<GradientArrays<'py>> {
        let data = samples(&x, &y, sample_weight.as_deref())?;
        let Gradients { logs, variables, inputs } = detached(py, || self.0.gradients(data))?;
        let array = |(values, shape): (Vec<f32>, Vec<usize>)| array_of(py, values, &shape);
        let variables = variables.into_iter().map(|v| v.map(array).transpose()).collect::<PyResult<_>>()?;
        let inputs = inputs.into_iter().map(|input| input.map(array).transpose()).collect::<PyResult<_>>()?;
        let dict = PyDict::new(py);
        for (name, value) in logs {
            dict.set_item(name, value)?;
        }
        Ok((dict, variables, inputs))
    }
    /// Every variable once, in the order of the layers.
    #[getter]
    fn variables(&self) -> Vec<Variable> {
        self.0.variables().iter().cloned().map(Variable).collect()
    }
    /// The graph as the model file has it, its variables numbered in this order.
    fn describe(&self, variables: Vec<PyRef<Variable>>) -> PyResult<String> {
        let variables: Vec<_> = variables.iter().map(|v| v.0.clone()).collect();
        Ok(guarded(|| Ok(describe(self.0.graph(), &variables)?.to_string()))?)
    }
    #[getter]
    fn seed(&self) -> u64 {
        self.0.seed()
    }
    /// Epochs begun, and calls as in training.
    #[getter]
    fn position(&self) -> (u64, u64) {
        self.0.position()
    }
    #[setter]
    fn set_position(&self, position: (u64, u64)) {
        self.0.set_position(position.0, position.1);
    }
    /// The device, and the bytes of each part that training and a prediction take there.
    #[pyo3(signature = (batch_size, samples, device=None))]
    fn memory(
        &self,
        py: Python,
        batch_size: usize,
        samples: Option<usize>,
        device: Option<&str>,
    ) -> PyResult<(String, Parts, Parts)> {
        let device = device_of(device)?;
        let needs = detached(py, || self.0.memory(batch_size, samples, device))?;
        Ok((needs.device.to_string(), needs.training.by_name(), needs.prediction.by_name()))
    }
    /// What `auto` has chosen: tasks, sizes, devices.
    #[getter]
    fn choices(&self) -> Vec<(String, usize, String)> {
        let choices = self.0.choices().into_iter();
        choices.map(|(task, size, device)| (task.to_string(), size, device.to_string())).collect()
    }
    #[setter]
    fn set_choices(&self, choices: Vec<(String, usize, String)>) -> PyResult<()> {
        let parsed = choices
            .into_iter()
            .map(|(task, size, device)| Ok((Task::parse(&task, "devices")?, size, Device::parse(&device, "devices")?)));
        Ok(guarded(|| self.0.set_choices(parsed.collect::<Result<Vec<_>>>()?))?)
    }
    fn slot_count(&self) -> PyResult<usize> {
        Ok(self.0.slot_count()?)
    }
}
