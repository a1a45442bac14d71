"""Layers, by Keras's names and signatures."""

from collections.abc import Mapping
from typing import Any

from .. import serialization
from .activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from .base import Layer
from .core import Dense, Dropout, Flatten
from .input import Input, InputLayer

__all__ = [
    "ELU", "Activation", "Dense", "Dropout", "Flatten", "Input", "InputLayer", "Layer", "LeakyReLU", "ReLU", "Softmax",
]  # fmt: skip

_CLASSES: tuple[type[Layer], ...] = (
    ELU, Activation, Dense, Dropout, Flatten, InputLayer, LeakyReLU, ReLU, Softmax,
)  # fmt: skip
ALL_OBJECTS: dict[str, type[Layer]] = {cls.__name__: cls for cls in _CLASSES}


def serialize(layer: Layer) -> dict[str, Any]:
    """The nested form of a layer."""
    form: dict[str, Any] = serialization.serialize(layer)
    return form


def deserialize(config: Mapping[str, Any]) -> Layer:
    """The layer, or the Sequential model, compiled where it was, that a nested form stands for.

    Raises:
        ValueError: for a ``class_name`` outside of the known layers; the nearest one is named.
    """
    from ..models import Sequential

    layer: object = serialization.deserialize(config, {**ALL_OBJECTS, "Sequential": Sequential}, "layer")
    if not isinstance(layer, Layer):
        raise TypeError(f"Expected the configuration of a layer, a dict with 'class_name'. Received: {config!r}")
    if isinstance(layer, Sequential) and isinstance(config, Mapping) and config.get("compile_config"):
        layer.compile_from_config(config["compile_config"])
    return layer
