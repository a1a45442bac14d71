"""Correlations of each row's targets and predictions. Source: keras/src/metrics/correlation_metrics.py."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..losses.base import Array, by_row, same_rank
from .accuracy import in_single
from .reduction import MeanMetricWrapper


def along(class_name: str, y_true: ArrayLike, y_pred: ArrayLike, axis: int) -> Array:
    """The engine's row metric along an axis."""
    true, pred = same_rank(in_single(y_true, "y_true"), in_single(y_pred, "y_pred"))
    if axis not in (-1, pred.ndim - 1):
        true, pred = np.moveaxis(true, axis, -1), np.moveaxis(pred, axis, -1)
    return by_row(_core.metric_values, {"class_name": class_name}, true, pred)


def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """Pearson's correlation along ``axis``; NaN where one side does not vary, as in Keras."""
    return along("PearsonCorrelation", y_true, y_pred, axis)


def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """Lin's concordance correlation coefficient along ``axis``."""
    return along("ConcordanceCorrelation", y_true, y_pred, axis)


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of the rows' Pearson correlations.

    Args:
        name: a name.
        dtype: of the values.
        axis: along which a correlation is taken; in ``compile`` it must be -1.
    """

    is_native = True
    _parameters = ("axis",)
    _direction = "up"

    def __init__(self, name: str | None = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)
        self.axis = axis


class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean of the rows' concordance correlation coefficients.

    Args:
        name: a name.
        dtype: of the values.
        axis: along which a correlation is taken; in ``compile`` it must be -1.
    """

    is_native = True
    _parameters = ("axis",)
    _direction = "up"

    def __init__(self, name: str | None = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)
        self.axis = axis
