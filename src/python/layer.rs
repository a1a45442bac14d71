//! `Variable` and `Layer`.

use super::arrays::{array_of, numbers};
use super::error::{detached, guarded};
use crate::layers;
use crate::params;
use numpy::{PyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::Arc;

/// A trained array; models share it by reference.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Variable(pub Arc<params::Variable>);

#[pymethods]
impl Variable {
    #[getter]
    fn id(&self) -> u64 {
        self.0.id()
    }
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.shape())
    }
    #[getter]
    fn trainable(&self) -> bool {
        self.0.trainable()
    }
    #[getter]
    fn version(&self) -> u64 {
        self.0.version()
    }
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let values = detached(py, || self.0.values())?;
        array_of(py, values, self.0.shape())
    }
    fn assign(&self, py: Python, value: &Bound<PyUntypedArray>) -> PyResult<()> {
        let shape = value.shape().to_vec();
        // The engine's arrays have an axis at least.
        let value = if shape.is_empty() { &value.call_method1("reshape", (1,))?.cast_into()? } else { value };
        let values = numbers(value, self.0.path())?;
        detached(py, || self.0.assign(&shape, &values))
    }
}

/// A layer: its configuration and, once built, its variables.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Layer(pub Arc<layers::Layer>);

/// Shapes with the batch in front, as those of a sample.
fn sample_shapes(shapes: &[Vec<Option<usize>>]) -> Vec<layers::Shape> {
    shapes.iter().map(|shape| shape.get(1..).unwrap_or(&[]).to_vec()).collect()
}

#[pymethods]
impl Layer {
    #[new]
    fn new(config: &str) -> PyResult<Self> {
        Ok(Layer(Arc::new(guarded(|| layers::Layer::parse(config))?)))
    }
    #[getter]
    fn config(&self) -> String {
        self.0.config().to_string()
    }
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }
    #[getter]
    fn trainable(&self) -> bool {
        self.0.trainable()
    }
    #[setter]
    fn set_trainable(&self, trainable: bool) {
        self.0.set_trainable(trainable);
    }
    #[getter]
    fn built(&self) -> bool {
        self.0.is_built()
    }
    #[getter]
    fn variables(&self) -> Vec<Variable> {
        self.0.variables().iter().cloned().map(Variable).collect()
    }
    fn compute_output_shape<'py>(
        &self,
        py: Python<'py>,
        input_shapes: Vec<Vec<Option<usize>>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let mut shape = guarded(|| self.0.output_shape(&sample_shapes(&input_shapes)))?;
        shape.insert(0, input_shapes.first().and_then(|shape| shape.first().copied()).flatten());
        PyTuple::new(py, shape)
    }
    fn build(&self, py: Python, input_shapes: Vec<Vec<Option<usize>>>, seed: u64, path: &str) -> PyResult<()> {
        detached(py, || self.0.build(&sample_shapes(&input_shapes), seed, path))
    }
}
