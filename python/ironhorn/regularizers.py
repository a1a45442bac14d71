"""Regularizers: penalties on weights or activities, each callable as ``regularizer(array)`` → float32 number."""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from . import _core, serialization
from .arrays import numbers
from .naming import to_snake_case


class Regularizer:
    """Base class. A subclass written in Python works alone; the engine trains with the classes below only."""

    _keras_module = "keras.regularizers"

    def __call__(self, x: Any) -> Any:
        """The penalty on an array: 0."""
        return 0.0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; a subclass has to say them."""
        raise NotImplementedError(f"{self} does not implement get_config()")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a regularizer from ``get_config``'s result."""
        return cls(**config)


class _Native(Regularizer):
    """One that the engine computes."""

    _parameters: ClassVar[tuple[str, ...]] = ()

    def __call__(self, x: Any) -> np.float32:
        """The penalty.

        Args:
            x: numbers of any shape, or a variable.
        """
        return np.float32(_core.regularizer_value(self._text(), np.atleast_1d(self._array(x))))

    def gradient(self, x: Any) -> NDArray[np.float32]:
        """The penalty's gradient, of the shape of ``x``; 0 where L1 has a kink."""
        array = self._array(x)
        return _core.regularizer_gradient(self._text(), np.atleast_1d(array)).reshape(array.shape)

    def _array(self, x: Any) -> NDArray[np.float32]:
        return numbers(x, type(self).__name__)

    def _text(self) -> str:
        return serialization.to_text(serialization.serialize(self))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in self._parameters}


class L1(_Native):
    """``l1 * sum(abs(x))``.

    Raises:
        ValueError: if ``l1`` is not a finite number from 0 on.
    """

    _parameters = ("l1",)

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = validate_float_arg(0.01 if l1 is None else l1, "l1")


class L2(_Native):
    """``l2 * sum(x**2)``.

    Raises:
        ValueError: if ``l2`` is not a finite number from 0 on.
    """

    _parameters = ("l2",)

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = validate_float_arg(0.01 if l2 is None else l2, "l2")


class L1L2(_Native):
    """``l1 * sum(abs(x)) + l2 * sum(x**2)``. Both are 0 by default.

    Raises:
        ValueError: if ``l1`` or ``l2`` is not a finite number from 0 on.
    """

    _parameters = ("l1", "l2")

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = validate_float_arg(l1 or 0.0, "l1")
        self.l2 = validate_float_arg(l2 or 0.0, "l2")


class OrthogonalRegularizer(_Native):
    """``factor`` times the mean absolute cosine between different rows, or columns, of a matrix.

    Raises:
        ValueError: if ``factor`` is not a finite number from 0 on, ``mode`` is neither ``"rows"`` nor ``"columns"``,
            or what it is called with is not a matrix.
    """

    _parameters = ("factor", "mode")

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = validate_float_arg(factor, "factor")
        if mode not in ("rows", "columns"):
            raise ValueError(
                f'Invalid value for argument `mode`. Expected one of {{"rows", "columns"}}. Received: mode={mode}'
            )
        self.mode = mode

    def _array(self, x: Any) -> NDArray[np.float32]:
        array = super()._array(x)
        if array.ndim != 2:
            raise ValueError(f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={array.shape}")
        return array


def validate_float_arg(value: Any, name: str) -> float:
    """A finite number from 0 on; everything else is a ``ValueError``."""
    number = isinstance(value, (int, float, np.integer, np.floating))
    if not number or not math.isfinite(value) or value < 0:
        raise ValueError(f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value}")
    return float(value)


_CLASSES: tuple[type[_Native], ...] = (L1, L1L2, L2, OrthogonalRegularizer)
ALL_OBJECTS: dict[str, type[Regularizer]] = {cls.__name__: cls for cls in (*_CLASSES, Regularizer)}
ALL_OBJECTS |= {to_snake_case(cls.__name__): cls for cls in (*_CLASSES, Regularizer)}
ALL_OBJECTS |= {"l1_l2": L1L2}
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


def serialize(regularizer: Any) -> Any:
    """The nested form of a regularizer."""
    return serialization.serialize(regularizer)


def deserialize(config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer a name or a nested form stands for; ``custom_objects`` adds names."""
    return serialization.get(config, {**ALL_OBJECTS, **(custom_objects or {})}, "regularizer")


def get(identifier: Any) -> Callable[[Any], Any] | None:
    """The regularizer for a name, a configuration, a class or an object; callables and ``None`` pass through.

    Raises:
        ValueError: for unknown names (the nearest one is named) and for anything that cannot be called.
    """
    obj = serialization.get(identifier, ALL_OBJECTS, "regularizer")
    if obj is None or callable(obj):
        return obj
    raise ValueError(f"Could not interpret regularizer identifier: {identifier!r}")


def for_layer(identifier: Any, place: str) -> Regularizer | None:
    """The regularizer that a layer trains with.

    Args:
        identifier: what ``get`` takes.
        place: the layer and its argument, for the error.

    Raises:
        TypeError: for what is written in Python: the engine computes penalties and their gradients.
    """
    regularizer = get(identifier)
    if regularizer is None or type(regularizer) in _CLASSES:
        return regularizer  # type: ignore[return-value]
    raise TypeError(
        f"{place} must be a name or an object of ironhorn.regularizers: the engine runs no Python code in a step, so "
        f"a regularizer written in Python works alone only. Received: {identifier!r}"
    )
