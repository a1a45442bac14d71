"""Ironhorn: a Keras-like library of dense networks on a Rust engine.

``from ironhorn.models import Sequential`` and so on: modules, names and behaviour are Keras's.
"""

import importlib
from typing import Any

from . import (
    activations,
    callbacks,
    config,
    constraints,
    errors,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    saving,
    utils,
)
from ._core import __version__
from .config import list_devices, set_device
from .initializers import Initializer
from .layers import Input, KerasTensor, Layer
from .losses import Loss
from .metrics import Metric
from .models import Model, Sequential
from .optimizers import Optimizer
from .regularizers import Regularizer
from .saving import load_model

__all__ = [
    "Initializer", "Input", "KerasTensor", "Layer", "Loss", "Metric", "Model", "Optimizer", "Regularizer",
    "Sequential", "__version__", "activations", "callbacks", "config", "constraints", "datasets",
    "errors", "initializers", "layers", "list_devices", "load_model", "losses", "metrics", "models", "ops",
    "optimizers", "random", "regularizers", "saving", "set_device", "utils", "version",
]  # fmt: skip


def version() -> str:
    """The version of this package."""
    return __version__


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return importlib.import_module(".datasets", __name__)
    raise AttributeError(f"module 'ironhorn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
