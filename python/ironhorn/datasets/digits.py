"""The UCI handwritten digits: 1,797 real scans of 8×8 pixels, part of the package."""

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ._files import read_npz

__all__ = ["load_data"]

Part = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def load_data() -> tuple[Part, Part]:
    """Loads the UCI handwritten digits; no network is needed.

    Every call makes new arrays. The split is fixed and stratified: 1,437 rows to train on and 360 to test on, each
    in the order of the source, where the digits of one writer stand together.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images as ``uint8`` of shape ``(rows, 8, 8)`` with values from 0 to
        16, labels as ``uint8`` from 0 to 9.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()
        >>> x_train.shape, x_test.shape
        ((1437, 8, 8), (360, 8, 8))

    Licence:
        E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository,
        https://doi.org/10.24432/C50P49, CC BY 4.0; see ``digits.txt`` beside this file.
    """
    data = (files(__package__) / "digits.npz").read_bytes()
    x_train, y_train, x_test, y_test = read_npz(data, ("x_train", "y_train", "x_test", "y_test"))
    return (x_train, y_train), (x_test, y_test)
