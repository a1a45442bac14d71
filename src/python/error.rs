//! Errors and panics as Python exceptions.

use crate::backend::cpu::pool::message;
use crate::error::{Error, Result};
use pyo3::create_exception;
use pyo3::exceptions::{PyFloatingPointError, PyMemoryError, PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

create_exception!(ironhorn.errors, InternalError, PyRuntimeError, "A defect of ironhorn, caught; the model is usable.");
create_exception!(ironhorn.errors, DeviceError, PyRuntimeError, "A device is missing, lost or out of memory.");
create_exception!(ironhorn.errors, LoadError, PyValueError, "A file is not a model that can be read.");
create_exception!(ironhorn.errors, NonFiniteError, PyFloatingPointError, "The loss became NaN or infinite.");

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid { .. } => PyValueError::new_err(text),
            Error::Type { .. } => PyTypeError::new_err(text),
            Error::State(_) => PyRuntimeError::new_err(text),
            Error::OutOfMemory { .. } => PyMemoryError::new_err(text),
            Error::Load { .. } => LoadError::new_err(text),
            Error::Write { path, code: Some(code), text } => PyOSError::new_err((code, text, path)),
            Error::Write { .. } => PyOSError::new_err(text),
            Error::NonFinite { .. } => NonFiniteError::new_err(text),
            Error::Device(_) => DeviceError::new_err(text),
            Error::Internal(_) => InternalError::new_err(text),
        }
    }
}

/// Runs engine code without the GIL; an error or a panic becomes an exception.
pub fn detached<T: Send>(py: Python, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(|| guarded(work)).map_err(PyErr::from)
}

/// Runs engine code; a panic becomes an error.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(Error::Internal(message(payload.as_ref()))))
}
