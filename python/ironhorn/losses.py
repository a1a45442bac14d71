"""Losses: objects and functions of ``(y_true, y_pred)``, for ``compile`` and callable on arrays.

A loss is computed a row at a time (the last axis is reduced), weighted, and reduced to one number:
``"sum_over_batch_size"`` and ``"mean"`` divide by the number of rows' values, ``"sum"`` does not divide,
``"mean_with_sample_weight"`` divides by the sum of the weights, ``"none"`` and ``None`` leave the values.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, serialization
from .naming import auto_name, to_snake_case

Array = NDArray[np.float32]
REDUCTIONS = ("sum_over_batch_size", "sum", None, "none", "mean", "mean_with_sample_weight")


def numbers(values: ArrayLike, argument: str) -> NDArray[Any]:
    """An array of numbers; ``TypeError`` for anything else."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"`{argument}` must hold numbers. Received: dtype {array.dtype}")
    return array


def same_rank(first: NDArray[Any], second: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where ranks differ by one and the longer shape ends in 1: squeezes it, or expands a vector to it."""
    if first.ndim == second.ndim + 1 and first.shape[-1] == 1:
        return (first, second[:, None]) if second.ndim == 1 else (first[..., 0], second)
    if second.ndim == first.ndim + 1 and second.shape[-1] == 1:
        return (first[:, None], second) if first.ndim == 1 else (first, second[..., 0])
    return first, second


def by_row(
    compute: Callable[[str, NDArray[Any], NDArray[Any]], Array],
    form: dict[str, Any],
    y_true: NDArray[Any],
    y_pred: NDArray[Any],
    sparse: bool = False,
) -> Array:
    """Calls the engine on matrices; the result has the shape of ``y_pred`` without its last axis."""
    if sparse and y_true.ndim == y_pred.ndim and y_true.shape[-1:] == (1,):
        y_true = y_true[..., 0]
    expected = y_pred.shape[:-1] if sparse else y_pred.shape
    if y_pred.ndim == 0 or y_true.shape != expected:
        raise ValueError(
            f"{form['class_name']}: `y_true` must have shape {expected} for `y_pred` of shape {y_pred.shape}. "
            f"Received: y_true of shape {y_true.shape}"
        )
    width = y_pred.shape[-1]
    rows = np.ascontiguousarray(y_pred.reshape(-1, width))
    targets = np.ascontiguousarray(y_true.reshape(-1) if sparse else y_true.reshape(-1, width))
    return compute(serialization.to_text(form), targets, rows).reshape(y_pred.shape[:-1])


class Loss:
    """Base class. Subclasses define ``call(y_true, y_pred)``, the losses by row.

    Args:
        name: a name; by default the class's.
        reduction: see the module.
        dtype: ``None`` or ``"float32"``.

    Raises:
        ValueError: for an unknown ``reduction``.
    """

    _keras_module = "keras.losses"
    _parameters: ClassVar[tuple[str, ...]] = ()
    _sparse: ClassVar[bool] = False

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"Invalid value for argument `reduction`. Expected one of {REDUCTIONS}. "
                f"Received: reduction={reduction!r}"
            )
        self.name = name or auto_name(type(self).__name__)
        self.reduction = reduction
        self.dtype = serialization.standardize_dtype(dtype, type(self).__name__)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """The reduced loss, a float32 number, or, without a reduction, the values by row.

        Args:
            y_true: targets, ``(batch, ..., n)``; class indices ``(batch, ...)`` for sparse losses.
            y_pred: predictions, ``(batch, ..., n)``.
            sample_weight: weights that suit the values by row.

        Raises:
            ValueError: if the shapes do not suit each other.
            TypeError: if an array does not hold numbers.
        """
        true, pred = numbers(y_true, "y_true"), numbers(y_pred, "y_pred")
        values = np.asarray(self.call(true, pred), dtype=np.float32)
        weights = None if sample_weight is None else numbers(sample_weight, "sample_weight").astype(np.float32)
        mask = self._mask(true, pred, values)
        if mask is not None:
            averaged = self.reduction in ("sum_over_batch_size", "mean")
            factor = mask.size / max(int(mask.sum()), 1) if averaged else 1.0
            masked = np.where(mask, np.float32(factor), np.float32(0))
            if weights is None:
                weights = masked
            else:
                masked, weights = same_rank(masked, weights)
                weights = weights * masked
        if weights is not None:
            values, weights = same_rank(values, weights)
            values = values * weights
        if self.reduction in (None, "none") or values.shape in ((), (0,)):
            return values[()]
        total = values.sum(dtype=np.float64)
        if self.reduction != "sum":
            by_weight = self.reduction == "mean_with_sample_weight" and weights is not None
            count = float(weights.sum(dtype=np.float64)) if by_weight and weights is not None else float(values.size)
            total = total / count if count else np.float64(0)
        return np.float32(total)

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Array:
        """The losses by row."""
        true, pred = (y_true, y_pred) if self._sparse else same_rank(y_true, y_pred)
        return by_row(_core.loss_values, serialization.serialize(self), true, pred, self._sparse)

    def _mask(self, y_true: NDArray[Any], y_pred: NDArray[Any], values: Array) -> NDArray[np.bool_] | None:
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "reduction": self.reduction, **{n: getattr(self, n) for n in self._parameters}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a loss from ``get_config``'s result."""
        return cls(**config)


class MeanSquaredError(Loss):
    """``mean((y_true - y_pred)**2)``; ``reduction="sum"`` adds up the rows' means."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_squared_error", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanAbsoluteError(Loss):
    """``mean(abs(y_true - y_pred))``."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_absolute_error", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)


