"""Shapes as layers take them: checked, and compared with what a layer expects."""

from typing import Any

from .tensor import Shape


def standardize_shape(shape: Any, argument: str = "input_shape", owner: str = "") -> Shape:
    """A tuple of positive sizes and ``None``.

    Raises:
        TypeError: if ``shape`` is no sequence, or holds something other than integers and ``None``.
        ValueError: if a size is negative or zero.
    """
    prefix = f"{owner}: " if owner else ""
    if isinstance(shape, (str, bytes)) or not hasattr(shape, "__iter__"):
        raise TypeError(f"{prefix}`{argument}` must be a tuple of integers. Received: {argument}={shape!r}")
    sizes = tuple(shape)
    for size in sizes:
        if size is not None and (isinstance(size, bool) or not hasattr(size, "__index__")):
            raise TypeError(f"{prefix}`{argument}` must hold integers or None. Received: {argument}={shape!r}")
        if size is not None and size < 1:
            raise ValueError(f"{prefix}`{argument}` must hold positive sizes. Received: {argument}={shape!r}")
    return tuple(None if size is None else int(size) for size in sizes)


def is_shape(value: Any) -> bool:
    """Whether it is one shape, and no list of shapes."""
    return isinstance(value, (list, tuple)) and not any(isinstance(size, (list, tuple)) for size in value)


def check_shape(
    shape: Shape, name: str, ndim: int | None = None, min_ndim: int | None = None, axes: dict[int, int] | None = None
) -> None:
    """Holds an input's shape, with the batch, against the number of dimensions and the sizes that a layer expects.

    Raises:
        ValueError: in Keras's words.
    """
    start = f"Input 0 with name 'None' of layer '{name}' is incompatible with the layer: "
    if ndim is not None and len(shape) != ndim:
        raise ValueError(f"{start}expected ndim={ndim}, found ndim={len(shape)}. Full shape received: {shape}")
    if min_ndim is not None and len(shape) < min_ndim:
        raise ValueError(f"{start}expected min_ndim={min_ndim}, found ndim={len(shape)}. Full shape received: {shape}")
    for axis, expected in (axes or {}).items():
        if not -len(shape) <= axis < len(shape) or shape[axis] not in (expected, None):
            raise ValueError(
                f"{start}expected axis {axis} of input shape to have value {expected}, but received input with shape "
                f"{shape}"
            )
