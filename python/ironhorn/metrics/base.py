"""The base of metrics, and the mean and the sum of values."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import serialization
from ..losses import Array, numbers, same_rank
from ..naming import auto_name


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
