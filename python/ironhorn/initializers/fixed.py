"""Initializers without chance."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .base import Native


class Zeros(Native):
    """Zeros."""


class Ones(Native):
    """Ones."""


class Constant(Native):
    """One value everywhere, or an array that is broadcast to the shape."""

    _parameters = ("value",)

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def _draw(self, shape: tuple[int, ...]) -> NDArray[Any]:
        if np.ndim(self.value) == 0:
            return super()._draw(shape)
        # In the array's own type: the caller converts.
        return np.array(np.broadcast_to(self.value, shape))

    def engine_draws(self) -> bool:
        return super().engine_draws() and np.ndim(self.value) == 0

    def get_config(self) -> dict[str, Any]:
        """The constructor's argument; arrays in Keras's form of them."""
        if np.ndim(self.value) == 0:
            return {"value": self.value}
        array = np.asarray(self.value)
        return {"value": {"class_name": "__numpy__", "config": {"value": array.tolist(), "dtype": array.dtype.name}}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds one from ``get_config``'s result."""
        value = config.get("value", 0.0)
        if isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__"):
            value = np.array(value["config"]["value"], value["config"]["dtype"])
        return cls(value)


class Identity(Native):
    """``gain`` on the diagonal of a matrix, 0 elsewhere."""

    _parameters = ("gain",)

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def _draw(self, shape: tuple[int, ...]) -> NDArray[Any]:
        if len(shape) != 2:
            raise ValueError(
                "Identity matrix initializer can only be used for 2D matrices. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        return super()._draw(shape)
