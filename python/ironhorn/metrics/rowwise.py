"""Metrics that are the mean of a value of each row, which the engine computes."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .. import _core, serialization
from ..losses import Array, by_row, numbers, same_rank, sparse_categorical_crossentropy
from ..naming import to_snake_case
from .base import Mean


class Rowwise(Mean):
    """The mean of what the engine's ``metric_values`` gives."""

    _mode: ClassVar[str] = "row"

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name or to_snake_case(type(self).__name__), dtype)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """The metric by row, or, for ``Accuracy`` and ``BinaryAccuracy``, by element."""
        true, pred = numbers(y_true, "y_true"), numbers(y_pred, "y_pred")
        form = serialization.serialize(self)
        if self._mode == "sparse":
            return by_row(_core.metric_values, form, true, pred, sparse=True)
        true, pred = same_rank(true, pred)
        if self._mode == "row" or true.shape != pred.shape:
            return by_row(_core.metric_values, form, true, pred)
        return by_row(_core.metric_values, form, true[..., None], pred[..., None])

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Takes a batch in.

        Args:
            y_true: targets, of the shape of ``y_pred``; class indices for sparse metrics.
            y_pred: predictions.
            sample_weight: one a sample.

        Raises:
            ValueError: if the shapes do not suit each other.
            TypeError: if an array does not hold numbers.
        """
        super().update_state(self.values(y_true, y_pred), sample_weight)


class Accuracy(Rowwise):
    """How often ``y_pred == y_true``."""

    _mode = "element"
    _direction = "up"


class BinaryAccuracy(Rowwise):
    """How often ``y_pred > threshold`` agrees with the 0 or 1 of ``y_true``."""

    _parameters = ("threshold",)
    _mode = "element"
    _direction = "up"

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5) -> None:
        if threshold is not None and not 0 < threshold < 1:
            raise ValueError(f"BinaryAccuracy: `threshold` must be between 0 and 1. Received: threshold={threshold}")
        super().__init__(name, dtype)
        self.threshold = threshold


class CategoricalAccuracy(Rowwise):
    """How often the largest prediction sits where the one-hot target has its one."""

    _direction = "up"


class SparseCategoricalAccuracy(Rowwise):
    """How often the largest prediction sits at the class index."""

    _mode = "sparse"
    _direction = "up"


class MeanSquaredError(Rowwise):
    """The mean of ``(y_true - y_pred)**2``."""

    _direction = "down"


class MeanAbsoluteError(Rowwise):
    """The mean of ``abs(y_true - y_pred)``."""

    _direction = "down"


class _Crossentropy(Rowwise):
    _parameters: ClassVar[tuple[str, ...]] = ("from_logits", "label_smoothing")
    _direction = "down"

    def __init__(
        self, name: str | None = None, dtype: Any = None, from_logits: bool = False, label_smoothing: float = 0
    ) -> None:
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"{type(self).__name__}: `label_smoothing` must be in [0, 1]. Received: {label_smoothing}")
        super().__init__(name, dtype)
        self.from_logits = bool(from_logits)
        self.label_smoothing = label_smoothing


class BinaryCrossentropy(_Crossentropy):
    """The mean of the binary crossentropy. See ``ironhorn.losses.BinaryCrossentropy``."""


class CategoricalCrossentropy(_Crossentropy):
    """The mean of the categorical crossentropy. See ``ironhorn.losses.CategoricalCrossentropy``."""

    _parameters = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        if axis != -1:
            raise NotImplementedError(f"CategoricalCrossentropy: `axis` must be -1. Received: axis={axis}")
        super().__init__(name, dtype, from_logits, label_smoothing)
        self.axis = axis


class SparseCategoricalCrossentropy(Rowwise):
    """The mean of the crossentropy for class indices; 0 for the rows of ``ignore_class``."""

    _parameters = ("from_logits", "ignore_class", "axis")
    _mode = "sparse"
    _direction = "down"

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        if axis != -1:
            raise NotImplementedError(f"SparseCategoricalCrossentropy: `axis` must be -1. Received: axis={axis}")
        super().__init__(name, dtype)
        self.from_logits = bool(from_logits)
        self.ignore_class = ignore_class
        self.axis = axis

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """The crossentropy by row; 0 where the class is ignored."""
        return sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.ignore_class)

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Takes a batch in. As in Keras, rows of the ignored class are 0, and count only where there are no weights."""
        if self.ignore_class is not None and sample_weight is not None:
            kept = np.asarray(y_true).reshape(np.shape(y_pred)[:-1]) != self.ignore_class
            sample_weight = kept * numbers(sample_weight, "sample_weight").astype(np.float32).reshape(kept.shape)
        super().update_state(y_true, y_pred, sample_weight)


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where ``y_pred == y_true``, else 0."""
    return Accuracy().values(y_true, y_pred)


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> Array:
    """1 where ``y_pred > threshold`` agrees with ``y_true``, else 0."""
    return BinaryAccuracy(threshold=threshold).values(y_true, y_pred)


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 for each row whose largest prediction is at the target's one, else 0."""
    return CategoricalAccuracy().values(y_true, y_pred)


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 for each row whose largest prediction is at the class index, else 0."""
    return SparseCategoricalAccuracy().values(y_true, y_pred)
