"""Shares of hits. Source: keras/src/metrics/accuracy_metrics.py."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..losses.base import Array, by_row, numbers, same_rank
from .reduction import MeanMetricWrapper


def in_single(values: ArrayLike, argument: str) -> NDArray[Any]:
    """An array of numbers; floats in single precision, in which the engine and Keras compare."""
    array = numbers(values, argument)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _by_element(form: dict[str, Any], y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    true, pred = same_rank(in_single(y_true, "y_true"), in_single(y_pred, "y_pred"))
    if true.shape != pred.shape:
        raise ValueError(
            f"{form['class_name']}: `y_true` must have shape {pred.shape}, as `y_pred`. Received: {true.shape}"
        )
    return by_row(_core.metric_values, form, true[..., None], pred[..., None])


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where ``y_pred == y_true``, else 0."""
    return _by_element({"class_name": "Accuracy"}, y_true, y_pred)


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> Array:
    """1 where ``y_pred > threshold`` agrees with the 0 or 1 of ``y_true``, else 0."""
    return _by_element({"class_name": "BinaryAccuracy", "config": {"threshold": threshold}}, y_true, y_pred)


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 for each row whose largest prediction is where the largest target is, else 0."""
    true, pred = in_single(y_true, "y_true"), in_single(y_pred, "y_pred")
    return by_row(_core.metric_values, {"class_name": "CategoricalAccuracy"}, true, pred)


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 for each row whose largest prediction is at the class index, else 0."""
    true, pred = in_single(y_true, "y_true"), in_single(y_pred, "y_pred")
    return by_row(_core.metric_values, {"class_name": "SparseCategoricalAccuracy"}, true, pred, sparse=True)


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """1 for each row where fewer than ``k`` predictions exceed the one at the largest target, else 0."""
    true, pred = in_single(y_true, "y_true"), in_single(y_pred, "y_pred")
    return by_row(_core.metric_values, {"class_name": "TopKCategoricalAccuracy", "config": {"k": k}}, true, pred)


def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """1 for each row where fewer than ``k`` predictions exceed the one of the class, else 0.

    With ``from_sorted_ids`` the predictions are class ids, best first, and the first ``k`` are looked at.
    """
    true, pred = in_single(y_true, "y_true"), in_single(y_pred, "y_pred")
    config = {"k": k, "from_sorted_ids": from_sorted_ids}
    form = {"class_name": "SparseTopKCategoricalAccuracy", "config": config}
    return by_row(_core.metric_values, form, true, pred, sparse=True).reshape(true.shape)


class Accuracy(MeanMetricWrapper):
    """How often predictions equal labels.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "up"

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often ``y_pred > threshold`` agrees with the 0 or 1 of ``y_true``.

    Args:
        name: a name.
        dtype: of the values.
        threshold: where a prediction becomes 1, between 0 and 1.
    """

    is_native = True
    _parameters = ("threshold",)
    _direction = "up"

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        if threshold is not None and not 0 < threshold < 1:
            raise ValueError(f"BinaryAccuracy: `threshold` must be between 0 and 1. Received: threshold={threshold}")
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction sits where the one-hot target has its one.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "up"

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction sits at the class index.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "up"

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the one-hot target is among the ``k`` largest predictions.

    Args:
        k: how many may be guessed.
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _parameters = ("k",)
    _direction = "up"

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = k


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class index is among the ``k`` largest predictions.

    Args:
        k: how many may be guessed.
        name: a name.
        dtype: of the values.
        from_sorted_ids: whether predictions are class ids, best first, instead of one number a class.
    """

    is_native = True
    _parameters = ("k",)
    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
        self.k = k
        self.from_sorted_ids = from_sorted_ids

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; ``from_sorted_ids``, as in Keras, where it is true."""
        return {**super().get_config(), **({"from_sorted_ids": True} if self.from_sorted_ids else {})}
