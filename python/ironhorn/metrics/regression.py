"""Errors and scores of numbers. Source: keras/src/metrics/regression_metrics.py."""

import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..losses import (
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from ..losses.base import Array, same_rank
from .accuracy import in_single
from .correlation import along
from .engine import EngineMetric
from .reduction import Mean, MeanMetricWrapper
from .variable import Variable


class MeanSquaredError(MeanMetricWrapper):
    """The mean of ``(y_true - y_pred)**2``.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "down"

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of ``abs(y_true - y_pred)``.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "down"

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of ``100 * abs((y_true - y_pred) / y_true)``.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "down"

    def __init__(self, name: str | None = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of ``(log(y_true + 1) - log(y_pred + 1))**2``.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "down"

    def __init__(self, name: str | None = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(mean_squared_logarithmic_error, name, dtype)


class RootMeanSquaredError(Mean):
    """The square root of the mean of ``(y_true - y_pred)**2``.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Takes a batch in.

        Args:
            y_true: targets.
            y_pred: predictions, of the same shape.
            sample_weight: one a sample, or one a number.
        """
        true, pred = in_single(y_true, "y_true").astype(self.dtype), in_single(y_pred, "y_pred").astype(self.dtype)
        true, pred = same_rank(true, pred)
        super().update_state(np.square(pred - true), sample_weight)

    def result(self) -> Any:
        """The error so far."""
        return np.sqrt(super().result())


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """The cosine of the angle between targets and predictions; the loss of this name is its negative."""
    return along("CosineSimilarity", y_true, y_pred, axis)


class CosineSimilarity(MeanMetricWrapper):
    """The mean of the cosines of the angles between targets and predictions.

    Args:
        name: a name.
        dtype: of the values.
        axis: of the vectors; in ``compile`` it must be -1.
    """

    is_native = True
    _direction = "up"

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(cosine_similarity, name, dtype, axis=axis)

    @property
    def axis(self) -> int:
        """The axis of the vectors; Keras's configuration leaves it out."""
        return int(self._fn_kwargs["axis"])


class LogCoshError(MeanMetricWrapper):
    """The mean of ``log(cosh(y_pred - y_true))``.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "down"

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(log_cosh, name, dtype)


class R2Score(EngineMetric):
    """The share of the targets' variance that the predictions explain, R².

    Args:
        class_aggregation: how the columns' scores become one: ``"uniform_average"``,
            ``"variance_weighted_average"``, or ``None``, which keeps them apart.
        num_regressors: of the adjusted score; 0 is the plain one.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for another aggregation, or a negative number of regressors.
    """

    is_native = True
    _parameters = ("class_aggregation", "num_regressors")
    _attributes: ClassVar[dict[str, str]] = {"residual": "total_mse"}
    _direction = "up"
    num_samples: Variable
    squared_sum: Variable
    sum: Variable
    total_mse: Variable
    count: Variable

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        known = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in known:
            raise ValueError(
                f"Invalid value for argument `class_aggregation`. Expected one of {known}. "
                f"Received: class_aggregation={class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(
                "Invalid value for argument `num_regressors`. Expected a value >= 0. "
                f"Received: num_regressors={num_regressors}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        super().__init__(name, dtype)

    def _is_array(self) -> bool:
        return self.class_aggregation is None

    def _rows(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        true, pred = same_rank(in_single(y_true, "y_true"), in_single(y_pred, "y_pred"))
        return self._matrices(true, pred, sample_weight)

    def result(self) -> Any:
        """The score so far."""
        samples = float(self.num_samples) if self._built else 0.0
        if self._built and self.num_regressors:
            reason = {True: "More independent predictors than datapoints in adjusted R2 score.",
                      False: "Division by zero in Adjusted R2 score."}  # fmt: skip
            if self.num_regressors >= samples - 1:
                more = self.num_regressors > samples - 1
                warnings.warn(f"{reason[more]} Falling back to standard R2 score.", stacklevel=2)
        return super().result()
