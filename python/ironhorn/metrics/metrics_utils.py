"""The names that ``AUC`` takes, as enums. Source: keras/src/metrics/metrics_utils.py."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Self


class AUCCurve(Enum):
    """The curve under which an area is."""

    ROC = "ROC"
    PR = "PR"
    PRGAIN = "PRGAIN"

    @classmethod
    def from_str(cls, key: str) -> Self:
        """The curve of this name, in upper or lower case."""
        for curve in cls:
            if key in (curve.value, curve.value.lower()):
                return curve
        raise ValueError(f'Invalid AUC curve value: "{key}". Expected values are ["PR", "ROC", "PRGAIN"]')


class AUCSummationMethod(Enum):
    """The height of the curve between two thresholds."""

    INTERPOLATION = "interpolation"
    MAJORING = "majoring"
    MINORING = "minoring"

    @classmethod
    def from_str(cls, key: str) -> Self:
        """The method of this name, capitalised or not."""
        for method in cls:
            if key in (method.value, method.value.capitalize()):
                return method
        raise ValueError(
            f'Invalid AUC summation method value: "{key}". Expected values are '
            '["interpolation", "majoring", "minoring"]'
        )


def to_list(values: Any) -> list[Any]:
    """A list of one, or the list that it is."""
    return list(values) if isinstance(values, Iterable) else [values]


def parse_init_thresholds(thresholds: Any, default_threshold: float = 0.5) -> list[float]:
    """The argument ``thresholds`` as a list.

    Raises:
        ValueError: for a threshold outside of [0, 1].
    """
    if thresholds is None:
        return [default_threshold]
    invalid = [t for t in to_list(thresholds) if t is None or t < 0 or t > 1]
    if invalid:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {invalid}")
    return to_list(thresholds)
