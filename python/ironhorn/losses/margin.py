"""Losses of margins. Labels are -1 and 1, or 0 and 1; the categorical one takes one-hot labels."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import Array, EngineLoss, evaluate


class _Hinge(EngineLoss):
    _exponent = 1

    def _rows(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Array:
        if y_true.shape != y_pred.shape or np.isin(y_true, (0, 1)).all() or (y_true != 0).all():
            return super()._rows(y_true, y_pred)
        # The engine takes any 0 for -1. Keras does where all labels of the batch are 0 or 1.
        margin = np.maximum(1 - y_true.astype(np.float64) * y_pred, 0) ** self._exponent
        return margin.mean(-1).astype(np.float32)


class Hinge(_Hinge):
    """``mean(max(1 - y_true * y_pred, 0))``.

    Labels of 0 and 1 mean -1 and 1. In training any 0 means -1, one by one; alone, as in Keras, only where all labels
    of the call are 0 or 1.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class SquaredHinge(_Hinge):
    """``mean(max(1 - y_true * y_pred, 0)**2)``.

    Labels of 0 and 1 mean -1 and 1. In training any 0 means -1, one by one; alone, as in Keras, only where all labels
    of the call are 0 or 1.
    """

    _exponent = 2

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class CategoricalHinge(EngineLoss):
    """``max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """``mean(max(1 - y_true * y_pred, 0), axis=-1)``, float32. See ``Hinge``."""
    return evaluate(Hinge(reduction=None), y_true, y_pred)


def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """``mean(max(1 - y_true * y_pred, 0)**2, axis=-1)``, float32. See ``SquaredHinge``."""
    return evaluate(SquaredHinge(reduction=None), y_true, y_pred)


def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """The categorical hinge loss by row, float32. See ``CategoricalHinge``."""
    return evaluate(CategoricalHinge(reduction=None), y_true, y_pred)
