"""Metrics whose state the engine keeps: Keras's variables, one after the other, in double precision."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core, serialization
from ..losses.base import numbers
from .base import Metric
from .variable import Variable

Rows = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]


class EngineMetric(Metric):
    """Base of the metrics that are more than a mean. The variables are views of the one state."""

    _attributes: ClassVar[dict[str, str]] = {}
    """Keras's variables that are attributes under another name."""

    def __init__(self, name: str | None = None, dtype: Any = None, columns: int | None = None) -> None:
        super().__init__(dtype, name)
        self._text = serialization.to_text(self._form())
        self._state: NDArray[np.float64] = np.zeros(0)
        self._columns: int | None = None
        # A state that is the same for any number of columns is there from the start.
        if columns is not None or _core.metric_variables(self._text, 1) == _core.metric_variables(self._text, 2):
            self._create(columns or 1)

    def _form(self) -> dict[str, Any]:
        """What the engine reads."""
        return {"class_name": self._engine_class(), "config": {n: getattr(self, n) for n in self._parameters}}

    @property
    def _built(self) -> bool:
        return self._columns is not None

    def _create(self, columns: int) -> None:
        layout = _core.metric_variables(self._text, columns)
        sizes = [int(np.prod(shape)) for _, shape in layout]
        dtype = self.dtype if np.dtype(self.dtype).kind in "iu" else "float32"
        self._columns = columns
        self._state = np.zeros(sum(sizes))
        start = 0
        for (name, shape), size in zip(layout, sizes, strict=True):
            view = self._state[start : start + size].reshape(shape)
            super().__setattr__(self._attributes.get(name, name), Variable.over(view, name, dtype))
            start += size

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if isinstance(old, Variable) and isinstance(value, Variable) and old.shape == value.shape:
            old.assign(value)  # the state stays the engine's
        else:
            super().__setattr__(name, value)

    def _build(self, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> None:
        """Creates the state for matrices."""
        where, columns = "2D inputs with shape (batch_size, output_dim)", y_pred_shape[-1] if y_pred_shape else None
        received = f"Received input shapes: y_pred.shape={y_pred_shape} and y_true.shape={y_true_shape}."
        if len(y_true_shape) != 2 or len(y_pred_shape) != 2:
            raise ValueError(f"{type(self).__name__} expects {where}. {received}")
        if columns is None or y_true_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} expects {where}, with output_dim fully defined (not None). {received}"
            )
        self._create(columns)

    def _is_array(self) -> bool:
        """Whether the result is an array even where it has one number."""
        return False

    def _rows(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None) -> Rows:
        """Targets and predictions as matrices, weights as one a row or a matrix."""
        raise NotImplementedError

    def _matrices(self, true: NDArray[Any], pred: NDArray[Any], sample_weight: ArrayLike | None) -> Rows:
        """Checks that both are matrices of one shape; a vector of weights is one a row."""
        if not self._built or true.ndim != 2 or pred.ndim != 2:
            self._build(true.shape, pred.shape)
        if true.shape != pred.shape:
            raise ValueError(
                f"{type(self).__name__}: `y_true` must have shape {pred.shape}, as `y_pred`. "
                f"Received: y_true of shape {true.shape}"
            )
        if sample_weight is None:
            return true, pred, None
        weights = numbers(sample_weight, "sample_weight")
        return true, pred, spread(weights[:, None] if weights.ndim == 1 else weights, pred.shape)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Takes a batch in.

        Args:
            y_true: targets, of the shape of ``y_pred``.
            y_pred: predictions.
            sample_weight: one a sample, or what broadcasts to ``y_pred``.

        Raises:
            ValueError: if the shapes do not suit each other or the metric's arguments.
            TypeError: if an array does not hold numbers.
        """
        true, pred, weights = self._rows(y_true, y_pred, sample_weight)
        if not self._built:
            self._create(pred.shape[-1])
        rows = None if weights is None else np.ascontiguousarray(weights)
        _core.metric_add(self._text, self._state, np.ascontiguousarray(true), np.ascontiguousarray(pred), rows)

    def _take_state(self, state: NDArray[np.float64], columns: int) -> None:
        """Goes on from the state that training came to."""
        self._create(columns)
        self._state[...] = state

    def result(self) -> Any:
        """The number so far, or one a threshold, class or column; before the first batch 0."""
        kind = np.dtype(self.dtype)
        dtype = kind if kind.kind == "f" else np.dtype(np.float32)
        if not self._built:
            return dtype.type(0)
        results = _core.metric_result(self._text, self._state).astype(dtype)
        return results if self._is_array() or len(results) > 1 else results[0]

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Copies of the variables are no views of the state's copy.
        self.__dict__.update(state)
        if self._columns is not None:
            old, self._variables = self._state, []
            self._create(self._columns)
            self._state[:] = old


def spread(weights: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Weights that broadcast to ``shape``, as one a row where they are the same in each column.

    Raises:
        ValueError: if they do not broadcast.
    """
    by_row = weights.ndim == len(shape) and weights.shape[-1] == 1
    try:
        full = np.broadcast_to(weights, (*shape[:-1], 1) if by_row else shape)
    except ValueError:
        raise ValueError(
            f"`sample_weight` must suit predictions of shape {shape}. Received: shape {weights.shape}"
        ) from None
    return full.reshape(-1) if by_row else full.reshape(-1, shape[-1])
