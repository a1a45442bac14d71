"""Arrays divided into a left and a right part, e.g. for training and testing."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..layers.structure import flatten, map_structure


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Splits arrays, or a sequence of samples, into a left and a right part.

    Keras gives data sets of TensorFlow or PyTorch here; this gives what it was given, in parts: an array, or lists,
    tuples and dicts of arrays, ready for ``fit``.

    Args:
        dataset: an array, or arrays of the same length in lists, tuples and dicts; also an object with ``__len__`` and
            ``__getitem__``, such as a PyTorch data set, whose samples are collected.
        left_size: how many samples go to the left: a whole number, or a share between 0 and 1; by default the rest.
        right_size: the same for the right, which is taken from the end.
        shuffle: whether to draw an order first.
        seed: for ``shuffle``; Python's ``random`` is seeded with it, as in Keras.
        preferred_backend: accepted; without a meaning here.

    Returns:
        The left and the right part, in the structure of ``dataset``.

    Raises:
        TypeError: if ``dataset`` holds no arrays, or a size is no number.
        ValueError: if no size is given, sizes do not fit the number of samples, or a part would be empty.
    """
    if left_size is None and right_size is None:
        raise ValueError(
            "At least one of the `left_size` or `right_size` must be specified. Received: left_size=None and "
            "right_size=None"
        )
    arrays = _arrays(dataset)
    lengths = [len(array) for array in flatten(arrays)]
    if len(set(lengths)) > 1:
        raise ValueError(f"The arrays of `dataset` must have the same length. Received: lengths {lengths}")
    total = lengths[0]
    left, right = _sizes(left_size, right_size, total)
    order: Any = None
    if shuffle:
        random.seed(random.randint(0, int(1e6)) if seed is None else seed)
        order = list(range(total))
        random.shuffle(order)

    def part(rows: slice) -> Any:
        return map_structure(lambda array: array[rows] if order is None else array[order[rows]], arrays)

    return part(slice(0, left)), part(slice(total - right, total))


def _arrays(dataset: Any) -> Any:
    """The data set as arrays in its structure."""
    if isinstance(dataset, (list, tuple, dict)):
        if not flatten(dataset):
            raise TypeError(f"`dataset` must hold arrays. Received: dataset={dataset!r} of type {type(dataset)}")
        return map_structure(_as_array, dataset)
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") and not hasattr(dataset, "__array__"):
        samples = list(_samples(dataset))
        if not samples:
            raise ValueError("`dataset` holds no samples.")
        columns = zip(*(flatten(sample) for sample in samples), strict=True)
        stacked = iter([np.stack([np.asarray(value) for value in column]) for column in columns])
        return map_structure(lambda _: next(stacked), samples[0])
    return _as_array(dataset)


def _samples(dataset: Any) -> Iterator[Any]:
    return (dataset[index] for index in range(len(dataset)))


def _as_array(value: Any) -> Any:
    array = np.asarray(value)
    if array.ndim == 0:
        raise TypeError(
            "The `dataset` argument must be arrays, in lists, tuples and dicts. "
            f"Received: {value!r} of type {type(value)}"
        )
    return array


def _sizes(left: float | None, right: float | None, total: int) -> tuple[int, int]:
    """Both sizes as numbers of samples; the rules are Keras's ``_rescale_dataset_split_sizes``."""
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and type(size) not in (int, float):
            raise TypeError(f"Invalid `{name}` Type. Expected: int or float or None, Received: {name}={size!r}")
    if left == 0 and right == 0:
        raise ValueError(
            "Both `left_size` and `right_size` are zero. At least one of the split sizes must be non-zero."
        )
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and not 0 < size < (1 if isinstance(size, float) else total):
            raise ValueError(
                f"`{name}` should be either a positive integer smaller than {total}, or a float within the range "
                f"`[0, 1]`. Received: {name}={size}"
            )
    if isinstance(left, float) and isinstance(right, float) and left + right > 1:
        raise ValueError(
            "The sum of `left_size` and `right_size` is greater than 1. It must be less than or equal to 1."
        )
    counts: Sequence[int | None] = [round(s * total) if isinstance(s, float) else s for s in (left, right)]
    first = counts[0] if counts[0] is not None else total - (counts[1] or 0)
    second = counts[1] if counts[1] is not None else total - first
    if first + second > total:
        raise ValueError(
            f"The sum of `left_size` and `right_size` should be smaller than the {total}. "
            f"Received: left_size + right_size = {first + second}"
        )
    for side, count in (("left", first), ("right", second)):
        if count == 0:
            raise ValueError(
                f"With `dataset` of length={total}, `left_size`={left} and `right_size`={right}. Resulting {side} side "
                "dataset split will be empty. Adjust any of the aforementioned parameters"
            )
    return first, second
