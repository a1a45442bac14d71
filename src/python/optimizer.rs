//! `Optimizer`: in `fit`, and over arrays of the caller's own.

use super::arrays::{array_of, numbers};
use super::error::{detached, guarded};
use super::layer::Variable;
use crate::config;
use crate::error::Error;
use crate::model::{SharedOptimizer, lock};
use crate::optimizers::{LearningRate, OptimizerConfig, OptimizerState, Pair, Schedule};
use numpy::{
    PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex};

/// An update rule with its slots and its step counter.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Optimizer {
    pub(super) state: SharedOptimizer,
    config: String,
}

/// The value of a schedule after some steps.
#[pyfunction]
pub fn schedule_value(config: &str, step: f64) -> PyResult<f64> {
    Ok(guarded(|| Ok(Schedule::parse(&config::parse(config, "schedule")?)?.at(step)))?)
}

/// The gradients as float32 arrays in C order: where they are, or a copy where weights overlap them.
enum Gradient<'py> {
    Borrowed(PyReadonlyArrayDyn<'py, f32>),
    Copied(Vec<f32>),
}

impl<'py> Gradient<'py> {
    fn new(array: &Bound<'py, PyArrayDyn<f32>>) -> PyResult<Self> {
        match array.try_readonly() {
            Ok(view) if array.is_c_contiguous() => Ok(Gradient::Borrowed(view)),
            _ => Ok(Gradient::Copied(numbers(array.as_untyped(), "gradient")?)),
        }
    }

    fn slice(&self) -> PyResult<&[f32]> {
        match self {
            Gradient::Borrowed(view) => Ok(view.as_slice()?),
            Gradient::Copied(values) => Ok(values),
        }
    }
}

/// Weights that may be written; what is read-only, not in C order or given twice is refused.
fn writable<'py>(array: &Bound<'py, PyArrayDyn<f32>>, key: usize) -> PyResult<PyReadwriteArrayDyn<'py, f32>> {
    let expected = "a writable float32 array in C order that shares memory with no other";
    let refused = |received: String| PyErr::from(Error::invalid(format!("variable {key}"), expected, received));
    let view = array.try_readwrite().map_err(|error| refused(error.to_string()))?;
    if array.is_c_contiguous() { Ok(view) } else { Err(refused("another order".into())) }
}

