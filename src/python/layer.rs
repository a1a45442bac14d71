//! `Variable` and `Layer`.

use super::arrays::{array_of, numbers};
use super::error::{detached, guarded};
use crate::layers;
use crate::model::tuple;
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
    /// The same, for NumPy.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = copy; // It is one in any case.
        let array = self.numpy(py)?.into_any();
        match dtype {
            Some(dtype) => array.call_method1("astype", (dtype,)),
            None => Ok(array),
        }
    }
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        self.numpy(py)
    }
    #[getter]
    fn dtype(&self) -> &'static str {
        "float32"
    }
    #[getter]
    fn ndim(&self) -> usize {
        self.0.shape().len()
    }
    fn __repr__(&self) -> String {
        format!("<Variable path={}, shape={}, dtype=float32>", self.0.path(), tuple(self.0.shape()))
    }
    fn assign(&self, py: Python, value: &Bound<PyAny>) -> PyResult<()> {
        let (values, shape) = self.like_this(py, value)?;
        detached(py, || self.0.assign(&shape, &values))
    }
    fn assign_add(&self, py: Python, value: &Bound<PyAny>) -> PyResult<()> {
        self.assign(py, &self.numpy(py)?.into_any().add(value)?)
    }
    fn assign_sub(&self, py: Python, value: &Bound<PyAny>) -> PyResult<()> {
        self.assign(py, &self.numpy(py)?.into_any().sub(value)?)
    }
}

impl Variable {
    /// The numbers and the shape of whatever NumPy makes an array of.
    fn like_this(&self, py: Python, value: &Bound<PyAny>) -> PyResult<(Vec<f32>, Vec<usize>)> {
        let array = py.import("numpy")?.call_method1("asarray", (value,))?;
        let array: Bound<PyUntypedArray> = array.cast_into()?;
        let shape = array.shape().to_vec();
        // The engine's arrays have an axis at least.
        let array = if shape.is_empty() { array.call_method1("reshape", (1,))?.cast_into()? } else { array };
        Ok((numbers(&array, self.0.path())?, shape))
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
