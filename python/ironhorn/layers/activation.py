"""Activations as layers."""

import math
from typing import Any

from .. import activations
from .base import Layer


class Activation(Layer):
    """Applies an activation function.

    Args:
        activation: a name or a function of ``ironhorn.activations``.
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        self.activation = activations.get(activation)
        super().__init__(**kwargs)
        self._create()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"activation": activations.serialize(self.activation)}


def _number(owner: str, argument: str, value: Any, lowest: float | None = None) -> float:
    if isinstance(value, bool) or not hasattr(value, "__float__") or math.isnan(value):
        raise ValueError(f"{owner}: `{argument}` must be a number. Received: {argument}={value!r}")
    if lowest is not None and value < lowest:
        raise ValueError(f"{owner}: `{argument}` must be at least {lowest:g}. Received: {argument}={value!r}")
    return value if isinstance(value, int) else float(value)


class ReLU(Layer):
    """``x`` from ``threshold`` on, ``negative_slope * (x - threshold)`` below; at most ``max_value``."""

    _parameters = ("max_value", "negative_slope", "threshold")

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        self.max_value = None if max_value is None else _number("ReLU", "max_value", max_value, 0)
        self.negative_slope = _number("ReLU", "negative_slope", negative_slope or 0.0, 0)
        self.threshold = _number("ReLU", "threshold", threshold or 0.0, 0)
        super().__init__(**kwargs)
        self._create()


class LeakyReLU(Layer):
    """``x`` where positive, else ``negative_slope * x``. The slope is 0.3 here and 0.2 in the function, as in Keras."""

    _parameters = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
        self.negative_slope = _number("LeakyReLU", "negative_slope", negative_slope)
        super().__init__(**kwargs)
        self._create()


class ELU(Layer):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``."""

    _parameters = ("alpha",)

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        self.alpha = _number("ELU", "alpha", alpha)
        super().__init__(**kwargs)
        self._create()


class Softmax(Layer):
    """``exp(x) / sum(exp(x))`` along the last axis."""

    _parameters = ("axis",)

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        if isinstance(axis, bool) or not hasattr(axis, "__index__"):
            raise TypeError(f"Softmax: `axis` must be an integer. Received: axis={axis!r}")
        self.axis = int(axis)
        super().__init__(**kwargs)
        self._create()
