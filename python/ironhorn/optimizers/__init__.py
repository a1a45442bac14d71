"""Optimizers, by Keras's names and signatures; the engine holds their rules and their state."""

from collections.abc import Mapping
from typing import Any

from .. import serialization
from . import schedules
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .adamw import AdamW
from .ftrl import Ftrl
from .lamb import Lamb
from .lion import Lion
from .nadam import Nadam
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Nadam", "Optimizer", "RMSprop",
    "deserialize", "get", "schedules", "serialize",
]  # fmt: skip

_CLASSES: tuple[type[Optimizer], ...] = (
    Adadelta, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Nadam, RMSprop, SGD,
)  # fmt: skip
ALL_OBJECTS: dict[str, type[Optimizer]] = {cls.__name__: cls for cls in _CLASSES}
ALL_OBJECTS |= {cls.__name__.lower(): cls for cls in _CLASSES}


def serialize(optimizer: Optimizer) -> Any:
    """The nested form of an optimizer."""
    return serialization.serialize(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """The optimizer a nested form stands for.

    Args:
        config: what ``serialize`` returned.
        custom_objects: own optimizers and schedules by their names.

    Raises:
        ValueError: for unknown names.
        TypeError: for anything but a nested form.
    """
    if isinstance(config, Mapping) and isinstance(config.get("class_name"), str):
        known = {**ALL_OBJECTS, **(custom_objects or {})}
        name = config["class_name"] if config["class_name"] in known else config["class_name"].lower()
        inner = config.get("config", {})
        cls = known.get(name)
        if isinstance(inner, Mapping) and isinstance(cls, type) and issubclass(cls, Optimizer):
            return cls.from_config(dict(inner), custom_objects)
    found = serialization.deserialize(config, ALL_OBJECTS, "optimizer")
    return found() if isinstance(found, type) else found


def get(identifier: Any) -> Any:
    """The optimizer for a name (in any case), a configuration, a class or an object; ``None`` for ``None``.

    Raises:
        ValueError: for unknown names (the nearest one and all known ones are named) and for anything else.
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str) and identifier not in ALL_OBJECTS:
        identifier = identifier.lower()
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    optimizer = serialization.get(identifier, ALL_OBJECTS, "optimizer")
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"An optimizer is a name or an object of ironhorn.optimizers. Received: {identifier!r} "
            f"(of type {type(identifier).__name__})"
        )
    return optimizer
