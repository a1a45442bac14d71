"""Activation functions: each name that a layer's ``activation=`` takes, callable on arrays.

Every function takes an array of numbers of any shape and returns a new float32 array (of the same shape, ``glu``
halves its axis). ``get`` also takes ``functools.partial(leaky_relu, negative_slope=0.1)`` and activation layers.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, serialization
from .arrays import numbers

Array = NDArray[np.float32]


def _apply(name: str, x: ArrayLike, axis: int | Sequence[int] = -1, **parameters: float | bool | None) -> Array:
    array = numbers(x, name)
    shape = array.shape
    array = np.atleast_1d(array)
    axes = [axis] if isinstance(axis, int) else list(axis)
    if not axes or any(not -array.ndim <= each < array.ndim for each in axes):
        raise ValueError(f"{name}: `axis` is out of range for shape {shape}. Received: axis={axis}")
    text = serialization.to_text({"class_name": name, "config": parameters} if parameters else name)
    last = list(range(-len(axes), 0))
    if [each % array.ndim for each in axes] == [each % array.ndim for each in last]:
        moved = array
    else:
        moved = np.ascontiguousarray(np.moveaxis(array, axes, last))
    if len(axes) == 1:
        result = _core.activation(text, moved)
    else:  # several axes are one long row
        rows = np.ascontiguousarray(moved.reshape(*moved.shape[: -len(axes)], -1))
        result = _core.activation(text, rows).reshape(moved.shape)
    if moved is not array:
        result = np.moveaxis(result, last, axes)
    return result if shape else result.reshape(())


def relu(x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """``x`` where it is at least ``threshold``, else ``negative_slope * (x - threshold)``; at most ``max_value``."""
    if (negative_slope, max_value, threshold) == (0.0, None, 0.0):
        return _apply("relu", x)
    return _apply("relu", x, negative_slope=negative_slope, max_value=max_value, threshold=threshold)


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> Array:
    """``x`` where positive, else ``negative_slope * x``."""
    return _apply("leaky_relu", x, negative_slope=negative_slope)


def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """``x`` where positive, else ``alpha * (exp(x) - 1)``."""
    return _apply("elu", x, alpha=alpha)


def celu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """``max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))``."""
    return _apply("celu", x, alpha=alpha)


def gelu(x: ArrayLike, approximate: bool = False) -> Array:
    """``x * P(X <= x)`` for a standard normal X; with ``approximate``, by tanh."""
    return _apply("gelu", x, approximate=approximate)


def softmax(x: ArrayLike, axis: int | Sequence[int] = -1) -> Array:
    """``exp(x) / sum(exp(x))`` along ``axis``, or over several axes together."""
    return _apply("softmax", x, axis)


def log_softmax(x: ArrayLike, axis: int | Sequence[int] = -1) -> Array:
    """``x - log(sum(exp(x)))`` along ``axis``, or over several axes together."""
    return _apply("log_softmax", x, axis)


def sparsemax(x: ArrayLike, axis: int = -1) -> Array:
    """The Euclidean projection onto the probability simplex along ``axis``."""
    return _apply("sparsemax", x, axis)


def glu(x: ArrayLike, axis: int = -1) -> Array:
    """``a * sigmoid(b)`` for the two halves of ``axis``, whose length must be even."""
    return _apply("glu", x, axis)


def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """``x`` where ``abs(x) > threshold``, else 0."""
    return _apply("hard_shrink", x, threshold=threshold)


def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """``x`` moved towards 0 by ``threshold``."""
    return _apply("soft_shrink", x, threshold=threshold)


def squareplus(x: ArrayLike, b: float = 4) -> Array:
    """``(x + sqrt(x**2 + b)) / 2``."""
    return _apply("squareplus", x, b=b)


def threshold(x: ArrayLike, threshold: float, default_value: float) -> Array:
    """``x`` where ``x > threshold``, else ``default_value``."""
    return _apply("threshold", x, threshold=threshold, default_value=default_value)


def _plain(name: str, formula: str) -> Callable[[ArrayLike], Array]:
    def function(x: ArrayLike) -> Array:
        return _apply(name, x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``{formula}``, element by element."
    return function


exponential = _plain("exponential", "exp(x)")
hard_sigmoid = _plain("hard_sigmoid", "clip(x / 6 + 0.5, 0, 1)")
hard_silu = _plain("hard_silu", "x * hard_sigmoid(x)")
hard_tanh = _plain("hard_tanh", "clip(x, -1, 1)")
linear = _plain("linear", "x")
log_sigmoid = _plain("log_sigmoid", "log(1 / (1 + exp(-x)))")
mish = _plain("mish", "x * tanh(softplus(x))")
relu6 = _plain("relu6", "min(max(x, 0), 6)")
selu = _plain("selu", "1.05070098 * elu(x, 1.67326324)")
sigmoid = _plain("sigmoid", "1 / (1 + exp(-x))")
silu = _plain("silu", "x * sigmoid(x)")
softplus = _plain("softplus", "log(exp(x) + 1)")
softsign = _plain("softsign", "x / (abs(x) + 1)")
sparse_plus = _plain("sparse_plus", "0 below -1, (x + 1)**2 / 4 up to 1, x above")
sparse_sigmoid = _plain("sparse_sigmoid", "clip((x + 1) / 2, 0, 1)")
tanh = _plain("tanh", "tanh(x)")
tanh_shrink = _plain("tanh_shrink", "x - tanh(x)")
swish = silu
hard_swish = hard_silu

ALL_OBJECTS: dict[str, Callable[..., Array]] = {
    function.__name__: function
    for function in (
        celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear,
        log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign,
        sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold,
    )
}  # fmt: skip
_LAYERS = frozenset({"ELU", "LeakyReLU", "ReLU", "Softmax"})
ALL_OBJECTS |= {"swish": silu, "hard_swish": hard_silu}


def serialize(activation: Any) -> Any:
    """The name of a function, or ``{"class_name": ..., "config": {...}}`` where it has parameters.

    Raises:
        ValueError: for callables that are not Ironhorn's: the engine runs no Python code.
    """
    if isinstance(activation, functools.partial) and not activation.args:
        return {"class_name": serialize(activation.func), "config": dict(activation.keywords)}
    if hasattr(activation, "_flat_layers") and type(activation).__name__ in _LAYERS:
        return serialization.serialize(activation)
    name = getattr(activation, "__name__", None)
    if name is None or ALL_OBJECTS.get(name) is not activation:
        raise ValueError(
            "An activation is a name, a function of ironhorn.activations (or a functools.partial of one with "
            f"keywords), or an activation layer. Received: {activation!r}"
        )
    return name


def deserialize(config: Any) -> Callable[..., Array]:
    """The function a name, or a ``class_name`` form, stands for."""
    if isinstance(config, Mapping) and config.get("class_name") not in ALL_OBJECTS:
        from . import layers

        if config.get("class_name") in _LAYERS:
            layer: Callable[..., Array] = layers.deserialize(config)
            return layer
    function: Callable[..., Array] = serialization.deserialize(config, ALL_OBJECTS, "activation")
    return function


def get(identifier: Any) -> Callable[..., Array]:
    """The activation for a name, a configuration or a function; ``None`` is ``linear``.

    Raises:
        ValueError: for unknown names (the nearest one is named) and for callables the engine cannot run.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    if not callable(identifier):
        raise ValueError(f"Could not interpret activation identifier: {identifier!r}")
    serialize(identifier)
    function: Callable[..., Array] = identifier
    return function
