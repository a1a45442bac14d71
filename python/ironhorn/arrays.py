"""Numbers that users hand to a formula, as NumPy arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def numbers(x: Any, owner: str) -> NDArray[np.float32]:
    """A float32 array of anything NumPy reads as numbers, and of variables; not a copy where none is needed.

    Raises:
        TypeError: for arrays of something else.
    """
    array = np.asarray(x.numpy() if hasattr(x, "numpy") else x)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{owner} expects an array of numbers. Received: dtype {array.dtype}")
    return array.astype(np.float32, copy=False)
