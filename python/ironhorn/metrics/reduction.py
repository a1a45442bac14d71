"""Sums and means of values. Source: keras/src/metrics/reduction_metrics.py."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import losses, serialization
from ..losses.base import numbers, same_rank
from .base import Metric
from .variable import Variable


def by_sample(
    values: NDArray[Any], sample_weight: ArrayLike | None, reduce: Callable[..., Any], dtype: str
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Keras's ``reduce_to_samplewise_values``: one value, times its weight, a sample; and the samples' weights."""
    values = values.astype(dtype)
    weights = None
    if sample_weight is not None:
        weights = numbers(sample_weight, "sample_weight").astype(dtype)
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
    """The weighted sum of values.

    >>> m = Sum()
    >>> m.update_state([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
    >>> m.result()
    4.0

    Args:
        name: a name.
        dtype: of the values and the result.
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = Variable.over(np.zeros(()), "total")

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds ``values``, of any shape, times ``sample_weight``."""
        samples, _ = by_sample(numbers(values, "values"), sample_weight, np.sum, self.dtype)
        self.total.assign_add(float(np.sum(samples, dtype=np.float64)))

    def result(self) -> Any:
        """The sum so far."""
        return np.dtype(self.dtype).type(float(self.total))


class Mean(Metric):
    """The weighted mean of values; 0 before the first.

    >>> m = Mean()
    >>> m.update_state([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
    >>> m.result()
    2.0

    Args:
        name: a name.
        dtype: of the values.
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = Variable.over(np.zeros(()), "total")
        self.count = Variable.over(np.zeros(()), "count")

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Takes ``values`` in, ``(batch, ...)``, with ``sample_weight`` one a sample or one a value."""
        samples, weights = by_sample(numbers(values, "values"), sample_weight, np.mean, self.dtype)
        self.total.assign_add(float(np.sum(samples, dtype=np.float64)))
        if weights is not None:
            self.count.assign_add(float(np.sum(weights, dtype=np.float64)))
        else:
            self.count.assign_add(samples.shape[0] if samples.ndim else 1)

    def result(self) -> Any:
        """The mean so far."""
        total, count = float(self.total), float(self.count)
        kind = np.dtype(self.dtype)
        return (kind if kind.kind == "f" else np.dtype(np.float32)).type(total / count if count else 0.0)


class MeanMetricWrapper(Mean):
    """The mean of a function's values.

    Args:
        fn: ``fn(y_true, y_pred, **kwargs)``, values by sample.
        name: a name.
        dtype: of the values.
        **kwargs: arguments of ``fn``.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name, dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        if any(known is fn or known is type(fn) for known in losses.ALL_OBJECTS.values()):
            self._direction = "down"

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Takes a batch in.

        Args:
            y_true: targets, as the function wants them.
            y_pred: predictions.
            sample_weight: one a sample, or one a value.

        Raises:
            ValueError: if the shapes do not suit each other.
            TypeError: if an array does not hold numbers.
        """
        super().update_state(self._fn(y_true, y_pred, **self._fn_kwargs), sample_weight)

    def _take_state(self, state: NDArray[np.float64], columns: int) -> None:
        """Goes on from the state that training came to: the sum of the values and their number."""
        self.total.assign(state[0])
        self.count.assign(state[1])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        if self._engine_class() is not None:
            return super().get_config()
        return {**super().get_config(), "fn": serialization.serialize(self._fn), **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a metric from ``get_config``'s result; the function is looked up among those of this module."""
        if isinstance(config.get("fn"), dict):
            from .registry import FUNCTIONS

            by_name = {**losses.ALL_OBJECTS, **{function.__name__: function for function in FUNCTIONS}}
            config = {**config, "fn": serialization.deserialize(config["fn"], by_name, "metric")}
        return cls(**config)
