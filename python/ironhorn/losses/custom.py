"""Losses that a user writes: with ``ironhorn.ops``, which ``compile`` traces, or with their gradient, in NumPy."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import ops, serialization
from ..ops import symbol
from .base import Array, Loss, numbers, same_rank


class LossFunctionWrapper(Loss):
    """A loss of a function ``fn(y_true, y_pred, **kwargs)``, written with ``ironhorn.ops``.

    Args:
        fn: returns the losses by row, or of each element, or one number.
        reduction, name, dtype: as for ``Loss``.
        kwargs: handed on to ``fn``.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """What the function returns, for arrays of one rank."""
        if not isinstance(y_pred, symbol.Symbol):
            y_true, y_pred = same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the function in Keras's form, by its name."""
        fn = serialization.serialize(self.fn)
        return {**super().get_config(), "fn": fn, **serialization.serialize(self._fn_kwargs)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a loss from ``get_config``'s result; the function must be one of ``ironhorn.losses``."""
        from .registry import deserialize

        if isinstance(config.get("fn"), dict):
            config = {**config, "fn": deserialize(config["fn"])}
        return cls(**config)

    def __repr__(self) -> str:
        return f"<LossFunctionWrapper({self.fn}, kwargs={self._fn_kwargs})>"


class TracedLoss(Loss):
    """A loss as the engine runs it: what a user wrote, and the operations that came of it.

    Args:
        loss: its ``call`` is traced.

    Raises:
        TypeError: if it cannot be traced.
        ValueError: if it takes the mean over the batch, which its reduction contradicts.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.name, loss.reduction)
        self.loss = loss
        result = symbol.trace(loss.call, loss.name)
        if result.extent == "batch" and self.reduction not in (
            "sum_over_batch_size",
            "mean",
            "mean_with_sample_weight",
        ):
            raise ValueError(
                f"The loss {loss.name!r} takes the mean over the batch itself: its reduction must be a mean. "
                f"Received: reduction={self.reduction!r}"
            )
        if result.extent == "columns" and self.reduction == "sum":  # of all elements, not of the rows' means
            result = ops.sum(result, axis=-1)
        self.nodes = symbol.nodes_of(result)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """What the user's loss returns."""
        return self.loss.call(y_true, y_pred)

    def engine_form(self) -> dict[str, Any]:
        """The loss as the engine reads it."""
        config = {"name": self.name, "reduction": self.reduction, "nodes": self.nodes}
        return {"class_name": "expression", "config": config}


class PythonLoss(Loss):
    """A loss written in NumPy together with its gradient: the slow way, for what ``ironhorn.ops`` cannot say.

    Args:
        fn: ``fn(y_true, y_pred)`` of float32 arrays ``(batch, ..., n)``. Returns the losses by row,
            ``(batch, ...)``, and their gradient, the derivative of each row's loss by that row of ``y_pred``,
            ``(batch, ..., n)``. A row's loss depends on no other row. ``check_gradient`` tests it.
        reduction, name, dtype: as for ``Loss``.
    """

    def __init__(
        self,
        fn: Callable[[NDArray[Any], NDArray[Any]], tuple[ArrayLike, ArrayLike]],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn = fn

    def call(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Array:
        """The losses by row."""
        true, pred = same_rank(y_true, y_pred)
        return self.values_and_gradient(true, pred)[0]

    def values_and_gradient(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> tuple[Array, Array]:
        """The losses by row and their gradient, float32.

        Raises:
            ValueError: if the function returns other shapes.
            TypeError: if it does not return two arrays of numbers.
        """
        values, gradient = self._computed(y_true, y_pred)
        return values.astype(np.float32), gradient.astype(np.float32)

    def _computed(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        result = self.fn(y_true, y_pred)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(
                f"PythonLoss {self.name!r}: the function returns (losses by row, gradient). "
                f"Received: {type(result).__name__}"
            )
        names, shapes = ("the losses by row", "the gradient"), (y_pred.shape[:-1], y_pred.shape)
        arrays = [numbers(array, name) for array, name in zip(result, names, strict=True)]
        for array, name, expected in zip(arrays, names, shapes, strict=True):
            if array.shape != expected:
                raise ValueError(
                    f"PythonLoss {self.name!r}: {name} must have shape {expected} for y_pred of shape {y_pred.shape}. "
                    f"Received: shape {array.shape}"
                )
        return arrays[0], arrays[1]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "fn": self.fn}


def check_gradient(
    loss: PythonLoss | Callable[..., Any],
    y_true: ArrayLike,
    y_pred: ArrayLike,
    step: float = 1e-4,
    tolerance: float = 1e-3,
) -> float:
    """Compares a loss's gradient with finite differences, element by element; pass a few rows, away from kinks.

    Args:
        loss: a ``PythonLoss``, or its function. It gets float64 arrays.
        y_true: targets, ``(batch, ..., n)``.
        y_pred: predictions, ``(batch, ..., n)``.
        step: how far an element is moved, up and down.
        tolerance: how far the two may differ, as a share of the larger, or absolutely where both are under 1.

    Returns:
        The largest difference found, in those terms.

    Raises:
        ValueError: where they differ more, for the worst element; or where a row's loss depends on another row.
    """
    checked = loss if isinstance(loss, PythonLoss) else PythonLoss(loss)
    true, pred = same_rank(numbers(y_true, "y_true"), numbers(y_pred, "y_pred"))
    true, pred = true.astype(np.float64), pred.astype(np.float64)
    gradient = checked._computed(true, pred)[1]
    slopes = np.zeros(pred.shape)
    for place in np.ndindex(pred.shape):
        sides = []
        for moved in (step, -step):
            other = pred.copy()
            other[place] += moved
            sides.append(checked._computed(true, other)[0].astype(np.float64))
        change = np.asarray((sides[0] - sides[1]) / (2 * step))
        slopes[place] = change[place[:-1]]
        change[place[:-1]] = 0
        if np.abs(change).max(initial=0) > tolerance:
            rows = np.unravel_index(np.abs(change).argmax(), change.shape)
            raise ValueError(
                f"PythonLoss {checked.name!r}: the loss of row {_shown(rows)} depends on y_pred{list(place)}, "
                "an element of another row."
            )
    difference = np.abs(slopes - gradient) / np.maximum(np.maximum(np.abs(slopes), np.abs(gradient)), 1)
    difference = np.where(np.isnan(difference), np.inf, difference)
    worst = np.unravel_index(difference.argmax(), difference.shape)
    if difference[worst] > tolerance:
        raise ValueError(
            f"PythonLoss {checked.name!r}: the gradient is wrong at {int((difference > tolerance).sum())} of "
            f"{difference.size} elements. At {[int(i) for i in worst]} expected {slopes[worst]:.6g} by finite "
            f"differences, received {gradient[worst]:.6g}"
        )
    return float(difference[worst])


def _shown(indices: Any) -> str:
    return ", ".join(str(int(index)) for index in indices)
