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
from .layers import Input
from .models import Model, Sequential
from .saving import load_model

__all__ = [
    "Input", "Model", "Sequential", "__version__", "activations", "callbacks", "config", "constraints",
    "datasets", "errors", "initializers", "layers", "load_model", "losses", "metrics", "models", "ops", "optimizers",
    "random", "regularizers", "saving", "utils",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return importlib.import_module(".datasets", __name__)
    raise AttributeError(f"module 'ironhorn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