#[pymethods]
impl Optimizer {
    #[new]
    fn new(config: &str) -> PyResult<Self> {
        let parsed = guarded(|| OptimizerConfig::parse(&config::parse(config, "optimizer")?))?;
        Ok(Optimizer { state: Arc::new(Mutex::new(OptimizerState::new(parsed))), config: config.to_string() })
    }
    #[getter]
    fn config(&self) -> &str {
        &self.config
    }
    #[getter]
    fn learning_rate(&self, py: Python) -> f64 {
        py.detach(|| lock(&self.state).learning_rate())
    }
    #[setter]
    fn set_learning_rate(&self, py: Python, learning_rate: f64) -> PyResult<()> {
        detached(py, || lock(&self.state).set_learning_rate(learning_rate))
    }
    fn replace_learning_rate(&self, py: Python, rate: &str) -> PyResult<()> {
        let rate = guarded(|| LearningRate::parse(&config::parse(rate, "learning_rate")?))?;
        py.detach(|| lock(&self.state).replace_learning_rate(rate));
        Ok(())
    }
    #[getter]
    fn iterations(&self, py: Python) -> u64 {
        py.detach(|| lock(&self.state).iterations())
    }
    #[setter]
    fn set_iterations(&self, py: Python, iterations: u64) {
        py.detach(|| lock(&self.state).set_iterations(iterations));
    }
    #[getter]
    fn slot_names(&self, py: Python) -> Vec<&'static str> {
        py.detach(|| lock(&self.state).config().slot_names())
    }
    fn exclude(&self, py: Python, variables: Vec<PyRef<Variable>>) {
        let ids: Vec<u64> = variables.iter().map(|v| v.0.id()).collect();
        py.detach(|| lock(&self.state).exclude(ids));
    }

    /// Makes slots for arrays of these sizes.
    fn build(&self, py: Python, sizes: Vec<usize>) -> PyResult<()> {
        detached(py, || {
            let mut state = lock(&self.state);
            sizes.iter().enumerate().try_for_each(|(key, &size)| state.ensure_standalone(key, size))
        })
    }

    /// One step over arrays, in place. Where an array holds the numbers of a variable, its slots are those of training.
    fn apply<'py>(
        &self,
        py: Python<'py>,
        weights: Vec<Bound<'py, PyArrayDyn<f32>>>,
        gradients: Vec<Option<Bound<'py, PyArrayDyn<f32>>>>,
        decays: Vec<bool>,
        variables: Vec<Option<PyRef<Variable>>>,
    ) -> PyResult<()> {
        let variables: Vec<_> = variables.iter().map(|v| v.as_ref().map(|v| v.0.clone())).collect();
        let mut views: Vec<_> =
            weights.iter().enumerate().map(|(key, array)| writable(array, key)).collect::<PyResult<_>>()?;
        let gradients: Vec<Option<Gradient>> =
            gradients.iter().map(|g| g.as_ref().map(Gradient::new).transpose()).collect::<PyResult<_>>()?;
        let mut pairs = Vec::with_capacity(views.len());
        for (key, ((view, gradient), decays)) in views.iter_mut().zip(&gradients).zip(decays).enumerate() {
            let gradient = gradient.as_ref().map(Gradient::slice).transpose()?;
            pairs.push(Pair { key, weights: view.as_slice_mut()?, gradient, decays });
        }
        detached(py, || {
            let mut state = lock(&self.state);
            let known = || variables.iter().enumerate().filter_map(|(key, v)| v.as_ref().map(|v| (key, v)));
            known().try_for_each(|(key, variable)| state.take_slots(key, variable))?;
            state.apply(&mut pairs)?;
            known().try_for_each(|(key, variable)| state.give_slots(key, variable))
        })
    }

    /// Clipped copies of gradients.
    fn clip<'py>(
        &self,
        py: Python<'py>,
        gradients: Vec<Bound<'py, PyUntypedArray>>,
    ) -> PyResult<Vec<Bound<'py, PyArrayDyn<f32>>>> {
        let mut values: Vec<Vec<f32>> = gradients.iter().map(|g| numbers(g, "gradient")).collect::<PyResult<_>>()?;
        py.detach(|| lock(&self.state).config().clip(&mut values));
        values.into_iter().zip(&gradients).map(|(values, g)| array_of(py, values, g.shape())).collect()
    }

    /// A slot of an array, flat.
    fn slot<'py>(&self, py: Python<'py>, key: usize, index: usize) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let values = detached(py, || {
            let state = lock(&self.state);
            state.standalone_slots(key).get(index).cloned().ok_or_else(|| missing(&format!("variable {key}"), index))
        })?;
        let count = values.len();
        array_of(py, values, &[count])
    }
    fn set_slot(&self, py: Python, key: usize, index: usize, values: &Bound<PyUntypedArray>) -> PyResult<()> {
        let values = numbers(values, "slot")?;
        detached(py, || {
            let mut state = lock(&self.state);
            let slot = state.standalone_slots_mut(key).get_mut(index);
            let slot = slot.filter(|slot| slot.len() == values.len());
            *slot.ok_or_else(|| missing(&format!("variable {key}"), index))? = values;
            Ok(())
        })
    }

    /// How many slots `fit` has made for a variable.
    fn variable_slots(&self, py: Python, variable: &Variable) -> usize {
        let id = variable.0.id();
        py.detach(|| lock(&self.state).slots(id).len())
    }
    /// A slot that `fit` keeps for a variable, in its shape.
    fn variable_slot<'py>(
        &self,
        py: Python<'py>,
        variable: &Variable,
        index: usize,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let variable = &variable.0;
        let values = detached(py, || {
            let state = lock(&self.state);
            let slot = state.slots(variable.id()).get(index).ok_or_else(|| missing(variable.path(), index))?;
            let mut values = vec![0.0; variable.layout().len()];
            variable.layout().unpack(slot, &mut values);
            Ok(values)
        })?;
        array_of(py, values, variable.shape())
    }
    fn set_variable_slot(
        &self,
        py: Python,
        variable: &Variable,
        index: usize,
        values: &Bound<PyUntypedArray>,
    ) -> PyResult<()> {
        let (variable, values) = (&variable.0, numbers(values, variable.0.path())?);
        detached(py, || {
            let mut state = lock(&self.state);
            let slot = state.slots_mut(variable.id()).get_mut(index);
            let slot = slot.filter(|_| values.len() == variable.layout().len());
            variable.layout().pack(&values, slot.ok_or_else(|| missing(variable.path(), index))?);
            Ok(())
        })
    }
}

fn missing(place: &str, index: usize) -> Error {
    Error::invalid(place, "a slot that is there, and values of its size", format!("slot {index}"))
}
