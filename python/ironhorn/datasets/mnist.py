"""MNIST: 70,000 handwritten digits of 28×28 pixels."""

import numpy as np
from numpy.typing import NDArray

from ._files import fetch, read_npz

__all__ = ["load_data"]

Part = tuple[NDArray[np.uint8], NDArray[np.uint8]]

FILE = "mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str = FILE) -> tuple[Part, Part]:
    """Loads MNIST, from the cache or else from the network (11 MB, once).

    The environment variable ``IRONHORN_DATASETS`` may name a folder that holds ``mnist.npz`` (nothing is downloaded
    then), or the base URL of a mirror. Keras's own cache is read as well. The file's SHA-256 is always checked.

    Args:
        path: the file's name in the cache, or an absolute path.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: 60,000 and 10,000 images as ``uint8`` of shape ``(rows, 28, 28)``
        with values from 0 to 255, labels as ``uint8`` from 0 to 9.

    Licence:
        Yann LeCun and Corinna Cortes hold the copyright of MNIST, a derivative work of NIST's data sets; CC BY-SA 3.0.
    """
    data = fetch(FILE, SHA256, store_as=path)
    x_train, y_train, x_test, y_test = read_npz(data, ("x_train", "y_train", "x_test", "y_test"))
    return (x_train, y_train), (x_test, y_test)
