"""Layers, by Keras's names and signatures."""

from collections.abc import Mapping
from typing import Any

from .. import serialization
from .activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from .base import Layer
from .core import Dense, Embedding, Identity
from .discretization import Discretization
from .input import Input, InputLayer
from .merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from .normalization import BatchNormalization, LayerNormalization, RMSNormalization, UnitNormalization
from .preprocessing import CategoryEncoding, Rescaling
from .regularization import ActivityRegularization, AlphaDropout, Dropout, GaussianDropout, GaussianNoise
from .reshaping import Flatten, Permute, RepeatVector, Reshape
from .statistics import Normalization
from .tensor import KerasTensor

__all__ = [
    "ELU", "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average", "BatchNormalization",
    "CategoryEncoding", "Concatenate", "Dense", "Discretization", "Dot", "Dropout", "Embedding", "Flatten",
    "GaussianDropout", "GaussianNoise", "Identity", "Input", "InputLayer", "KerasTensor", "Layer",
    "LayerNormalization", "LeakyReLU", "Maximum", "Minimum", "Multiply", "Normalization", "PReLU", "Permute",
    "RMSNormalization", "ReLU", "RepeatVector", "Rescaling", "Reshape", "Softmax", "Subtract", "UnitNormalization",
    "add", "average", "concatenate", "deserialize", "dot", "maximum", "minimum", "multiply", "serialize", "subtract",
]  # fmt: skip

_CLASSES: tuple[type[Layer], ...] = (
    ELU, Activation, ActivityRegularization, Add, AlphaDropout, Average, BatchNormalization, CategoryEncoding,
    Concatenate, Dense, Discretization, Dot, Dropout, Embedding, Flatten, GaussianDropout, GaussianNoise, Identity,
    InputLayer, LayerNormalization, LeakyReLU, Maximum, Minimum, Multiply, Normalization, PReLU, Permute,
    RMSNormalization, ReLU, RepeatVector, Rescaling, Reshape, Softmax, Subtract, UnitNormalization,
)  # fmt: skip
ALL_OBJECTS: dict[str, type[Layer]] = {cls.__name__: cls for cls in _CLASSES}


def serialize(layer: Layer) -> dict[str, Any]:
    """The nested form of a layer."""
    form: dict[str, Any] = serialization.serialize(layer)
    return form


def deserialize(config: Mapping[str, Any]) -> Layer:
    """The layer, or the model, compiled where it was, that a nested form stands for.

    Raises:
        ValueError: for a ``class_name`` outside of the known layers; the nearest one is named.
    """
    from ..models import Functional, Sequential
    from ..models.model import Model

    models: dict[str, type[Layer]] = {"Sequential": Sequential, "Functional": Functional, "Model": Functional}
    layer: object = serialization.deserialize(config, ALL_OBJECTS | models, "layer")
    if not isinstance(layer, Layer):
        raise TypeError(f"Expected the configuration of a layer, a dict with 'class_name'. Received: {config!r}")
    if isinstance(layer, Model) and isinstance(config, Mapping) and config.get("compile_config"):
        layer.compile_from_config(config["compile_config"])
    return layer
