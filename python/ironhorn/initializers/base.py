"""What initializers have in common: shapes, dtypes, fans, and the call of the engine."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _core, serialization


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Inputs and outputs of a weight of a shape: the products of the axes, where both lists are given."""
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    return _core.compute_fans(tuple(shape))


def standardize(shape: Any, dtype: Any, owner: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        sizes = tuple(int(size.__index__()) for size in shape)
    except (AttributeError, TypeError):
        raise ValueError(f"{owner}: `shape` must be a sequence of integers. Received: shape={shape!r}") from None
    if any(size < 0 for size in sizes):
        raise ValueError(f"{owner}: `shape` must not hold negative sizes. Received: shape={shape!r}")
    try:
        standard = np.dtype(np.float32 if dtype is None else dtype)
    except TypeError:
        standard = np.dtype(object)
    if standard.kind not in "biuf":
        raise ValueError(f"{owner}: `dtype` must be NumPy's name of a type of numbers. Received: dtype={dtype!r}")
    return sizes, standard


class Initializer:
    """Base class. Subclasses implement ``__call__(shape, dtype=None)``; in a layer it is called when that is built."""

    _keras_module = "keras.initializers"
    _parameters: ClassVar[tuple[str, ...]] = ()

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Gives an array of a shape."""
        raise NotImplementedError("Initializer subclasses must implement the `__call__()` method.")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in self._parameters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds an initializer from ``get_config``'s result."""
        return cls(**config)

    def clone(self) -> Self:
        """A new one with the same configuration."""
        return type(self).from_config(self.get_config())


class Native(Initializer):
    """One whose numbers the engine gives."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> NDArray[Any]:
        """Draws an array, in float32.

        Args:
            shape: the shape of the array.
            dtype: what the numbers are converted to.

        Raises:
            ValueError: if the shape or the dtype does not suit the initializer.
        """
        sizes, standard = standardize(shape, dtype, type(self).__name__)
        return self._draw(sizes).astype(standard, copy=False)

    def _draw(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return _core.initialize(self._text(), shape, self._draw_seed())

    def _text(self, **changed: float | str) -> str:
        # A subclass without a __call__ of its own draws like the class it comes from.
        ours = (cls for cls in type(self).__mro__ if cls.__module__.startswith(f"{__package__}."))
        known = next(cls for cls in ours if issubclass(cls, Native))
        config = {name: getattr(self, name) for name in known._parameters} | changed
        return serialization.to_text({"class_name": known.__name__, "config": config})

    def _draw_seed(self) -> int:
        return 0

    def engine_draws(self) -> bool:
        """Whether the configuration says all there is to the numbers, so that the engine builds layers with it."""
        return type(self).__module__.startswith(f"{__package__}.")
