"""Fashion-MNIST: 70,000 pictures of clothes of 28×28 pixels, made to be used in MNIST's place."""

import numpy as np
from numpy.typing import NDArray

from ._files import fetch, read_idx

__all__ = ["load_data"]

Part = tuple[NDArray[np.uint8], NDArray[np.uint8]]

FOLDER = "fashion-mnist"
# In the order in which load_data returns them.
SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


def load_data() -> tuple[Part, Part]:
    """Loads Fashion-MNIST, from the cache or else from the network (31 MB, once).

    The labels are 0 T-shirt/top, 1 Trouser, 2 Pullover, 3 Dress, 4 Coat, 5 Sandal, 6 Shirt, 7 Sneaker, 8 Bag,
    9 Ankle boot.

    The environment variable ``IRONHORN_DATASETS`` may name a folder that holds the four files, itself or in its
    subfolder ``fashion-mnist`` (nothing is downloaded then), or the base URL of a mirror. Keras's own cache is read
    as well. The SHA-256 of each file is always checked.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: 60,000 and 10,000 images as ``uint8`` of shape ``(rows, 28, 28)``
        with values from 0 to 255, labels as ``uint8`` from 0 to 9.

    Licence:
        The copyright is held by Zalando SE; MIT licence.
    """
    x_train, y_train, x_test, y_test = (read_idx(fetch(name, sha, folder=FOLDER)) for name, sha in SHA256.items())
    return (x_train, y_train), (x_test, y_test)
