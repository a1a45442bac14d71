//! `Session`: a run in pieces, so that Python can draw, call back and be interrupted in between.

use super::arrays::array_of;
use super::error::detached;
use crate::error::{Error, Result};
use crate::infer::{Evaluation, Prediction};
use crate::model::lock;
use crate::train::Fit;
use numpy::{PyArray, PyArray1, PyArrayDyn};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Mutex;
use std::time::Duration;

/// What runs.
pub enum Run {
    Fit(Fit),
    Evaluation(Evaluation),
    Prediction { run: Prediction, out: Vec<Vec<f32>>, shapes: Vec<Vec<usize>>, batch: usize, limit: usize },
}

impl Run {
    /// A prediction of the first `limit` samples, whose outputs have these shapes.
    pub fn prediction(run: Prediction, shapes: Vec<Vec<usize>>, batch: usize, limit: usize) -> Result<Self> {
        let out = run.results()?;
        Ok(Run::Prediction { run, out, shapes, batch, limit })
    }

    fn steps(&self) -> usize {
        match self {
            Run::Fit(fit) => fit.steps(),
            Run::Evaluation(evaluation) => evaluation.steps(),
            Run::Prediction { batch, limit, .. } => limit.div_ceil(*batch),
        }
    }

    fn step(&self) -> usize {
        match self {
            Run::Fit(fit) => fit.step(),
            Run::Evaluation(evaluation) => evaluation.step(),
            Run::Prediction { run, batch, .. } => run.done().div_ceil(*batch),
        }
    }

    fn begin_epoch(&mut self) -> Result<()> {
        match self {
            Run::Fit(fit) => fit.begin_epoch(),
            Run::Evaluation(evaluation) => evaluation.begin()?,
            Run::Prediction { .. } => {}
        }
        Ok(())
    }

    fn run(&mut self, max_steps: Option<usize>, time: Duration) -> Result<()> {
        match self {
            Run::Fit(fit) => fit.run(max_steps, time),
            Run::Evaluation(evaluation) => evaluation.run(max_steps, time),
            Run::Prediction { run, out, batch, limit, .. } => {
                let rows = max_steps.map_or(usize::MAX, |n| n.saturating_mul(*batch));
                run.run(out, rows.min(*limit - run.done()), time)
            }
        }
    }

    fn preview(&mut self) -> Result<(Vec<u32>, Vec<Vec<f32>>)> {
        match self {
            Run::Fit(fit) => fit.preview(),
            Run::Evaluation(evaluation) => evaluation.preview(),
            Run::Prediction { .. } => Err(Error::State("session: expected one with targets".into())),
        }
    }

    fn output_shapes(&self) -> Vec<Vec<usize>> {
        match self {
            Run::Fit(fit) => fit.model().output_shapes(),
            Run::Evaluation(evaluation) => evaluation.model().output_shapes(),
            Run::Prediction { shapes, .. } => shapes.clone(),
        }
    }

    fn logs(&self) -> Vec<(String, f64)> {
        match self {
            Run::Fit(fit) => fit.logs(),
            Run::Evaluation(evaluation) => evaluation.logs(),
            Run::Prediction { .. } => Vec::new(),
        }
    }
}

type Preview<'py> = (Bound<'py, PyArray1<u32>>, Vec<Bound<'py, PyArrayDyn<f32>>>);

/// One pass over borrowed arrays.
#[pyclass(module = "ironhorn._core", frozen)]
pub struct Session(Mutex<Run>);

impl Session {
    pub fn new(run: Run) -> Self {
        Session(Mutex::new(run))
    }

    /// Asks the run without holding the GIL while waiting for it.
    fn ask<T: Send>(&self, py: Python, question: impl FnOnce(&mut Run) -> T + Send) -> T {
        py.detach(|| question(&mut lock(&self.0)))
    }
}

#[pymethods]
impl Session {
    #[getter]
    fn steps(&self, py: Python) -> usize {
        self.ask(py, |run| run.steps())
    }
    #[getter]
    fn step(&self, py: Python) -> usize {
        self.ask(py, |run| run.step())
    }
    #[getter]
    fn finished(&self, py: Python) -> bool {
        self.ask(py, |run| run.step() >= run.steps())
    }
    /// What has been predicted so far, an array an output.
    #[getter]
    fn outputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyArrayDyn<f32>>>> {
        let taken: Result<Vec<(Vec<f32>, Vec<usize>)>> = self.ask(py, |run| match run {
            Run::Prediction { run, out, shapes, limit, .. } => {
                let rows = run.done().min(*limit);
                let parts = out.iter().zip(shapes.iter()).zip(run.widths());
                Ok(parts.map(|((out, shape), w)| (out[..rows * w].to_vec(), [&[rows], &shape[..]].concat())).collect())
            }
            _ => Err(Error::State("session: expected a prediction, which alone has outputs".into())),
        });
        taken?.into_iter().map(|(values, shape)| array_of(py, values, &shape)).collect()
    }
    /// The samples of the next step, and the outputs it will have.
    fn preview<'py>(&self, py: Python<'py>) -> PyResult<Preview<'py>> {
        let (rows, out, shapes) = detached(py, || {
            let mut run = lock(&self.0);
            let (rows, out) = run.preview()?;
            Ok((rows, out, run.output_shapes()))
        })?;
        let count = rows.len();
        let outputs = out.into_iter().zip(shapes);
        let outputs = outputs.map(|(out, shape)| array_of(py, out, &[&[count], &shape[..]].concat()));
        Ok((PyArray::from_vec(py, rows), outputs.collect::<PyResult<_>>()?))
    }
    fn begin_epoch(&self, py: Python) -> PyResult<()> {
        detached(py, || lock(&self.0).begin_epoch())
    }
    #[pyo3(signature = (max_steps=None, milliseconds=50.0))]
    fn run(&self, py: Python, max_steps: Option<usize>, milliseconds: f64) -> PyResult<()> {
        let time = Duration::try_from_secs_f64(milliseconds / 1000.0)
            .map_err(|_| Error::invalid("milliseconds", "a number from 0 on", milliseconds.to_string()))?;
        detached(py, || lock(&self.0).run(max_steps, time))
    }
    /// The state of each metric of each output.
    fn metric_states<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArray1<f64>>> {
        let states = self.ask(py, |run| match run {
            Run::Fit(fit) => fit.totals().metrics.clone(),
            Run::Evaluation(evaluation) => evaluation.totals().metrics.clone(),
            Run::Prediction { .. } => Vec::new(),
        });
        states.into_iter().map(|state| PyArray::from_vec(py, state)).collect()
    }
    fn logs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, value) in self.ask(py, |run| run.logs()) {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }
}
