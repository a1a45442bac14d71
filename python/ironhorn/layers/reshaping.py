"""Layers that only move numbers: Flatten, Reshape, Permute, RepeatVector."""

import math
from typing import Any

from .base import Layer, Shape


class Flatten(Layer):
    """Input ``(batch, a, b, ...)``, output ``(batch, a * b * ...)``.

    Args:
        data_format: ``None``, ``"channels_last"`` or ``"channels_first"``; kept, without a meaning for dense data.
    """

    _parameters = ("data_format",)
    _records_build = True
    _keeps_dtype = True
    _min_ndim = 1

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        data_format = data_format or "channels_last"
        if data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "Flatten: `data_format` must be 'channels_last' or 'channels_first'. "
                f"Received: data_format={data_format!r}"
            )
        if data_format == "channels_first":
            raise NotImplementedError("Flatten: data_format='channels_first' is not there yet.")
        self.data_format = data_format
        super().__init__(**kwargs)
        self._create()


class Reshape(Layer):
    """Input of any shape, output ``(batch, *target_shape)``, the numbers in their order.

    Args:
        target_shape: without the batch; one size may be -1, which is what remains.

    Raises:
        ValueError: for other negative sizes, and where the numbers do not fill the shape.
    """

    _built_at_once = True
    _keeps_dtype = True

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        target = tuple(target_shape)
        if any(isinstance(size, bool) or not hasattr(size, "__index__") for size in target):
            raise TypeError(f"Reshape: `target_shape` must hold integers. Received: target_shape={target}")
        if any(size < -1 for size in target):
            raise ValueError(
                "Each dimension in `target_shape` must be a non-negative integer, or `-1` for a single unknown "
                f"dimension. Received: target_shape={target}."
            )
        if target.count(-1) > 1:
            raise ValueError(
                f"There must be at most one unknown dimension (-1) in `target_shape`. Received: target_shape={target}."
            )
        self.target_shape: tuple[int, ...] = tuple(int(size) for size in target)
        super().__init__(**kwargs)
        self._create()

    def _check_shapes(self, shapes: list[Shape]) -> None:
        super()._check_shapes(shapes)
        sizes = [size for size in shapes[0][1:] if size is not None]
        if len(sizes) < len(shapes[0]) - 1:
            return
        count, known = math.prod(sizes), math.prod(size for size in self.target_shape if size != -1)
        if -1 not in self.target_shape and count != known:
            raise ValueError(
                "The total size of the tensor must be unchanged. Received: "
                f"input_shape={shapes[0][1:]}, target_shape={self.target_shape}"
            )
        if known == 0 or count % known:
            raise ValueError(
                "The total size of the tensor must be unchanged, however, the input size cannot by divided by the "
                f"specified dimensions in target_shape. Received: input_shape={shapes[0][1:]}, "
                f"target_shape={self.target_shape}"
            )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"target_shape": self.target_shape}


class Permute(Layer):
    """Exchanges axes: ``dims[i]``, counted from 1, is the input's axis that becomes axis ``i + 1``.

    Args:
        dims: a permutation of 1, 2, ...; the batch stays where it is.

    Raises:
        ValueError: if it is no permutation.
    """

    _records_build = True
    _keeps_dtype = True

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` must be "
                f"consecutive and start from 1. Received dims={dims}"
            )
        self._ndim = len(self.dims) + 1
        super().__init__(**kwargs)
        self._create()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"dims": self.dims}


class RepeatVector(Layer):
    """Input ``(batch, features)``, output ``(batch, n, features)``.

    Args:
        n: how often, at least 1.
    """

    _records_build = True
    _parameters = ("n",)
    _ndim = 2

    def __init__(self, n: int, **kwargs: Any) -> None:
        if isinstance(n, bool) or not isinstance(n, int):
            raise TypeError(f"Expected an integer value for `n`, got {type(n)}.")
        if n <= 0:
            raise ValueError(f"Argument `n` should be a positive integer. Received: n={n}")
        self.n = n
        super().__init__(**kwargs)
        self._create()
