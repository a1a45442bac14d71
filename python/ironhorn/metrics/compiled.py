"""What ``compile(metrics=...)`` takes, as the engine is told it."""

from collections.abc import Sequence
from typing import Any

from .. import losses, serialization
from .base import Metric
from .reduction import MeanMetricWrapper
from .registry import ENGINE_CLASSES, FUNCTIONS, get
from .regression import CosineSimilarity


class Compiled:
    """A metric as ``compile`` takes it: its name in the logs and its direction.

    Attributes:
        form: what the engine is told; ``None`` for a metric that Python computes.
        metric: the object, if there is one; of a metric that Python computes, what to update.
    """

    def __init__(self, name: str, form: Any, direction: str | None, metric: Metric | None = None) -> None:
        self.name = name
        self.form = form
        self.metric = metric
        self._direction = direction

    @property
    def is_native(self) -> bool:
        """Whether the engine computes it."""
        return self.form is not None


def resolve(identifiers: Sequence[Any], allow_python: bool = False) -> list[Compiled]:
    """The metrics for the flat list of ``compile(metrics=...)``; a name used twice gets a number.

    Args:
        identifiers: names, configurations, functions, losses and metrics.
        allow_python: whether metrics that Python computes are let through: functions of ``(y_true, y_pred)``, as
            ``MeanMetricWrapper``, and subclasses of ``Metric``.

    Raises:
        ValueError: for unknown names.
        TypeError: for metrics written in Python, where they are not let through.
    """
    counts: dict[str, int] = {}
    compiled = []
    for identifier in identifiers:
        entry = _resolve_one(identifier, allow_python)
        index = counts.get(entry.name, 0)
        counts[entry.name] = index + 1
        entry.name = f"{entry.name}_{index}" if index else entry.name
        compiled.append(entry)
    return compiled


def _resolve_one(identifier: Any, allow_python: bool) -> Compiled:
    if isinstance(identifier, str):
        kind = {"acc": "accuracy", "accuracy": "accuracy", "crossentropy": "crossentropy", "ce": "crossentropy"}
        if identifier.lower() in kind:
            name = kind[identifier.lower()]
            return Compiled(identifier, name, "up" if name == "accuracy" else "down")
    metric = get(identifier)
    if metric is None:
        raise ValueError("Expected metric, received `None`")
    if isinstance(metric, losses.Loss) and _is_engine_s(metric):
        return Compiled(metric.name, _form(metric), "down")
    if not isinstance(metric, Metric):
        cls = FUNCTIONS.get(metric) if getattr(metric, "__hash__", None) else None
        name = getattr(metric, "name", None) or getattr(metric, "__name__", type(metric).__name__)
        if cls is None and not (allow_python and callable(metric)):
            raise TypeError(
                f"A metric is a name, a function or an object of ironhorn.metrics. Received: {identifier!r}"
            )
        metric = MeanMetricWrapper(metric, name=name) if cls is None else cls(name=name)
    name = identifier if isinstance(identifier, str) else metric.name
    if type(metric).is_native:
        return Compiled(name, _form(metric), metric._direction, metric)
    if not allow_python:
        raise TypeError(
            f"{type(metric).__name__} cannot be compiled: the engine runs "
            f"{', '.join(cls.__name__ for cls in ENGINE_CLASSES)}. Received: {identifier!r}"
        )
    return Compiled(name, None, metric._direction, metric)


def _is_engine_s(loss: losses.Loss) -> bool:
    """Whether the engine computes this loss under its name; as a metric, ``CosineSimilarity`` has another sign."""
    return losses.ALL_OBJECTS.get(type(loss).__name__) is type(loss) and type(loss).__name__ != "CosineSimilarity"


def _form(metric: Any) -> Any:
    """The nested form, without what the engine has no use for."""
    form = serialization.serialize(metric)
    config = {key: value for key, value in form["config"].items() if key not in ("dtype", "reduction")}
    if isinstance(metric, CosineSimilarity):
        config["axis"] = metric.axis
    return {**form, "config": config}
