//! Regularizers and constraints on arrays, and the fans of a shape.

use super::arrays::{array_of, numbers};
use super::error::{detached, guarded};
use crate::config;
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::initializers;
use crate::regularizers::Regularizer;
use numpy::{PyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

fn regularizer(text: &str, shape: &[usize]) -> Result<Regularizer> {
    let place = "regularizer";
    let parsed = Regularizer::parse(&config::parse(text, place)?, place)?;
    let regularizer = parsed.ok_or_else(|| Error::invalid(place, "a regularizer", "null"))?;
    regularizer.check_shape(shape, place)?;
    Ok(regularizer)
}

/// A regularizer's penalty.
#[pyfunction]
pub fn regularizer_value(py: Python, config: &str, x: &Bound<PyUntypedArray>) -> PyResult<f64> {
    let (values, shape) = (numbers(x, "x")?, x.shape().to_vec());
    detached(py, || Ok(regularizer(config, &shape)?.value(&values, &shape)))
}

/// Its gradient.
#[pyfunction]
pub fn regularizer_gradient<'py>(
    py: Python<'py>,
    config: &str,
    x: &Bound<PyUntypedArray>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let (values, shape) = (numbers(x, "x")?, x.shape().to_vec());
    let gradient = detached(py, || {
        let mut gradient = vec![0.0; values.len()];
        regularizer(config, &shape)?.add_gradient(&values, &shape, &mut gradient);
        Ok(gradient)
    })?;
    array_of(py, gradient, &shape)
}

/// The projection of weights.
#[pyfunction]
pub fn constrain<'py>(
    py: Python<'py>,
    config: &str,
    w: &Bound<PyUntypedArray>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let (mut values, shape) = (numbers(w, "w")?, w.shape().to_vec());
    let values = detached(py, || {
        let place = "constraint";
        let parsed = Constraint::parse(&config::parse(config, place)?, place)?;
        let constraint = parsed.ok_or_else(|| Error::invalid(place, "a constraint", "null"))?;
        constraint.apply(&mut values, &shape)?;
        Ok(values)
    })?;
    array_of(py, values, &shape)
}

/// Inputs and outputs of a weight of this shape.
#[pyfunction]
pub fn compute_fans(shape: Vec<usize>) -> PyResult<(usize, usize)> {
    Ok(guarded(|| Ok(initializers::compute_fans(&shape)))?)
}
