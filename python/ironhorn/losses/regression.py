"""Losses of regression: errors, their logarithms, their direction."""

from typing import Any

from numpy.typing import ArrayLike

from .base import Array, EngineLoss, evaluate, integer_axis


class MeanSquaredError(EngineLoss):
    """``mean((y_true - y_pred)**2)``; ``reduction="sum"`` adds up the rows' means."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanAbsoluteError(EngineLoss):
    """``mean(abs(y_true - y_pred))``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanAbsolutePercentageError(EngineLoss):
    """``100 * mean(abs(y_true - y_pred) / max(abs(y_true), 1e-7))``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanSquaredLogarithmicError(EngineLoss):
    """``mean((log(y_true + 1) - log(y_pred + 1))**2)``, both at least 1e-7."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class LogCosh(EngineLoss):
    """``mean(log(cosh(y_pred - y_true)))``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "log_cosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class Huber(EngineLoss):
    """``mean`` of ``e**2 / 2`` where ``|e| <= delta``, of ``delta * |e| - delta**2 / 2`` beyond.

    Args:
        delta: where the square becomes a line.
    """

    _parameters = ("delta",)

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.delta = delta


class CosineSimilarity(EngineLoss):
    """``-sum(y_true * y_pred)`` of both normalised: -1 where they have one direction.

    Args:
        axis: the axis of the vectors; to train with, -1.
    """

    _parameters = ("axis",)

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = integer_axis(axis, type(self).__name__)


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """``mean((y_true - y_pred)**2, axis=-1)``, float32."""
    return evaluate(MeanSquaredError(reduction=None), y_true, y_pred)


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """``mean(abs(y_true - y_pred), axis=-1)``, float32."""
    return evaluate(MeanAbsoluteError(reduction=None), y_true, y_pred)


def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """The mean absolute percentage error by row, float32."""
    return evaluate(MeanAbsolutePercentageError(reduction=None), y_true, y_pred)


def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """The mean squared logarithmic error by row, float32."""
    return evaluate(MeanSquaredLogarithmicError(reduction=None), y_true, y_pred)


def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """``mean(log(cosh(y_pred - y_true)), axis=-1)``, float32."""
    return evaluate(LogCosh(reduction=None), y_true, y_pred)


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> Array:
    """The Huber loss by row, float32. See ``Huber``."""
    return evaluate(Huber(delta=delta, reduction=None), y_true, y_pred)


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """Minus the cosine by row, float32. See ``CosineSimilarity``."""
    return evaluate(CosineSimilarity(axis=axis, reduction=None), y_true, y_pred)
