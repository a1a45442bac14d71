"""Layers of several inputs: element by element with broadcasting, side by side, and dot products."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Layer, Shape, standardize_shape
from .shapes import is_shape
from .tensor import KerasTensor


def _broadcast(first: Shape, second: Shape) -> Shape:
    """The shape, without the batch, that two shapes meet in, by Keras's rule."""
    if len(first) < len(second):
        first, second = second, first
    sizes = list(first[: len(first) - len(second)])
    for a, b in zip(first[len(first) - len(second) :], second, strict=True):
        if a is None or b is None:
            sizes.append(None)
        elif a == 1 or b == 1 or a == b:
            sizes.append(b if a == 1 else a)
        else:
            raise ValueError(f"Inputs have incompatible shapes. Received shapes {first} and {second}")
    return tuple(sizes)


class Merge(Layer):
    """Base class of the layers that take a list of inputs; not a layer by itself."""

    _records_build = True
    _words = "A merge layer should be called on a list of inputs. Received: {} (not a list of shapes)"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._create()

    def _shapes(self, input_shape: Any) -> list[Shape]:
        if not isinstance(input_shape, (list, tuple)) or is_shape(input_shape):
            raise ValueError(self._words.format(f"input_shape={input_shape}"))
        return [standardize_shape(shape, owner=self.name) for shape in input_shape]

    def _one_or_many(self, values: list[Any]) -> Any:
        return list(values)

    def _tensors(self, inputs: Any) -> list[KerasTensor]:
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(self._words.format(f"input_shape={getattr(inputs, 'shape', inputs)}"))
        return list(inputs)

    def _arrays(self, inputs: Any) -> list[NDArray[Any]]:
        from ..models.arrays import as_array

        if not isinstance(inputs, (list, tuple)):
            raise ValueError(self._words.format(f"input_shape={np.shape(inputs)}"))
        arrays = [as_array(value, f"inputs[{index}]") for index, value in enumerate(inputs)]
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(
                "Cannot merge tensors with different batch sizes. Received tensors with shapes "
                f"{[array.shape for array in arrays]}"
            )
        return arrays

    def _check_shapes(self, shapes: list[Shape]) -> None:
        if not shapes:
            raise ValueError(
                "A merge layer should be called on a list of at least 1 input. Received 0 inputs. "
                f"Full input_shape received: {shapes}"
            )
        if len({shape[0] for shape in shapes if shape} - {None}) > 1:
            raise ValueError(f"Cannot merge tensors with different batch sizes. Received tensors with shapes {shapes}")
        self._check_sizes(shapes)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output, as in Keras: where one of the inputs' masks is true; ``None`` if one has none.

        Raises:
            ValueError: if inputs and masks are no lists of one length.
        """
        if mask is None:
            return None
        for argument, value in (("mask", mask), ("inputs", inputs)):
            if not isinstance(value, (list, tuple)):
                raise ValueError(f"`{argument}` should be a list. Received: {argument}={value}")
        if len(mask) != len(inputs):
            raise ValueError(
                "The lists `inputs` and `mask` should have the same length. "
                f"Received: {len(inputs)} inputs and {len(mask)} masks"
            )
        return self._merge_masks(inputs, mask)

    def _merge_masks(self, inputs: Any, masks: Any) -> NDArray[np.bool_] | None:
        if any(mask is None for mask in masks):
            return None
        arrays = np.broadcast_arrays(*(np.asarray(mask, dtype=bool) for mask in masks))
        merged: NDArray[np.bool_] = np.asarray(np.stack(arrays).any(axis=0))
        return merged

    def _check_sizes(self, shapes: list[Shape]) -> None:
        met = shapes[0][1:]
        for shape in shapes[1:]:
            met = _broadcast(met, shape[1:])


class Add(Merge):
    """The sum of the inputs."""


class Multiply(Merge):
    """The product of the inputs, element by element."""


class Average(Merge):
    """The mean of the inputs, element by element."""


class Maximum(Merge):
    """The largest of the inputs, element by element."""


class Minimum(Merge):
    """The smallest of the inputs, element by element."""


class Subtract(Merge):
    """``inputs[0] - inputs[1]``."""

    def _check_shapes(self, shapes: list[Shape]) -> None:
        super()._check_shapes(shapes)
        if len(shapes) != 2:
            raise ValueError(f"A `Subtract` layer should be called on exactly 2 inputs. Received: input_shape={shapes}")


class Concatenate(Merge):
    """The inputs side by side along ``axis``; all other sizes must agree.

    Args:
        axis: which axis; not 0, the batch.
    """

    _parameters = ("axis",)
    _words = "A `Concatenate` layer should be called on a list of at least 1 input. Received: {}"

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        if isinstance(axis, bool) or not hasattr(axis, "__index__"):
            raise TypeError(f"Concatenate: `axis` must be an integer. Received: axis={axis!r}")
        self.axis = int(axis)
        super().__init__(**kwargs)

    def _merge_masks(self, inputs: Any, masks: Any) -> NDArray[np.bool_] | None:
        if all(mask is None for mask in masks):
            return None
        full = []
        for value, mask in zip(inputs, masks, strict=True):
            one = np.ones(value.shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
            full.append(np.broadcast_to(one[..., None], value.shape) if one.ndim < len(value.shape) else one)
        merged: NDArray[np.bool_] = np.asarray(np.concatenate(full, axis=self.axis).any(axis=-1))
        return merged

    def _check_sizes(self, shapes: list[Shape]) -> None:
        rank = len(shapes[0])
        words = (
            "A `Concatenate` layer requires inputs with matching shapes except for the concatenation axis. "
            f"Received: input_shape={shapes}"
        )
        if any(len(shape) != rank for shape in shapes):
            raise ValueError(words)
        if not -rank <= self.axis < rank or self.axis % rank == 0:
            raise ValueError(
                f"Layer '{self.name}': `axis` must be an axis of the inputs and not the batch. "
                f"Received: axis={self.axis}, input_shape={shapes}"
            )
        for axis in range(1, rank):
            sizes = {shape[axis] for shape in shapes} - {None}
            if axis != self.axis % rank and len(sizes) > 1:
                raise ValueError(words)


class Dot(Merge):
    """Dot products of the two inputs' samples along one axis of each.

    ``(batch, n)`` and ``(batch, n)`` give ``(batch, 1)``; otherwise the remaining axes of the first come before those
    of the second.

    Args:
        axes: an axis, or one for each input; not 0, the batch.
        normalize: whether to scale the samples to length 1 along the axes first, which gives their cosine.
    """

    _parameters = ("axes", "normalize")
    _words = "A `Dot` layer should be called on a list of 2 inputs. Received: {}"

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        if not isinstance(axes, int):
            if not isinstance(axes, (list, tuple)):
                raise TypeError(
                    f"Invalid type for argument `axes`: it should be a list or an int. Received: axes={axes}"
                )
            if len(axes) != 2:
                raise ValueError(
                    f"Invalid format for argument `axes`: it should contain two elements. Received: axes={axes}"
                )
            if not all(isinstance(axis, int) for axis in axes):
                raise ValueError(
                    f"Invalid format for argument `axes`: list elements should be integers. Received: axes={axes}"
                )
        self.axes = axes
        self.normalize = bool(normalize)
        super().__init__(**kwargs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """``None``: the results have no mask."""
        return None

    def _check_sizes(self, shapes: list[Shape]) -> None:
        if len(shapes) != 2:
            raise ValueError(self._words.format(f"input_shape={shapes}"))
        axes = [self.axes, self.axes] if isinstance(self.axes, int) else list(self.axes)
        for axis, shape in zip(axes, shapes, strict=True):
            if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
                raise ValueError(
                    f"Layer '{self.name}': `axes` must be axes of the inputs and not the batch. "
                    f"Received: axes={self.axes}, input_shape={shapes}"
                )
        first, second = (shape[axis] for axis, shape in zip(axes, shapes, strict=True))
        if first != second:
            at = [axis % len(shape) for axis, shape in zip(axes, shapes, strict=True)]
            raise ValueError(
                f"Incompatible input shapes: axis values {first} (at axis {at[0]}) != {second} (at axis {at[1]}). "
                f"Full input shapes: {shapes[0]}, {shapes[1]}"
            )


def add(inputs: Any, **kwargs: Any) -> Any:
    """``Add(**kwargs)(inputs)``."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """``Subtract(**kwargs)(inputs)``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """``Multiply(**kwargs)(inputs)``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """``Average(**kwargs)(inputs)``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """``Maximum(**kwargs)(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """``Minimum(**kwargs)(inputs)``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """``Concatenate(axis, **kwargs)(inputs)``."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """``Dot(axes, **kwargs)(inputs)``."""
    return Dot(axes, **kwargs)(inputs)
