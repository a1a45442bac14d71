"""Losses of overlap: Dice and Tversky.

Keras's default, ``axis=None``, is one coefficient of the whole batch. That is no mean over rows, so a model trains with
``axis=-1`` only; alone, every axis is there.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..ops.symbol import Symbol
from .base import Array, EngineLoss, evaluate

Axis = int | tuple[int, ...] | None


class _Overlap(EngineLoss):
    axis: Axis

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses: what is left of the axes."""
        if isinstance(y_pred, Symbol):
            return super().call(y_true, y_pred)
        true, pred = np.broadcast_arrays(y_true, y_pred)
        if self.axis == -1:
            return self._rows(true, pred)
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        both, y, p = (np.sum(x, axis=axis, dtype=np.float64) for x in (true * pred.astype(np.float64), true, pred))
        return np.asarray(1 - self._index(both, y, p), np.float32)

    def _index(self, both: Any, y: Any, p: Any) -> Any:
        raise NotImplementedError


class Dice(_Overlap):
    """``1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred) + 1e-7)``.

    Args:
        axis: what the sums run over: an axis, several, or None for everything; to train with, -1.
    """

    _parameters = ("axis",)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Axis = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = axis

    def _index(self, both: Any, y: Any, p: Any) -> Any:
        return 2 * both / (y + p + 1e-7)


class Tversky(_Overlap):
    """``1 - both / (both + alpha * sum((1 - y_pred) * y_true) + beta * sum(y_pred * (1 - y_true)) + 1e-7)``,
    for ``both = sum(y_true * y_pred)``.

    Args:
        alpha, beta: the weights of what is missed and of what is wrong.
        axis: as for ``Dice``.
    """

    _parameters = ("alpha", "beta", "axis")

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Axis = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.alpha = alpha
        self.beta = beta
        self.axis = axis

    def _index(self, both: Any, y: Any, p: Any) -> Any:
        return both / (both + self.alpha * (y - both) + self.beta * (p - both) + 1e-7)


def dice(y_true: ArrayLike, y_pred: ArrayLike, axis: Axis = None) -> Array:
    """The Dice loss over an axis, float32. See ``Dice``."""
    return evaluate(Dice(axis=axis, reduction=None), y_true, y_pred)


def tversky(y_true: ArrayLike, y_pred: ArrayLike, alpha: float = 0.5, beta: float = 0.5, axis: Axis = None) -> Array:
    """The Tversky loss over an axis, float32. See ``Tversky``."""
    return evaluate(Tversky(alpha=alpha, beta=beta, axis=axis, reduction=None), y_true, y_pred)
