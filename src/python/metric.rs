//! Metrics on arrays, for those who keep the state themselves.

use super::arrays::borrow;
use super::error::{detached, guarded};
use super::functions::named;
use crate::data::Array;
use crate::error::{Error, Result};
use crate::losses::{Target, TargetKind};
use crate::metrics::{Metric, MetricSpec, Weights};
use crate::model::tuple;
use numpy::{PyArray1, PyArrayMethods, PyReadwriteArray1, PyUntypedArray};
use pyo3::prelude::*;

/// The metric that a configuration names; an automatic one is taken for one output column.
fn parse(config: &str) -> Result<Metric> {
    Ok(MetricSpec::parse(&named(config, "metric")?, "metric")?.resolve(1, None))
}

/// Name and shape of each of Keras's variables, which the state holds one after the other.
#[pyfunction]
pub fn metric_variables(config: &str, columns: usize) -> PyResult<Vec<(String, Vec<usize>)>> {
    let variables = guarded(|| Ok(parse(config)?.variables(columns)))?;
    Ok(variables.into_iter().map(|(name, shape)| (name.to_string(), shape)).collect())
}

/// The elements of a matrix, in C order, and its columns; a vector has one.
fn matrix(array: &Array, place: &str) -> Result<(Vec<f64>, usize)> {
    if !(1..=2).contains(&array.shape().len()) {
        return Err(Error::invalid(place, "one or two axes", format!("shape {}", tuple(array.shape()))));
    }
    let (mut row, mut all) = (Vec::new(), Vec::with_capacity(array.rows() * array.row_len()));
    for i in 0..array.rows() {
        array.read_row(i, &mut row);
        all.extend_from_slice(&row);
    }
    Ok((all, array.row_len()))
}

/// Takes rows into a state, in place.
#[pyfunction]
#[pyo3(signature = (config, state, y_true, y_pred, sample_weight=None))]
pub fn metric_add<'py>(
    py: Python<'py>,
    config: &str,
    mut state: PyReadwriteArray1<'py, f64>,
    y_true: &Bound<'py, PyUntypedArray>,
    y_pred: &Bound<'py, PyUntypedArray>,
    sample_weight: Option<&Bound<'py, PyUntypedArray>>,
) -> PyResult<()> {
    let (y, p) = (borrow(y_true, "y_true")?, borrow(y_pred, "y_pred")?);
    let weights = sample_weight.map(|weights| borrow(weights, "sample_weight")).transpose()?;
    let state = state.as_slice_mut().map_err(|_| Error::invalid("state", "contiguous memory", "strides"))?;
    detached(py, || {
        let metric = parse(config)?;
        let ((p, columns), (y, targets), rows) = (matrix(&p, "y_pred")?, matrix(&y, "y_true")?, p.rows());
        metric.check(columns)?;
        let wanted = metric.state_len(columns);
        if state.len() != wanted {
            return Err(Error::invalid("state", format!("{wanted} numbers"), state.len().to_string()));
        }
        let class = metric.target_kind() == TargetKind::Class;
        // Only one-hot targets against class ids have another width than the predictions.
        let fits = if class { targets == 1 } else { targets == columns || (columns == 1 && targets > 1) };
        if y.len() != rows * targets || !fits {
            let expected = if class { "one class id a row of y_pred" } else { "the shape of y_pred" };
            return Err(Error::invalid("y_true", expected, format!("{} rows of {targets}", y.len() / targets.max(1))));
        }
        let (weights, per_row) = match &weights {
            None => (vec![1.0], 0),
            Some(weights) => matrix(weights, "sample_weight")?,
        };
        if per_row > 0 && (weights.len() != rows * per_row || (per_row != 1 && per_row != columns)) {
            let expected = format!("{rows} weights, or as many as y_pred has numbers");
            return Err(Error::invalid("sample_weight", expected, weights.len().to_string()));
        }
        for (i, p) in p.chunks_exact(columns.max(1)).enumerate() {
            let target = if class { Target::Class(y[i]) } else { Target::Dense(&y[i * targets..(i + 1) * targets]) };
            let weights = &weights[i * per_row..(i * per_row + per_row).max(1)];
            metric.add_weighted(state, target, p, Weights(weights));
        }
        Ok(())
    })
}

/// The numbers that a state stands for.
#[pyfunction]
pub fn metric_result<'py>(
    py: Python<'py>,
    config: &str,
    state: &Bound<'py, PyArray1<f64>>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let state = state.to_vec()?;
    let results = detached(py, || {
        let metric = parse(config)?;
        // So many numbers, and so many more for each column.
        let fixed = metric.state_len(0);
        let (more, each) = (state.len().checked_sub(fixed), metric.state_len(1) - fixed);
        if !more.is_some_and(|more| if each == 0 { more == 0 } else { more > 0 && more.is_multiple_of(each) }) {
            let expected = format!("the state of '{}'", metric.name());
            return Err(Error::invalid("state", expected, format!("{} numbers", state.len())));
        }
        Ok(metric.results(&state))
    })?;
    Ok(PyArray1::from_vec(py, results))
}
