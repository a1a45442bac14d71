//! `File` and `write_file`: the model file.

use super::arrays::array_of;
use super::error::detached;
use super::layer::Variable;
use super::optimizer::Optimizer;
use crate::error::Error;
use crate::io::{Loaded, Random, Saving, ration};
use numpy::PyArrayDyn;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use std::path::PathBuf;
use std::sync::Arc;

/// Writes a file, or gives its bytes.
#[pyfunction]
pub fn write_file<'py>(
    py: Python<'py>,
    path: Option<PathBuf>,
    kind: &str,
    texts: Vec<(String, String)>,
    variables: Vec<PyRef<Variable>>,
    optimizer: Option<PyRef<Optimizer>>,
    random: Option<(u64, u64, u64)>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let variables = variables.iter().map(|v| v.0.clone()).collect();
    let optimizer = optimizer.map(|optimizer| optimizer.state.clone());
    let random = random.map(|(seed, epochs, calls)| Random { seed, epochs, calls });
    let saving = Saving { kind, texts, variables, optimizer, random };
    match path {
        Some(path) => detached(py, || saving.to_file(&path)).map(|()| None),
        None => Ok(Some(PyBytes::new(py, &detached(py, || saving.to_bytes())?))),
    }
}

/// A file that has been read.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct File(Loaded);

#[pymethods]
impl File {
    #[staticmethod]
    fn open(py: Python, path: PathBuf) -> PyResult<Self> {
        Ok(File(detached(py, || Loaded::open(&path))?))
    }
    #[staticmethod]
    fn parse(py: Python, data: &[u8], name: &str) -> PyResult<Self> {
        let mut bytes = Vec::new();
        let refused = |_| Error::OutOfMemory { place: name.to_string(), bytes: data.len() };
        bytes.try_reserve_exact(data.len()).map_err(refused)?;
        bytes.extend_from_slice(data);
        Ok(File(detached(py, || Loaded::from_bytes(bytes, name))?))
    }
    #[getter]
    fn kind(&self) -> &str {
        self.0.kind()
    }
    fn text(&self, key: &str) -> PyResult<Option<&str>> {
        self.0.json(key)?;
        Ok(self.0.text(key))
    }
    #[getter]
    fn weights<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyTuple>)>> {
        let weights = self.0.weights().into_iter();
        weights.map(|(path, shape)| Ok((path.to_string(), PyTuple::new(py, shape)?))).collect()
    }
    fn values<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let values = detached(py, || self.0.values(index))?;
        let shape = self.0.weights().get(index).map_or(Vec::new(), |(_, shape)| shape.to_vec());
        array_of(py, values, &shape)
    }
    #[getter]
    fn has_optimizer(&self) -> bool {
        self.0.has_optimizer()
    }
    #[getter]
    fn random(&self) -> PyResult<Option<(u64, u64, u64)>> {
        Ok(self.0.random()?.map(|random| (random.seed, random.epochs, random.calls)))
    }
    /// The devices that `auto` had chosen.
    #[getter]
    fn choices(&self) -> PyResult<Vec<(String, usize, String)>> {
        let choices = self.0.choices()?.into_iter();
        Ok(choices.map(|(task, size, device)| (task.to_string(), size, device.to_string())).collect())
    }
    fn check(&self, py: Python) -> PyResult<()> {
        detached(py, || self.0.text("model").map_or(Ok(()), |_| self.0.graph().map(drop)))
    }
    fn ration(&self, on: bool) {
        ration::set(on.then(|| self.0.count()));
    }
    fn restore(
        &self,
        py: Python,
        variables: Vec<PyRef<Variable>>,
        optimizer: Option<PyRef<Optimizer>>,
    ) -> PyResult<()> {
        let variables: Vec<Arc<_>> = variables.iter().map(|v| v.0.clone()).collect();
        let optimizer = optimizer.map(|optimizer| optimizer.state.clone());
        detached(py, || self.0.restore(&variables, optimizer.as_ref()))
    }
}
