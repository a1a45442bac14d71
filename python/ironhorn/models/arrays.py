"""Values to arrays: what is taken, what is refused.

An ndarray of a numeric dtype goes to the engine as it is, whatever its strides; everything else becomes one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sparse import SparseRows, is_sparse

Array = NDArray[Any]


def as_array(value: Any, argument: str, keep_sparse: bool = False) -> Any:
    """The value as an ndarray of booleans, integers or floats with a batch axis; ndarrays are not copied.

    Matrices of ``scipy.sparse`` become dense, or, with ``keep_sparse``, ``SparseRows``. What has no ``__array__`` but
    a method ``numpy()`` is taken by that.

    Raises:
        TypeError: if it is no array-like of numbers.
        ValueError: if it is a scalar, or a list of rows of unequal lengths.
    """
    if isinstance(value, (list, tuple)) and len(value) == 1 and hasattr(value[0], "__array__") and np.ndim(value[0]):
        value = value[0]
    if is_sparse(value):
        sparse = SparseRows(value, argument)
        if keep_sparse and sparse.dtype.kind in "biuf":
            return sparse
        value = sparse.dense()
    elif not hasattr(value, "__array__") and callable(getattr(value, "numpy", None)):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        array: Array = value
    elif isinstance(value, (Mapping, str, bytes)) or not (
        hasattr(value, "__array__") or isinstance(value, (list, tuple, range, int, float))
    ):
        raise TypeError(
            f"`{argument}` must be a NumPy array, a list, a pandas frame or series, a matrix of scipy.sparse, or have "
            f"`__array__`. Received: {type(value).__name__}"
        )
    else:
        array = _convert(value, argument)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"`{argument}` must hold numbers (booleans, integers or floats). Received: dtype {array.dtype}")
    if array.ndim == 0:
        raise ValueError(f"`{argument}` must have at least one dimension, the batch. Received: the scalar {value!r}")
    if array.dtype.char == "g":  # long double: wider than what the engine reads
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _convert(value: Any, argument: str) -> Array:
    columns = getattr(value, "dtypes", None)  # pandas: a frame has dtypes, a series has one dtype by that name
    if columns is not None and hasattr(value, "to_numpy"):
        dtypes = list(columns) if hasattr(columns, "__iter__") else [columns]
        kinds = [getattr(dtype, "kind", "O") for dtype in dtypes]
        if dtypes and all(kind in "biuf" for kind in kinds):
            plain = all(isinstance(dtype, np.dtype) for dtype in dtypes)
            common = np.result_type(*dtypes) if plain else np.dtype(np.float64)
            array: Array = value.to_numpy(dtype=common) if plain else value.to_numpy(dtype=common, na_value=np.nan)
            return array
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"`{argument}` does not form an array of numbers: {error}") from error


def adjust_rank(x: Array, input_shape: tuple[int | None, ...]) -> Array:
    """A view with one axis of length 1 more, or less, at its end where the model's input has it so."""
    if x.ndim == len(input_shape) - 1 and input_shape[-1] == 1:
        return x[..., None]
    if x.ndim == len(input_shape) + 1 and x.shape[-1] == 1:
        return x[..., 0]
    return x