class _Crossentropy(Loss):
    _parameters = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        cls = type(self).__name__
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"{cls}: `label_smoothing` must be in [0, 1]. Received: {label_smoothing}")
        if axis != -1:
            raise NotImplementedError(f"{cls}: `axis` must be -1. Received: axis={axis}")
        super().__init__(name or to_snake_case(cls), reduction, dtype)
        self.from_logits = bool(from_logits)
        self.label_smoothing = label_smoothing
        self.axis = axis


class BinaryCrossentropy(_Crossentropy):
    """``-mean(y log p + (1 - y) log(1 - p))``.

    Args:
        from_logits: whether predictions are logits; else probabilities, clipped to [1e-7, 1 - 1e-7].
        label_smoothing: in [0, 1]; moves targets towards 0.5.
    """


class CategoricalCrossentropy(_Crossentropy):
    """``-sum(y log p)`` for one-hot targets.

    Args:
        from_logits: whether predictions are logits; else probabilities, renormalised and clipped.
        label_smoothing: in [0, 1]; moves targets towards the uniform distribution.
    """


class SparseCategoricalCrossentropy(Loss):
    """``-log p[y]`` for class indices.

    Args:
        from_logits: whether predictions are logits; else probabilities.
        ignore_class: a class index that counts nowhere.
    """

    _parameters = ("from_logits", "ignore_class")
    _sparse = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        if axis != -1:
            raise NotImplementedError(f"SparseCategoricalCrossentropy: `axis` must be -1. Received: axis={axis}")
        super().__init__(name, reduction, dtype)
        self.from_logits = bool(from_logits)
        self.ignore_class = ignore_class

    def _mask(self, y_true: NDArray[Any], y_pred: NDArray[Any], values: Array) -> NDArray[np.bool_] | None:
        if self.ignore_class is None:
            return None
        return np.reshape(y_true != self.ignore_class, values.shape)

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Array:
        """The losses by row; 0 where the class is ignored."""
        if self.ignore_class is None:
            return super().call(y_true, y_pred)
        kept = y_true != self.ignore_class
        plain = SparseCategoricalCrossentropy(self.from_logits, reduction=None)
        values = plain.call(np.where(kept, y_true, np.zeros((), y_true.dtype)), y_pred)
        return np.where(kept.reshape(values.shape), values, np.float32(0))


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """``mean((y_true - y_pred)**2, axis=-1)``, float32."""
    return MeanSquaredError(None).call(numbers(y_true, "y_true"), numbers(y_pred, "y_pred"))


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """``mean(abs(y_true - y_pred), axis=-1)``, float32."""
    return MeanAbsoluteError(None).call(numbers(y_true, "y_true"), numbers(y_pred, "y_pred"))


