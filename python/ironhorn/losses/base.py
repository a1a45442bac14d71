"""What losses share: shapes, weights, reductions; and the losses that are a formula of the engine's.

A loss is computed a row at a time (the last axis is reduced), weighted, and reduced to one number:
``"sum_over_batch_size"`` and ``"mean"`` divide by the number of rows' values, ``"sum"`` does not divide,
``"mean_with_sample_weight"`` divides by the sum of the weights, ``"none"`` and ``None`` leave the values.
Source: keras/src/losses/loss.py.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core, ops, serialization
from ..naming import auto_name
from ..ops.symbol import Symbol, TraceError
from .formulas import traced

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
            f"{form['class_name']}: for `y_pred` of shape {y_pred.shape}, `y_true` must have "
            f"{f'shape {expected}' if sparse else 'the same shape'}. Received: y_true of shape {y_true.shape}"
        )
    width = y_pred.shape[-1]
    rows = np.ascontiguousarray(y_pred.reshape(-1, width))
    targets = np.ascontiguousarray(y_true.reshape(-1) if sparse else y_true.reshape(-1, width))
    result = compute(serialization.to_text(form), targets, rows)
    return result.reshape(y_pred.shape[: y_pred.ndim - 2 + result.ndim])


class Loss:
    """Base class. Subclasses define ``call(y_true, y_pred)``, the losses by row.

    Written with ``ironhorn.ops``, ``call`` works on arrays and can be trained with: ``compile`` traces it.

    Args:
        name: a name; by default the class's.
        reduction: see the module.
        dtype: of what a call returns, a floating one; by default ``"float32"``. Everything is computed in float32.

    Raises:
        ValueError: for an unknown ``reduction``, and a ``dtype`` that is not floating.
    """

    _keras_module = "keras.losses"

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
        self._dtype = serialization.numpy_dtype(dtype, type(self).__name__)
        if self._dtype not in ("float16", "bfloat16", "float32", "float64"):
            raise ValueError(f"{type(self).__name__}: `dtype` must be a floating one. Received: dtype={dtype!r}")

    @property
    def dtype(self) -> str:
        """The dtype of what a call returns."""
        return self._dtype

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """The reduced loss, a number of ``dtype``, or, without a reduction, the values by row.

        Args:
            y_true: targets, ``(batch, ..., n)``; class indices ``(batch, ...)`` for sparse losses.
            y_pred: predictions, ``(batch, ..., n)``.
            sample_weight: weights that suit the values by row.

        Raises:
            ValueError: if the shapes do not suit each other.
            TypeError: if an array does not hold numbers.
        """
        if isinstance(y_pred, Symbol):
            return self._traced(y_true, y_pred, sample_weight)
        true, pred = numbers(y_true, "y_true").astype(np.float32), numbers(y_pred, "y_pred").astype(np.float32)
        values = np.asarray(self.call(true, pred), dtype=np.float32)
        weights = None if sample_weight is None else numbers(sample_weight, "sample_weight").astype(np.float32)
        mask = self._mask(true, pred, values)
        given = getattr(y_pred, "_keras_mask", None)  # of Keras's tensors
        if given is not None:
            mask = np.asarray(given, bool) if mask is None else mask & np.asarray(given, bool)
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
            return values.astype(self._dtype)[()]
        total = values.sum(dtype=np.float64)
        if self.reduction != "sum":
            by_weight = self.reduction == "mean_with_sample_weight" and weights is not None
            count = float(weights.sum(dtype=np.float64)) if by_weight and weights is not None else float(values.size)
            total = total / count if count else np.float64(0)
        return np.dtype(self._dtype).type(total)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses by row, or of each element."""
        raise NotImplementedError(f"{type(self).__name__}: a loss defines `call(self, y_true, y_pred)`.")

    def _traced(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Any:
        """The reduced loss as a part of another."""
        values = self.call(y_true, y_pred)
        if self.reduction in (None, "none") and sample_weight is None:
            return values
        if self.reduction == "sum" or sample_weight is not None:
            raise TraceError(
                f"{type(self).__name__}: a part of another loss has no weights, and no sum as its reduction."
            )
        return ops.mean(values)

    def _mask(self, y_true: NDArray[Any], y_pred: NDArray[Any], values: Array) -> NDArray[np.bool_] | None:
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a loss from ``get_config``'s result."""
        return cls(**config)


class EngineLoss(Loss):
    """A loss that the engine computes; ``_parameters`` are what its formula takes."""

    _parameters: ClassVar[tuple[str, ...]] = ()
    _sparse: ClassVar[bool] = False
    _broadcasts: ClassVar[bool] = True

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses by row, of arrays or symbols."""
        if isinstance(y_pred, Symbol):
            return traced(self, y_true, y_pred)
        if not self._sparse:
            y_true, y_pred = same_rank(y_true, y_pred)
            if self._broadcasts and y_true.shape != y_pred.shape and _suit(y_true, y_pred):
                y_true, y_pred = np.broadcast_arrays(y_true, y_pred)
        return self._rows(y_true, y_pred)

    def _rows(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Array:
        form = serialization.serialize(self)
        axis = form["config"].get("axis", -1)
        if axis != -1:
            # The engine's rows run along the last axis.
            form["config"]["axis"] = -1
            y_true, y_pred = np.moveaxis(y_true, axis, -1), np.moveaxis(y_pred, axis, -1)
        return by_row(_core.loss_values, form, y_true, y_pred, self._sparse)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in self._parameters}}


def _suit(first: NDArray[Any], second: NDArray[Any]) -> bool:
    try:
        np.broadcast_shapes(first.shape, second.shape)
    except ValueError:
        return False
    return True


def evaluate(loss: EngineLoss, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """The losses by row, on whatever NumPy makes an array of numbers, and on symbols."""
    if isinstance(y_pred, Symbol):
        result: Array = loss.call(y_true, y_pred)
        return result
    return loss.call(numbers(y_true, "y_true"), numbers(y_pred, "y_pred"))


def integer_axis(axis: Any, owner: str) -> int:
    """An axis, an integer.

    Raises:
        ValueError: for anything else, truth values included.
    """
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise ValueError(f"{owner}: `axis` must be of type `int`. Received: axis={axis} of type {type(axis)}")
    return int(axis)


def smoothing(value: float, owner: str) -> float:
    """A label smoothing, in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{owner}: `label_smoothing` must be in [0, 1]. Received: {value}")
    return value
