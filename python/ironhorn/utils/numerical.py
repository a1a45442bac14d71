"""One-hot encoding, normalisation and the seed."""

import random
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.float64]:
    """Class indices as one-hot rows.

    Args:
        x: integers from 0 on, of any shape; a last dimension of 1 is dropped.
        num_classes: how many classes; by default the largest index plus 1.

    Returns:
        A float64 array of the shape of ``x`` and a last dimension of ``num_classes``.

    Raises:
        ValueError: for negative indices and indices from ``num_classes`` on.
        TypeError: if ``x`` does not hold numbers.
    """
    given = np.asarray(x)
    if given.dtype.kind not in "biuf":
        raise TypeError(f"`x` must hold class indices. Received: dtype {given.dtype}")
    with np.errstate(invalid="ignore"):
        indices = given.astype(np.int64)
    if not np.array_equal(indices, given):
        raise ValueError("`x` must hold whole numbers. Received: fractions or NaN")
    shape = indices.shape[:-1] if indices.ndim > 1 and indices.shape[-1] == 1 else indices.shape
    flat = indices.reshape(-1)
    if not num_classes:
        if not flat.size:
            raise ValueError("`num_classes` must be given where `x` is empty.")
        num_classes = int(flat.max()) + 1
    if flat.size and (flat.min() < 0 or flat.max() >= num_classes):
        bad = int(flat.min()) if flat.min() < 0 else int(flat.max())
        raise ValueError(f"`x` must hold class indices from 0 to {num_classes - 1}. Received: {bad}")
    categorical = np.zeros((flat.size, num_classes))
    categorical[np.arange(flat.size), flat] = 1
    return categorical.reshape((*shape, num_classes))


def normalize(x: ArrayLike, axis: int = -1, order: int = 2) -> NDArray[Any]:
    """``x`` divided by its norm of the given order along ``axis``; zeros stay zeros."""
    array = np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(array, order, axis))
    norm[norm == 0] = 1
    quotient: NDArray[Any] = array / np.expand_dims(norm, axis)
    return quotient


def set_random_seed(seed: int) -> None:
    """Makes every model built from now on reproducible; seeds Python's ``random`` and NumPy too.

    Raises:
        ValueError: if ``seed`` is not an integer, or negative, or from 2**32 on (NumPy's range).
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise ValueError(f"Expected `seed` argument to be an integer. Received: seed={seed} (of type {type(seed)})")
    seed = int(seed)
    if not 0 <= seed < 2**32:
        raise ValueError(f"Expected `seed` argument to be from 0 to 2**32 - 1. Received: seed={seed}")
    random.seed(seed)
    np.random.seed(seed)
    _core.set_random_seed(seed)
