"""Normalization by known or measured statistics: ``(x - mean) / max(sqrt(variance), 1e-7)``, or its inverse."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Layer, Shape
from .preprocessing import plain


class Normalization(Layer):
    """Shifts and scales features to mean 0 and variance 1.

    Args:
        axis: the axes, or the axis, that have a mean and a variance each; ``None`` for one of all numbers.
        mean, variance: numbers or arrays; without them, ``adapt`` measures them.
        invert: whether to turn ``x`` into ``mean + x * sqrt(variance)`` instead.

    Raises:
        ValueError: if only one of ``mean`` and ``variance`` is given, or their shapes differ.
    """

    _records_build = True

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        if axis is None:
            self.axis: tuple[int, ...] = ()
        else:
            self.axis = (int(axis),) if hasattr(axis, "__index__") else tuple(int(one) for one in axis)
        if (mean is not None) != (variance is not None):
            raise ValueError(
                "When setting values directly, both `mean` and `variance` must be set. "
                f"Received: mean={mean} and variance={variance}"
            )
        if np.shape(mean) != np.shape(variance):
            raise ValueError(
                "When setting values directly, `mean` and `variance` must have the same shape. "
                f"Received: mean shape {np.shape(mean)} and variance shape {np.shape(variance)}"
            )
        if mean is not None and np.ndim(mean) > len(self.axis):
            raise ValueError(
                f"The rank of `mean` must be less than or equal to the number of axes ({len(self.axis)}). "
                f"Received: mean shape {np.shape(mean)} for axis {self.axis}"
            )
        self.input_mean, self.input_variance, self.invert = mean, variance, bool(invert)
        super().__init__(**kwargs)
        self._create()

    def _keep(self, shape: Shape) -> list[int]:
        """The axes that are kept, from the first, counted from 0."""
        ndim = len(shape)
        if any(not -ndim <= axis < ndim for axis in self.axis):
            raise ValueError(
                "All `axis` values must be in the range [-ndim, ndim). "
                f"Received inputs with ndim={ndim}, while axis={self.axis}"
            )
        keep = sorted(axis % ndim for axis in self.axis)
        for axis in keep:
            if shape[axis] is None:
                raise ValueError(
                    f"All `axis` values to be kept must have a known shape. Received axis={self.axis}, "
                    f"inputs.shape={shape}, with unknown axis at index {axis}"
                )
        return keep

    def _check_shapes(self, shapes: list[Shape]) -> None:
        self._keep(shapes[0])
        super()._check_shapes(shapes)

    def _statistic(self, name: str, given: Any) -> NDArray[np.float32] | None:
        """A statistic in a shape that broadcasts against the input; ``None`` before the layer is built."""
        if not self.built or self._built_shape is None:
            return None
        keep = self._keep(self._built_shape)
        sizes = [size if axis in keep else 1 for axis, size in enumerate(self._built_shape)]
        if given is None:
            values = next(variable for variable in self.variables if variable.name == name).numpy()
            return np.asarray(values.reshape(sizes))
        array = np.asarray(given, np.float32)
        expanded = [1] * len(sizes)
        for i in range(1, array.ndim + 1):
            expanded[keep[-i]] = array.shape[-i]
        return np.broadcast_to(array.reshape(expanded), sizes)

    @property
    def mean(self) -> NDArray[np.float32] | None:
        """The means, in a shape that broadcasts against the input."""
        return self._statistic("mean", self.input_mean)

    @property
    def variance(self) -> NDArray[np.float32] | None:
        """The variances, in a shape that broadcasts against the input."""
        return self._statistic("variance", self.input_variance)

    def adapt(self, data: Any) -> None:
        """Measures means and (biased) variances, in double precision; builds the layer where needed.

        Args:
            data: an array, or an iterable of batches; of tuples the first entry counts.

        Raises:
            TypeError: for other data.
            ValueError: if there is no data, or its shape is not the one the layer is built for.
        """
        if self.input_mean is not None:
            raise ValueError(f"Layer '{self.name}' has been given `mean` and `variance`: there is nothing to adapt.")
        batches = _batches(data)
        first = next(batches, None)
        if first is None:
            raise ValueError(
                "adapt() received an empty iterable (no batches). Expected at least one batch. Pass a non-empty "
                "iterable of arrays or tensors, e.g. layer.adapt([x]) or layer.adapt(list_of_batches)."
            )
        shape: Shape = tuple(first.shape)
        known = self._built_shape
        if known is not None and any(shape[axis] != known[axis] for axis in self._keep(known)):
            raise ValueError(
                f"The layer was built with input_shape={known}, but adapt() is being called with data with an "
                f"incompatible shape, data.shape={shape}"
            )
        keep = self._keep(shape)
        reduced = tuple(axis for axis in range(len(shape)) if axis not in keep)
        count, mean, square = 0, np.zeros(()), np.zeros(())
        for batch in itertools.chain([first], batches):
            if batch.ndim != len(shape) or any(batch.shape[axis] != shape[axis] for axis in keep):
                raise ValueError(
                    f"adapt() yielded a batch with incompatible shape. Expected {shape}, got {batch.shape}."
                )
            added = math.prod(batch.shape[axis] for axis in reduced)
            if not added:
                continue
            # Chan's formula joins the statistics of two parts without cancellation.
            new_mean = np.mean(batch, axis=reduced, dtype=np.float64)
            new_square = np.var(batch, axis=reduced, dtype=np.float64) * added
            delta = new_mean - mean
            total = count + added
            square = square + new_square + delta**2 * (count * added / total)
            mean = mean + delta * (added / total)
            count = total
        if not count:
            raise ValueError(f"Layer '{self.name}': adapt() received no samples, data.shape={shape}")
        self.build((None, *shape[1:]))
        for variable in self.variables:
            if variable.name in ("mean", "variance"):
                values = mean if variable.name == "mean" else square / count
                variable.assign(np.asarray(values, np.float32).reshape(variable.shape))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "axis": self.axis,
            "invert": self.invert,
            "mean": plain(np.asarray(self.input_mean)) if self.input_mean is not None else None,
            "variance": plain(np.asarray(self.input_variance)) if self.input_variance is not None else None,
        }


def _batches(data: Any) -> Iterator[NDArray[Any]]:
    from ..models.arrays import as_array

    if isinstance(data, np.ndarray) or hasattr(data, "__array__"):
        yield as_array(data, "data")
    elif hasattr(data, "__iter__") and not isinstance(data, (str, bytes, dict)):
        for batch in data:
            part = batch[0] if isinstance(batch, tuple) else batch
            if not hasattr(part, "shape"):
                raise TypeError(
                    "adapt() expects an iterable that yields arrays or tensors with a `.shape` attribute (e.g. numpy "
                    f"arrays or backend tensors). Got an element of type {type(part).__name__}. Ensure each yielded "
                    "element is array-like with a `.shape` attribute."
                )
            yield as_array(part, "data")
    else:
        raise TypeError(f"Unsupported data type: {type(data)}. `adapt` supports arrays and iterables of batches.")
