"""Hinge losses as metrics."""

from typing import Any

from ..losses import categorical_hinge, hinge, squared_hinge
from .reduction import MeanMetricWrapper


class Hinge(MeanMetricWrapper):
    """The mean of ``max(1 - y_true * y_pred, 0)``; targets are -1 or 1, or 0 or 1.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "down"

    def __init__(self, name: str | None = "hinge", dtype: Any = None) -> None:
        super().__init__(hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """The mean of ``max(1 - y_true * y_pred, 0)**2``; targets are -1 or 1, or 0 or 1.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "down"

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """The mean of ``max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)``.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True
    _direction = "down"

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(categorical_hinge, name, dtype)
