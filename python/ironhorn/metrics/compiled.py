"""What ``compile(metrics=...)`` takes, as the engine is told it."""

from collections.abc import Sequence
from typing import Any

from .. import losses, serialization
from .base import Metric
from .registry import ENGINE_CLASSES, FUNCTIONS, get


class Compiled:
    """A metric as ``compile`` hands it to the engine: its name in the logs, its form, its direction."""

    def __init__(self, name: str, form: Any, direction: str | None) -> None:
        self.name = name
        self.form = form
        self._direction = direction


def resolve(identifiers: Sequence[Any]) -> list[Compiled]:
    """The engine's metrics for the flat list of ``compile(metrics=...)``; a name used twice gets a number.

    Raises:
        ValueError: for unknown names.
        TypeError: for metrics written in Python, which the engine cannot run.
    """
    counts: dict[str, int] = {}
    compiled = []
    for identifier in identifiers:
        entry = _resolve_one(identifier)
        index = counts.get(entry.name, 0)
        counts[entry.name] = index + 1
        entry.name = f"{entry.name}_{index}" if index else entry.name
        compiled.append(entry)
    return compiled


def _resolve_one(identifier: Any) -> Compiled:
    if isinstance(identifier, str):
        kind = {"acc": "accuracy", "accuracy": "accuracy", "crossentropy": "crossentropy", "ce": "crossentropy"}
        if identifier.lower() in kind:
            name = kind[identifier.lower()]
            return Compiled(identifier, name, "up" if name == "accuracy" else "down")
    metric = get(identifier)
    if metric is None:
        raise ValueError("Expected metric, received `None`")
    name = identifier if isinstance(identifier, str) else ""
    if not isinstance(metric, Metric):
        cls = FUNCTIONS.get(metric)
        if cls is None and isinstance(metric, losses.Loss):
            cls = next((c for c in ENGINE_CLASSES if c.__name__ == type(metric).__name__), None)
            name = metric.name
        if cls is None:
            raise TypeError(
                f"A metric is a name, a function or an object of ironhorn.metrics. Received: {identifier!r}"
            )
        name = name or metric.__name__
        metric = cls(name=name)
    if type(metric) not in ENGINE_CLASSES:
        raise TypeError(
            f"{type(metric).__name__} cannot be compiled: the engine runs "
            f"{', '.join(cls.__name__ for cls in ENGINE_CLASSES)}. Received: {identifier!r}"
        )
    return Compiled(name or metric.name, serialization.serialize(metric), metric._direction)
