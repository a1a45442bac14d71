"""Activations as layers."""

import math
import warnings
from typing import Any

from .. import activations, constraints, initializers, regularizers
from .base import Layer, Shape
from .weights import Weight


class Activation(Layer):
    """Applies an activation function.

    Args:
        activation: a name or a function of ``ironhorn.activations``.
    """

    _built_at_once = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        self.activation = activations.get(activation)
        super().__init__(**kwargs)
        self._create()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"activation": activations.serialize(self.activation)}


def _number(owner: str, argument: str, value: Any, expected: str = "", lowest: float = -math.inf) -> float:
    """A number of at least ``lowest``; ``expected`` is how Keras says what it wants."""
    is_number = not isinstance(value, (bool, str)) and hasattr(value, "__float__") and not math.isnan(value)
    if not is_number or value < lowest:
        text = expected or f"{owner}: `{argument}` must be a number."
        raise ValueError(f"{text} Received: {argument}={value}")
    return value if isinstance(value, int) else float(value)


class ReLU(Layer):
    """``x`` from ``threshold`` on, ``negative_slope * (x - threshold)`` below; at most ``max_value``."""

    _built_at_once = True
    _parameters = ("max_value", "negative_slope", "threshold")

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        text = "{} of a ReLU layer cannot be {} negative value."
        if max_value is not None:
            max_value = _number("ReLU", "max_value", max_value, text.format("max_value", "a"), 0)
        self.max_value = max_value
        words = text.format("negative_slope", "None or a")
        self.negative_slope = _number("ReLU", "negative_slope", negative_slope, words, 0)
        self.threshold = _number("ReLU", "threshold", threshold, text.format("threshold", "None or a"), 0)
        super().__init__(**kwargs)
        self._create()


class LeakyReLU(Layer):
    """``x`` where positive, else ``negative_slope * x``. The slope is 0.3 here and 0.2 in the function, as in Keras."""

    _built_at_once = True
    _parameters = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warnings.warn("Argument `alpha` is deprecated. Use `negative_slope` instead.", UserWarning, stacklevel=2)
        words = "The negative_slope value of a Leaky ReLU layer cannot be None or negative value. Expected a float."
        self.negative_slope = _number("LeakyReLU", "negative_slope", negative_slope, words, 0)
        super().__init__(**kwargs)
        self._create()


class PReLU(Layer):
    """``x`` where it is at least 0, else ``alpha * x`` with a trained ``alpha`` for each position of a sample.

    Args:
        alpha_initializer: what ``alpha`` starts from.
        alpha_regularizer: what it adds to the loss.
        alpha_constraint: what it is brought back to after each update.
        shared_axes: axes, counted from 1, along which there is one ``alpha`` only.
    """

    _records_build = True
    alpha = Weight("The variable, of the shape of a sample with 1 along the shared axes.")

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        if shared_axes is not None:
            shared_axes = list(shared_axes) if isinstance(shared_axes, (list, tuple)) else [shared_axes]
        self.shared_axes: list[int] | None = shared_axes
        super().__init__(**kwargs)
        self._create()

    def _check_shapes(self, shapes: list[Shape]) -> None:
        if self.built:
            self._ndim = len(self.alpha.shape) + 1
        super()._check_shapes(shapes)

    def _fixed_axes(self) -> dict[int, int]:
        if not self.built:
            return {}
        return {i + 1: size for i, size in enumerate(self.alpha.shape) if i + 1 not in (self.shared_axes or ())}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }


class ELU(Layer):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``."""

    _built_at_once = True
    _parameters = ("alpha",)

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        self.alpha = _number("ELU", "alpha", alpha)
        super().__init__(**kwargs)
        self._create()


class Softmax(Layer):
    """``exp(x) / sum(exp(x))`` along ``axis``, an integer or a list of them."""

    _built_at_once = True
    _parameters = ("axis",)
    _takes_mask = True

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        axes = axis if isinstance(axis, (list, tuple)) else [axis]
        if not axes or any(isinstance(one, bool) or not hasattr(one, "__index__") for one in axes):
            raise TypeError(f"Softmax: `axis` must be an integer or a list of them. Received: axis={axis!r}")
        self.axis = [int(one) for one in axes] if isinstance(axis, (list, tuple)) else int(axis)
        super().__init__(**kwargs)
        self._create()
