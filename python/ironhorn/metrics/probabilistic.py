"""Crossentropies and divergences as metrics. Source: keras/src/metrics/probabilistic_metrics.py."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..losses import (
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from ..losses.base import numbers
from .reduction import MeanMetricWrapper


class KLDivergence(MeanMetricWrapper):
    """The mean of ``sum(y_true * log(y_true / y_pred))``.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """The mean of ``y_pred - y_true * log(y_pred)``.

    Args:
        name: a name.
        dtype: of the values.
    """

    is_native = True

    def __init__(self, name: str | None = "poisson", dtype: Any = None) -> None:
        super().__init__(poisson, name, dtype)


def _check_smoothing(owner: str, label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{owner}: `label_smoothing` must be in [0, 1]. Received: {label_smoothing}")


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean of the binary crossentropy. See ``ironhorn.losses.BinaryCrossentropy``.

    Args:
        name: a name.
        dtype: of the values.
        from_logits: whether predictions are logits.
        label_smoothing: in [0, 1].
    """

    is_native = True
    _parameters = ("from_logits", "label_smoothing")
    _direction = "down"

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        _check_smoothing("BinaryCrossentropy", label_smoothing)
        super().__init__(binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean of the categorical crossentropy. See ``ironhorn.losses.CategoricalCrossentropy``.

    Args:
        name: a name.
        dtype: of the values.
        from_logits: whether predictions are logits.
        label_smoothing: in [0, 1].
        axis: of the classes; -1.
    """

    is_native = True
    _parameters = ("from_logits", "label_smoothing", "axis")
    _direction = "down"

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        _check_smoothing("CategoricalCrossentropy", label_smoothing)
        super().__init__(
            categorical_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean of the crossentropy for class indices; 0 for the rows of ``ignore_class``.

    Args:
        name: a name.
        dtype: of the values.
        from_logits: whether predictions are logits.
        ignore_class: a class index whose rows are 0; as in Keras they count where there are no weights.
        axis: of the classes; -1.
    """

    is_native = True
    _parameters = ("from_logits", "ignore_class", "axis")
    _direction = "down"

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy, name, dtype, from_logits=from_logits, ignore_class=ignore_class, axis=axis
        )
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Takes a batch in. As in Keras, rows of the ignored class are 0, and count only where there are no weights."""
        if self.ignore_class is not None and sample_weight is not None:
            kept = np.asarray(y_true).reshape(np.shape(y_pred)[:-1]) != self.ignore_class
            weights = numbers(sample_weight, "sample_weight").astype(np.float32)
            sample_weight = kept * (weights.reshape(kept.shape) if weights.size == kept.size else weights)
        super().update_state(y_true, y_pred, sample_weight)
