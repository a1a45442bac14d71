"""Constraints: what weights are made to keep to after every update, each callable as ``constraint(array)`` → array."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from . import _core, serialization
from .arrays import numbers
from .naming import to_snake_case

Axis = int | Sequence[int] | None


class Constraint:
    """Base class. A subclass written in Python works alone; the engine trains with the classes below only."""

    _keras_module = "keras.constraints"
    _parameters: ClassVar[tuple[str, ...]] = ()

    def __call__(self, w: Any) -> Any:
        """The projection of weights: ``w`` itself."""
        return w

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in self._parameters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a constraint from ``get_config``'s result."""
        return cls(**config)


class _Native(Constraint):
    """One that the engine applies."""

    def __call__(self, w: Any) -> NDArray[np.float32]:
        """The projected weights, a new array.

        Args:
            w: numbers, or a variable.

        Raises:
            ValueError: if ``w`` lacks an axis of the constraint, or an argument of the constraint is out of range.
        """
        array = numbers(w, type(self).__name__)
        text = serialization.to_text(serialization.serialize(self))
        return _core.constrain(text, np.atleast_1d(array)).reshape(array.shape)


class MaxNorm(_Native):
    """Shrinks weights whose norm along ``axis`` is above ``max_value``.

    ``axis=0`` is a unit's incoming weights in a kernel ``(inputs, units)``; a list of axes, or ``None`` for all, gives
    the norm over several.
    """

    _parameters = ("max_value", "axis")

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = max_value
        self.axis = axis


class NonNeg(_Native):
    """Sets weights below 0 to 0."""


class UnitNorm(_Native):
    """Scales weights so that their norm along ``axis`` is 1."""

    _parameters = ("axis",)

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis


class MinMaxNorm(_Native):
    """Scales weights to the norm ``(1 - rate) * norm + rate * clip(norm, min_value, max_value)`` along ``axis``."""

    _parameters = ("min_value", "max_value", "rate", "axis")

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis


_CLASSES: tuple[type[_Native], ...] = (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)
ALL_OBJECTS: dict[str, type[Constraint]] = {cls.__name__: cls for cls in (*_CLASSES, Constraint)}
ALL_OBJECTS |= {to_snake_case(cls.__name__): cls for cls in (*_CLASSES, Constraint)}
max_norm, min_max_norm, non_neg, unit_norm = _CLASSES


def serialize(constraint: Any) -> Any:
    """The nested form of a constraint."""
    return serialization.serialize(constraint)


def deserialize(config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint a name or a nested form stands for; ``custom_objects`` adds names."""
    return serialization.get(config, {**ALL_OBJECTS, **(custom_objects or {})}, "constraint")


def get(identifier: Any) -> Callable[[Any], Any] | None:
    """The constraint for a name, a configuration, a class or an object; callables and ``None`` pass through.

    Raises:
        ValueError: for unknown names (the nearest one is named) and for anything that cannot be called.
    """
    obj = serialization.get(identifier, ALL_OBJECTS, "constraint")
    if obj is None or callable(obj):
        return obj
    raise ValueError(f"Could not interpret constraint identifier: {identifier!r}")


def for_layer(identifier: Any, place: str) -> Constraint | None:
    """The constraint that a layer trains with.

    Args:
        identifier: what ``get`` takes.
        place: the layer and its argument, for the error.

    Raises:
        TypeError: for what is written in Python: the engine projects the weights.
    """
    constraint = get(identifier)
    if constraint is None or type(constraint) in _CLASSES:
        return constraint  # type: ignore[return-value]
    raise TypeError(
        f"{place} must be a name or an object of ironhorn.constraints: the engine runs no Python code in a step, so a "
        f"constraint written in Python works alone only. Received: {identifier!r}"
    )
