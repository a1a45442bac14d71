"""Metrics: running numbers over batches, for ``compile`` and usable alone.

``m.update_state(y_true, y_pred); m.result(); m.reset_state()``, or ``m(y_true, y_pred)`` for the first two.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, losses, serialization
from .losses import Array, by_row, mean_absolute_error, mean_squared_error, numbers, same_rank
from .naming import auto_name, to_snake_case


class Metric:
    """Base class. Subclasses define ``update_state``, ``result`` and ``reset_state``.

    Args:
        dtype: ``None`` or ``"float32"``.
        name: a name; by default the class's.
    """

    _keras_module = "keras.metrics"
    _parameters: ClassVar[tuple[str, ...]] = ()
    _direction: str | None = None

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or auto_name(type(self).__name__)
        self.dtype = serialization.standardize_dtype(dtype, type(self).__name__)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Takes a batch in."""
        raise NotImplementedError

    def result(self) -> Any:
        """The number so far."""
        raise NotImplementedError

    def reset_state(self) -> None:
        """Forgets all batches."""
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``update_state``, then ``result``."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype, **{n: getattr(self, n) for n in self._parameters}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a metric from ``get_config``'s result."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _by_sample(
    values: NDArray[Any], sample_weight: ArrayLike | None, reduce: Callable[..., Any]
) -> tuple[Array, Array | None]:
    """Keras's ``reduce_to_samplewise_values``: one value, times its weight, a sample."""
    values = values.astype(np.float32)
    weights = None
    if sample_weight is not None:
        weights = numbers(sample_weight, "sample_weight").astype(np.float32)
        values, weights = same_rank(values, weights)
        ndim = weights.ndim
        if values.ndim > ndim:
            values = reduce(values, axis=tuple(range(ndim, values.ndim)))
        try:
            weights = np.broadcast_to(weights, values.shape)
        except ValueError:
            raise ValueError(
                f"`sample_weight` must suit values of shape {values.shape}. Received: shape {weights.shape}"
            ) from None
        values = values * weights
        if ndim > 1:
            weights = reduce(weights, axis=tuple(range(1, ndim)))
    if values.ndim > 1:
        values = reduce(values, axis=tuple(range(1, values.ndim)))
    return values, weights


class Sum(Metric):
    """The weighted sum of values."""

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.reset_state()

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds ``values``, of any shape, times ``sample_weight``."""
        samples, _ = _by_sample(numbers(values, "values"), sample_weight, np.sum)
        self._total += float(np.sum(samples, dtype=np.float64))

    def result(self) -> np.float32:
        """The sum so far."""
        return np.float32(self._total)

    def reset_state(self) -> None:
        """Starts from 0 again."""
        self._total = 0.0


class Mean(Metric):
    """The weighted mean of values; 0 before the first."""

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.reset_state()

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Takes ``values`` in, ``(batch, ...)``, with ``sample_weight`` one a sample or one a value."""
        samples, weights = _by_sample(numbers(values, "values"), sample_weight, np.mean)
        self._total += float(np.sum(samples, dtype=np.float64))
        if weights is not None:
            self._count += float(np.sum(weights, dtype=np.float64))
        else:
            self._count += samples.shape[0] if samples.ndim else 1

    def result(self) -> np.float32:
        """The mean so far."""
        return np.float32(self._total / self._count if self._count else 0.0)

    def reset_state(self) -> None:
        """Forgets all values."""
        self._total = self._count = 0.0


class _Rowwise(Mean):
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


class Accuracy(_Rowwise):
    """How often ``y_pred == y_true``."""

    _mode = "element"
    _direction = "up"


class BinaryAccuracy(_Rowwise):
    """How often ``y_pred > threshold`` agrees with the 0 or 1 of ``y_true``."""

    _parameters = ("threshold",)
    _mode = "element"
    _direction = "up"

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5) -> None:
        if threshold is not None and not 0 < threshold < 1:
            raise ValueError(f"BinaryAccuracy: `threshold` must be between 0 and 1. Received: threshold={threshold}")
        super().__init__(name, dtype)
        self.threshold = threshold


class CategoricalAccuracy(_Rowwise):
    """How often the largest prediction sits where the one-hot target has its one."""

    _direction = "up"


