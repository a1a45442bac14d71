//! NumPy arrays as borrowed [`Array`]s, and numbers as NumPy arrays.

use crate::data::{Array, DType};
use crate::error::Error;
use numpy::npyffi::{NPY_TYPES, flags::NPY_ARRAY_ALIGNED};
use numpy::{
    PyArray, PyArray1, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use std::sync::Arc;

/// The dtype of a NumPy array, if the engine reads it.
fn dtype_of(array: &Bound<PyUntypedArray>, place: &str) -> PyResult<DType> {
    let descr = array.dtype();
    let dtype = match (descr.kind(), descr.itemsize()) {
        (b'b', 1) => Some(DType::Bool),
        (b'i', 1) => Some(DType::Int8),
        (b'i', 2) => Some(DType::Int16),
        (b'i', 4) => Some(DType::Int32),
        (b'i', 8) => Some(DType::Int64),
        (b'u', 1) => Some(DType::UInt8),
        (b'u', 2) => Some(DType::UInt16),
        (b'u', 4) => Some(DType::UInt32),
        (b'u', 8) => Some(DType::UInt64),
        (b'f', 2) => Some(DType::Float16),
        (b'f', 4) => Some(DType::Float32),
        (b'f', 8) => Some(DType::Float64),
        _ => None,
    };
    let native = descr.is_native_byteorder().unwrap_or(true);
    dtype.filter(|_| native).ok_or_else(|| {
        let expected = "an array of numbers (bool, integers or floats of up to 64 bits, in native byte order)";
        Error::wrong_type(place, expected, format!("dtype {descr}")).into()
    })
}

/// Whether an array is of native float32, aligned, and has these flags of NumPy's.
pub fn is_plain(array: &Bound<PyUntypedArray>, flags: i32) -> bool {
    let wanted = flags | NPY_ARRAY_ALIGNED;
    // SAFETY: the array is alive.
    let has = unsafe { (*array.as_array_ptr()).fields.flags } & wanted == wanted;
    let descr = array.dtype();
    has && descr.num() == NPY_TYPES::NPY_FLOAT as i32 && matches!(descr.byteorder(), b'=' | b'|')
}

/// Borrows a NumPy array: its memory is read where it is, and the array is kept alive.
pub fn borrow(array: &Bound<PyUntypedArray>, place: &str) -> PyResult<Array> {
    let dtype = dtype_of(array, place)?;
    let (shape, strides) = (array.shape(), array.strides());
    // SAFETY: NumPy keeps `data` valid for every element of the shape as long as the array lives, which the owner
    // sees to; the array's memory cannot be resized while it is referenced.
    unsafe {
        let data = (*array.as_array_ptr()).fields.data.cast_const().cast();
        let owner: Py<PyUntypedArray> = array.clone().unbind();
        Ok(Array::borrow(data, dtype, shape, strides, Arc::new(owner)))
    }
}

/// The numbers of a NumPy array, in C order.
pub fn numbers(array: &Bound<PyUntypedArray>, place: &str) -> PyResult<Vec<f32>> {
    let view = borrow(array, place)?;
    if view.shape().is_empty() {
        return Err(Error::invalid(place, "an array of at least one axis", "a scalar").into());
    }
    let mut row = Vec::new();
    let mut all = Vec::with_capacity(view.rows() * view.row_len());
    for i in 0..view.rows() {
        view.read_row(i, &mut row);
        all.extend(row.iter().map(|&x| x as f32));
    }
    Ok(all)
}

/// A NumPy array of this shape that takes the numbers over.
pub fn array_of<'py>(py: Python<'py>, values: Vec<f32>, shape: &[usize]) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let flat: Bound<PyArray1<f32>> = PyArray::from_vec(py, values);
    flat.reshape(shape.to_vec())
}