def binary_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Array:
    """The binary crossentropy by row, float32. See ``BinaryCrossentropy``."""
    loss = BinaryCrossentropy(from_logits, label_smoothing, axis, None)
    return loss.call(numbers(y_true, "y_true"), numbers(y_pred, "y_pred"))


def categorical_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Array:
    """The categorical crossentropy by row, float32. See ``CategoricalCrossentropy``."""
    loss = CategoricalCrossentropy(from_logits, label_smoothing, axis, None)
    return loss.call(numbers(y_true, "y_true"), numbers(y_pred, "y_pred"))


def sparse_categorical_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Array:
    """The crossentropy for class indices by row, float32. See ``SparseCategoricalCrossentropy``."""
    loss = SparseCategoricalCrossentropy(from_logits, ignore_class, None, axis)
    return loss.call(numbers(y_true, "y_true"), numbers(y_pred, "y_pred"))


_CLASSES: tuple[type[Loss], ...] = (
    BinaryCrossentropy, CategoricalCrossentropy, MeanAbsoluteError, MeanSquaredError, SparseCategoricalCrossentropy,
)  # fmt: skip
_FUNCTIONS: tuple[Callable[..., Array], ...] = (
    binary_crossentropy, categorical_crossentropy, mean_absolute_error, mean_squared_error,
    sparse_categorical_crossentropy,
)  # fmt: skip
ALL_OBJECTS: dict[str, Any] = {cls.__name__: cls for cls in _CLASSES}
ALL_OBJECTS |= {function.__name__: function for function in _FUNCTIONS}
ALL_OBJECTS |= {"bce": binary_crossentropy, "BCE": binary_crossentropy}
ALL_OBJECTS |= {"mae": mean_absolute_error, "MAE": mean_absolute_error}
ALL_OBJECTS |= {"mse": mean_squared_error, "MSE": mean_squared_error}
_CLASS_OF = {to_snake_case(cls.__name__): cls for cls in _CLASSES}


def serialize(loss: Any) -> Any:
    """The nested form of a loss."""
    return serialization.serialize(loss)


def deserialize(name: Any) -> Any:
    """The loss a name or a nested form stands for."""
    return serialization.deserialize(name, ALL_OBJECTS, "loss")


def get(identifier: Any) -> Any:
    """The loss for a name, a configuration, a class, a function or an object; ``None`` stays ``None``.

    Raises:
        ValueError: for unknown names; the nearest one is named.
    """
    return serialization.get(identifier, ALL_OBJECTS, "loss")


def resolve(identifier: Any) -> Loss:
    """The loss object that the engine trains with, for whatever ``compile(loss=...)`` takes.

    Raises:
        ValueError: for unknown names.
        TypeError: for losses written in Python, which the engine cannot run.
    """
    loss = get(identifier)
    if not isinstance(loss, Loss):
        name: str = getattr(loss, "__name__", "")
        if name not in _CLASS_OF or ALL_OBJECTS.get(name) is not loss:
            raise TypeError(f"A loss is a name, a function or an object of ironhorn.losses. Received: {identifier!r}")
        loss = _CLASS_OF[name](name=name)
    if type(loss) not in _CLASSES:
        raise TypeError(f"Losses written in Python are not there yet. Received: {type(loss).__name__}")
    return loss