class SparseCategoricalAccuracy(_Rowwise):
    """How often the largest prediction sits at the class index."""

    _mode = "sparse"
    _direction = "up"


class MeanSquaredError(_Rowwise):
    """The mean of ``(y_true - y_pred)**2``."""

    _direction = "down"


class MeanAbsoluteError(_Rowwise):
    """The mean of ``abs(y_true - y_pred)``."""

    _direction = "down"


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


_ENGINE_CLASSES: tuple[type[_Rowwise], ...] = (
    Accuracy, BinaryAccuracy, CategoricalAccuracy, MeanAbsoluteError, MeanSquaredError, SparseCategoricalAccuracy,
)  # fmt: skip
_CLASSES: tuple[type[Metric], ...] = (*_ENGINE_CLASSES, Mean, Sum)
_FUNCTIONS: dict[Any, type[_Rowwise]] = {
    accuracy: Accuracy,
    binary_accuracy: BinaryAccuracy,
    categorical_accuracy: CategoricalAccuracy,
    sparse_categorical_accuracy: SparseCategoricalAccuracy,
    mean_squared_error: MeanSquaredError,
    mean_absolute_error: MeanAbsoluteError,
}
ALL_OBJECTS: dict[str, Any] = {cls.__name__: cls for cls in _CLASSES}
ALL_OBJECTS |= {to_snake_case(cls.__name__): cls for cls in _CLASSES}
ALL_OBJECTS |= {"mse": MeanSquaredError, "MSE": MeanSquaredError, "mae": MeanAbsoluteError, "MAE": MeanAbsoluteError}


def serialize(metric: Any) -> Any:
    """The nested form of a metric."""
    return serialization.serialize(metric)


def deserialize(config: Any) -> Any:
    """The metric a name or a nested form stands for."""
    return serialization.get(config, ALL_OBJECTS, "metric")


def get(identifier: Any) -> Any:
    """The metric for a name, a configuration, a class, a function or an object; ``None`` stays ``None``.

    Raises:
        ValueError: for unknown names; the nearest one is named.
    """
    return serialization.get(identifier, ALL_OBJECTS, "metric")


class Compiled:
    """A metric as ``compile`` hands it to the engine: its name in the logs, its form, its direction."""

    def __init__(self, name: str, form: Any, direction: str | None) -> None:
        self.name = name
        self.form = form
        self._direction = direction


def resolve(identifiers: Sequence[Any]) -> list[Compiled]:
    """The engine's metrics for the flat list of ``compile(metrics=...)``; a name used twice gets a number.

    Raises:
        ValueError: for unknown names.
        TypeError: for metrics written in Python, which the engine cannot run.
    """
    counts: dict[str, int] = {}
    compiled = []
    for identifier in identifiers:
        entry = _resolve_one(identifier)
        index = counts.get(entry.name, 0)
        counts[entry.name] = index + 1
        entry.name = f"{entry.name}_{index}" if index else entry.name
        compiled.append(entry)
    return compiled


def _resolve_one(identifier: Any) -> Compiled:
    if isinstance(identifier, str):
        kind = {"acc": "accuracy", "accuracy": "accuracy", "crossentropy": "crossentropy", "ce": "crossentropy"}
        if identifier.lower() in kind:
            name = kind[identifier.lower()]
            return Compiled(identifier, name, "up" if name == "accuracy" else "down")
    metric = get(identifier)
    if metric is None:
        raise ValueError("Expected metric, received `None`")
    name = identifier if isinstance(identifier, str) else ""
    if not isinstance(metric, Metric):
        cls = _FUNCTIONS.get(metric)
        if cls is None and isinstance(metric, losses.Loss):
            cls = next((c for c in _ENGINE_CLASSES if c.__name__ == type(metric).__name__), None)
            name = metric.name
        if cls is None:
            raise TypeError(
                f"A metric is a name, a function or an object of ironhorn.metrics. Received: {identifier!r}"
            )
        name = name or metric.__name__
        metric = cls(name=name)
    if type(metric) not in _ENGINE_CLASSES:
        raise TypeError(
            f"{type(metric).__name__} cannot be compiled: the engine runs "
            f"{', '.join(cls.__name__ for cls in _ENGINE_CLASSES)}. Received: {identifier!r}"
        )
    return Compiled(name or metric.name, serialization.serialize(metric), metric._direction)
