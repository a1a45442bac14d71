"""Counts of hits and misses over thresholds, precision, recall. Source: keras/src/metrics/confusion_metrics.py."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..losses.base import numbers, same_rank
from .accuracy import in_single
from .engine import EngineMetric, Rows, spread
from .metrics_utils import parse_init_thresholds
from .variable import Variable

NEVER = -1e10
"""The threshold where ``top_k`` decides instead."""


class ThresholdMetric(EngineMetric):
    """Base of the metrics that compare predictions with thresholds."""

    class_id: int | None = None
    top_k: int | None = None

    def _rows(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None) -> Rows:
        pred, true = same_rank(in_single(y_pred, "y_pred"), in_single(y_true, "y_true"))
        if true.shape != pred.shape:
            raise ValueError(
                f"{type(self).__name__}: `y_true` and `y_pred` must have the same shape. "
                f"Received: y_true of shape {true.shape}, y_pred of shape {pred.shape}"
            )
        if self.class_id is not None and pred.ndim == 1:
            raise ValueError(
                "When class_id is provided, y_pred must be a 2D array with shape (num_samples, num_classes), found "
                f"shape: {pred.shape}"
            )
        weights = None
        if sample_weight is not None:
            given = numbers(sample_weight, "sample_weight")[..., None]
            given = given[..., 0] if given.ndim == true.ndim + 1 else given
            weights = spread(given, pred.shape)
        if pred.ndim < 2:
            # A vector is a column, but for the k largest of it.
            shape = (1, -1) if self.top_k is not None else (-1, 1)
        else:
            shape = (-1, pred.shape[-1])
        if weights is not None and pred.ndim < 2:
            weights = np.broadcast_to(weights.reshape(-1), pred.shape).reshape(shape)
        return true.reshape(shape), pred.reshape(shape), weights


class _Count(ThresholdMetric):
    """One of the four counts.

    Args:
        thresholds: a number or a list of numbers in [0, 1]; 0.5 by default. A prediction above one is positive.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for a threshold outside of [0, 1].
    """

    accumulator: Variable

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        self.init_thresholds = thresholds
        self.thresholds = parse_init_thresholds(thresholds)
        super().__init__(name, dtype)

    def _form(self) -> dict[str, Any]:
        return {"class_name": type(self).__name__, "config": {"thresholds": self.thresholds}}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "thresholds": self.init_thresholds}


class FalsePositives(_Count):
    __doc__ = "How many targets that are 0 were predicted.\n" + (_Count.__doc__ or "").split("\n", 1)[1]
    is_native = True


class FalseNegatives(_Count):
    __doc__ = "How many targets that are not 0 were not predicted.\n" + (_Count.__doc__ or "").split("\n", 1)[1]
    is_native = True


class TrueNegatives(_Count):
    __doc__ = "How many targets that are 0 were not predicted.\n" + (_Count.__doc__ or "").split("\n", 1)[1]
    is_native = True


class TruePositives(_Count):
    __doc__ = "How many targets that are not 0 were predicted.\n" + (_Count.__doc__ or "").split("\n", 1)[1]
    is_native = True


class _Ratio(ThresholdMetric):
    _direction = "up"
    true_positives: Variable

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self.thresholds = parse_init_thresholds(thresholds, 0.5 if top_k is None else NEVER)
        super().__init__(name, dtype)

    def _form(self) -> dict[str, Any]:
        given = None if self.init_thresholds is None else self.thresholds
        config = {"thresholds": given, "top_k": self.top_k, "class_id": self.class_id}
        return {"class_name": type(self).__name__, "config": config}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **config}


class Precision(_Ratio):
    """True positives over all that was predicted; 0 where nothing was.

    >>> m = Precision()
    >>> m.update_state([0, 1, 1, 1], [1, 0, 1, 1])
    >>> m.result()
    0.6666667

    Args:
        thresholds: a number or a list of numbers in [0, 1], 0.5 by default; a list gives an array.
        top_k: only a row's ``top_k`` largest predictions can be positive; without ``thresholds`` all of them are.
        class_id: only this column counts.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for a threshold outside of [0, 1].
    """

    is_native = True
    false_positives: Variable


class Recall(_Ratio):
    """True positives over all targets that are not 0; 0 where there are none.

    >>> m = Recall()
    >>> m.update_state([0, 1, 1, 1], [1, 0, 1, 1])
    >>> m.result()
    0.6666667

    Args:
        thresholds: a number or a list of numbers in [0, 1], 0.5 by default; a list gives an array.
        top_k: only a row's ``top_k`` largest predictions can be positive; without ``thresholds`` all of them are.
        class_id: only this column counts.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for a threshold outside of [0, 1].
    """

    is_native = True
    false_negatives: Variable
