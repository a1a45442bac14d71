//! `Optimizer` and `Model`.

use super::arrays::{array_of, borrow};
use super::error::{detached, guarded};
use super::layer::Layer;
use super::optimizer::Optimizer;
use super::session::{Run, Session};
use crate::backend::Device;
use crate::config;
use crate::error::Result;
use crate::infer::{Evaluation, Prediction};
use crate::model::{self, Graph};
use crate::train::{Fit, Schedule};
use numpy::{PyArrayDyn, PyUntypedArray};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::Arc;
use std::time::Duration;

/// The device of a name, if one is given.
fn device_of(name: Option<&str>) -> Result<Option<Device>> {
    name.map(|name| Device::parse(name, "device")).transpose()
}

/// A graph of layers.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Model(Arc<model::Model>);

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
        x: &Bound<PyUntypedArray>,
        y: &Bound<PyUntypedArray>,
        sample_weight: Option<&Bound<PyUntypedArray>>,
        batch_size: usize,
        steps: Option<usize>,
        shuffle: bool,
        device: Option<&str>,
    ) -> PyResult<Session> {
        let device = device_of(device)?;
        let (x, y) = (vec![borrow(x, "x")?], borrow(y, "y")?);
        let weights = sample_weight.map(|w| borrow(w, "sample_weight")).transpose()?;
        let schedule = Schedule { batch: batch_size, steps, shuffle };
        Ok(Session::new(Run::Fit(detached(py, || Fit::on(&self.0, x, y, weights, schedule, device))?)))
    }
    #[pyo3(signature = (x, y, sample_weight, batch_size, steps, device=None))]
    fn evaluate_session(
        &self,
        py: Python,
        x: &Bound<PyUntypedArray>,
        y: &Bound<PyUntypedArray>,
        sample_weight: Option<&Bound<PyUntypedArray>>,
        batch_size: usize,
        steps: Option<usize>,
        device: Option<&str>,
    ) -> PyResult<Session> {
        let device = device_of(device)?;
        let (x, y) = (vec![borrow(x, "x")?], borrow(y, "y")?);
        let weights = sample_weight.map(|w| borrow(w, "sample_weight")).transpose()?;
        let schedule = Schedule { batch: batch_size, steps, shuffle: false };
        Ok(Session::new(Run::Evaluation(detached(py, || Evaluation::on(&self.0, x, y, weights, schedule, device))?)))
    }
    #[pyo3(signature = (x, batch_size, steps, device=None))]
    fn predict_session(
        &self,
        py: Python,
        x: &Bound<PyUntypedArray>,
        batch_size: usize,
        steps: Option<usize>,
        device: Option<&str>,
    ) -> PyResult<Session> {
        let device = device_of(device)?;
        let x = vec![borrow(x, "x")?];
        let (prediction, limit) = detached(py, || {
            let prediction = Prediction::on(&self.0, x, device)?;
            let schedule = Schedule { batch: batch_size, steps, shuffle: false };
            let limit = (schedule.steps(prediction.rows())? * batch_size).min(prediction.rows());
            Ok((prediction, limit))
        })?;
        let shape = self.0.output_shapes()[0].clone();
        Ok(Session::new(Run::prediction(prediction, shape, batch_size, limit)?))
    }
    fn predict<'py>(&self, py: Python<'py>, x: &Bound<PyUntypedArray>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let x = vec![borrow(x, "x")?];
        let mut prediction = detached(py, || Prediction::new(&self.0, x))?;
        let mut out = vec![0.0; prediction.rows() * prediction.width()];
        while prediction.done() < prediction.rows() {
            detached(py, || prediction.run(&mut out, usize::MAX, Duration::from_millis(50)))?;
            py.check_signals()?;
        }
        let mut shape = self.0.output_shapes()[0].clone();
        shape.insert(0, prediction.rows());
        array_of(py, out, &shape)
    }
    fn slot_count(&self) -> PyResult<usize> {
        Ok(self.0.slot_count()?)
    }
}
