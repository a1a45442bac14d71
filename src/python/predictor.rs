//! `Predictor`: asked by calling it. What it is asked for mostly, contiguous float32 rows for one input, is answered here
//! at once; `models/predictor.py`, whose class derives from this one, makes everything else into arrays first.

use super::arrays::{array_of, borrow, is_plain};
use super::error::{detached, guarded};
use super::model::{Arrays, Model, borrow_all};
use crate::backend::Device;
use crate::data::Array;
use crate::error::Error;
use crate::predictor::{self, Options, Precision};
use numpy::npyffi::flags::{NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_WRITEABLE};
use numpy::{PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use strum::VariantNames;

/// Floating-point operations from which on the GIL is given up meanwhile: some tens of microseconds, against the one or
/// two that it costs when others want it.
const LONG: f64 = 2e6;
/// Axes that an output may have for the quick way.
const AXES: usize = 4;

/// Weights of one moment.
#[pyclass(module = "ironhorn._core", frozen, subclass)]
pub struct Predictor {
    inner: predictor::Predictor,
    /// Whether the answer is the one output as it is.
    plain: bool,
}

/// Pointers of arrays that a call holds, on their way past the GIL.
struct Places(*const f32, *mut f32);

// SAFETY: the arrays are kept alive by the caller; what Python writes meanwhile changes numbers and nothing else.
unsafe impl Send for Places {}

impl Predictor {
    /// The shape of the answer if `x` can be read as it is.
    fn quick_shape(&self, x: &Bound<PyUntypedArray>) -> Option<([usize; AXES], usize)> {
        let ([input], [output]) = (self.inner.input_shapes(), self.inner.output_shapes()) else { return None };
        let shape = x.shape();
        let fits = self.plain && self.inner.is_chain() && output.len() < AXES && shape.get(1..) == Some(&input[..]);
        if !fits || shape[0] == 0 || !is_plain(x, NPY_ARRAY_C_CONTIGUOUS) {
            return None;
        }
        let mut dims = [shape[0]; AXES];
        dims[1..=output.len()].copy_from_slice(output);
        Some((dims, output.len() + 1))
    }

    fn fill(&self, py: Python, rows: usize, places: Places) -> PyResult<()> {
        let work = move || {
            let Places(x, out) = { places };
            // SAFETY: `x` has the rows of the input's shape, `out` those of the output's; both are alive.
            unsafe { self.inner.predict_rows(x, rows, out) }
        };
        if self.inner.work() * rows as f64 > LONG { detached(py, work) } else { Ok(guarded(work)?) }
    }
}

#[pymethods]
impl Predictor {
    #[new]
    fn new(
        py: Python,
        model: &Model,
        plain: bool,
        precision: &str,
        calibrate: Option<Bound<PyUntypedArray>>,
        device: &str,
    ) -> PyResult<Self> {
        let device = Device::parse(device, "device")?;
        let precision = precision.parse().map_err(|_| Error::unknown("precision", precision, Precision::VARIANTS))?;
        let calibration = calibrate.map(|x| borrow(&x, "calibrate")).transpose()?;
        let options = Options { precision, calibration, device, ..Options::default() };
        let inner = detached(py, || model.0.predictor(&options))?;
        Ok(Predictor { inner, plain })
    }

    #[pyo3(signature = (x, out=None))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        x: &Bound<'py, PyAny>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if let Ok(x) = x.cast::<PyUntypedArray>()
            && let Some((dims, axes)) = this.quick_shape(x)
        {
            let (shape, start) = (&dims[..axes], data(x).cast_const());
            match out {
                None => {
                    // SAFETY: every element is written below, or the array is dropped.
                    let made = unsafe { PyArrayDyn::<f32>::new(py, shape, false) };
                    this.fill(py, dims[0], Places(start, made.data()))?;
                    return Ok(made.into_any());
                }
                Some(given) => {
                    if let Ok(array) = given.cast::<PyUntypedArray>()
                        && array.shape() == shape
                        && is_plain(array, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_WRITEABLE)
                        && apart(x, array)
                    {
                        this.fill(py, dims[0], Places(start, data(array)))?;
                        return Ok(given.clone());
                    }
                }
            }
        }
        slf.call_method1(intern!(py, "_general"), (x, out))
    }

    /// The outputs for arrays of any dtype and layout, one an input.
    fn _run<'py>(&self, py: Python<'py>, x: Arrays) -> PyResult<Vec<Bound<'py, PyArrayDyn<f32>>>> {
        let x = borrow_all(&x, "x")?;
        let rows = x.first().map_or(0, Array::rows);
        let out = detached(py, || self.inner.predict(x))?;
        let shapes = self.inner.output_shapes().iter();
        out.into_iter().zip(shapes).map(|(out, shape)| array_of(py, out, &[&[rows], &shape[..]].concat())).collect()
    }

    /// Where it runs.
    #[getter]
    fn device(&self) -> String {
        self.inner.device().to_string()
    }

    /// Without the batch dimension.
    #[getter]
    fn output_shapes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        self.inner.output_shapes().iter().map(|shape| PyTuple::new(py, shape)).collect()
    }
}

fn data(array: &Bound<PyUntypedArray>) -> *mut f32 {
    // SAFETY: the array is alive.
    unsafe { (*array.as_array_ptr()).fields.data.cast() }
}

/// Whether two contiguous float32 arrays share no memory.
fn apart(a: &Bound<PyUntypedArray>, b: &Bound<PyUntypedArray>) -> bool {
    let range = |array: &Bound<PyUntypedArray>| {
        let start = data(array).addr();
        start..start + array.len() * size_of::<f32>()
    };
    let (a, b) = (range(a), range(b));
    a.end <= b.start || b.end <= a.start
}
