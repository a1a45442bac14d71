"""Rescaling and CategoryEncoding: numbers to a new range, indices to vectors."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .base import Layer

MODES = ("one_hot", "multi_hot", "count")


def plain(value: Any) -> Any:
    """A number, or an array as nested lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def from_array_form(value: Any) -> Any:
    """The value of Keras's form of an array in a configuration."""
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        return np.asarray(value["config"]["value"], dtype=value["config"].get("dtype", "float32"))
    return value


class Rescaling(Layer):
    """``inputs * scale + offset``.

    Args:
        scale: a number, or an array that suits the last axes.
        offset: the same.
    """

    _records_build = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        self.scale, self.offset = scale, offset
        super().__init__(**kwargs)
        self._create()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"scale": plain(self.scale), "offset": plain(self.offset)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a layer from ``get_config``'s result, or Keras's."""
        arrays = {name: from_array_form(config[name]) for name in ("scale", "offset") if name in config}
        return cls(**config | arrays)


class CategoryEncoding(Layer):
    """Integers from 0 to ``num_tokens - 1`` as vectors of that length.

    ``"one_hot"`` gives each index a vector with one 1 (a last axis of size 1 is replaced); ``"multi_hot"`` gives each
    row of indices one vector with a 1 for each index in it, ``"count"`` how often it is there.
    As in Keras an index out of range counts for nothing.

    Args:
        num_tokens: how many indices there are.
        output_mode: ``"multi_hot"``, ``"one_hot"`` or ``"count"``.
        sparse: only ``False``.

    Raises:
        ValueError: for unknown modes, and ``num_tokens`` below 1.
    """

    _records_build = True
    _parameters = ("num_tokens", "output_mode")

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        output_mode = "multi_hot" if output_mode == "binary" else output_mode
        if output_mode not in MODES:
            raise ValueError(f"Unknown arg for output_mode: {output_mode}")
        if num_tokens is None:
            raise ValueError(
                "num_tokens must be set to use this layer. If the number of tokens is not known beforehand, use the "
                "IntegerLookup layer instead."
            )
        if isinstance(num_tokens, bool) or not hasattr(num_tokens, "__index__"):
            raise TypeError(f"CategoryEncoding: `num_tokens` must be an integer. Received: num_tokens={num_tokens!r}")
        if num_tokens < 1:
            raise ValueError(f"`num_tokens` must be >= 1. Received: num_tokens={num_tokens}.")
        if sparse:
            raise NotImplementedError("CategoryEncoding: `sparse=True` is not there yet.")
        self.num_tokens, self.output_mode, self.sparse = int(num_tokens), output_mode, False
        super().__init__(**kwargs)
        self._create()

    def _call_arrays(self, inputs: Any, training: bool | None) -> NDArray[np.float32]:
        return call_on_rows(super()._call_arrays, self._arrays(inputs)[0], self.output_mode, training)


def call_on_rows(call: Any, x: NDArray[Any], mode: str, training: bool | None) -> NDArray[np.float32]:
    """Calls an encoder on a vector as on one row, or as on rows of one number, as Keras has it by mode."""
    if x.ndim > 1:
        result: NDArray[np.float32] = call(x, training)
        return result
    column: NDArray[np.float32] = call(x[None] if mode in ("multi_hot", "count") else x[:, None], training)
    if mode in ("multi_hot", "count"):
        return column[0]
    return column if mode == "one_hot" else column[:, 0]
