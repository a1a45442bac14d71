"""What ``compile(metrics=...)`` takes, as the engine is told it."""

from collections.abc import Sequence
from typing import Any

from .. import losses, serialization
from ..naming import to_snake_case
from ..ops import symbol
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
        metric = _wrapped(metric, identifier)
    name = identifier if isinstance(identifier, str) else metric.name
    form = _form(metric) if type(metric).is_native else _traced(metric)
    if form is None and not allow_python:
        if type(metric) is MeanMetricWrapper:
            raise _no_metric(identifier)
        raise TypeError(
            f"{type(metric).__name__} cannot be compiled: the engine runs "
            f"{', '.join(cls.__name__ for cls in ENGINE_CLASSES)}. Received: {identifier!r}"
        )
    return Compiled(name, form, metric._direction, metric)


def _no_metric(identifier: Any) -> TypeError:
    return TypeError(f"A metric is a name, a function or an object of ironhorn.metrics. Received: {identifier!r}")


def _wrapped(function: Any, identifier: Any) -> Metric:
    """The metric of a function, or of a loss object."""
    if not callable(function):
        raise _no_metric(identifier)
    name = getattr(function, "name", None) or to_snake_case(getattr(function, "__name__", type(function).__name__))
    cls = FUNCTIONS.get(function) if getattr(type(function), "__hash__", None) else None
    return MeanMetricWrapper(function, name=name) if cls is None else cls(name=name)


def _is_engine_s(loss: losses.Loss) -> bool:
    """Whether the engine computes the mean of this loss under its name; the metric ``CosineSimilarity`` has another
    sign."""
    known = losses.ALL_OBJECTS.get(type(loss).__name__) is type(loss) and type(loss).__name__ != "CosineSimilarity"
    return known and loss.reduction in ("sum_over_batch_size", "mean", "mean_with_sample_weight")


def _traced(metric: Metric) -> Any:
    """The form of a function that is written with ``ironhorn.ops``, or ``None`` for anything else."""
    if type(metric) is not MeanMetricWrapper or isinstance(metric._fn, losses.Loss):
        return None
    try:
        result = symbol.trace(lambda t, p: metric._fn(t, p, **metric._fn_kwargs), metric.name)
    except Exception:  # whatever a function of arrays does with symbols, on arrays it may work
        return None
    # Keras takes the mean over batches of what is a number a batch.
    if result.extent == "batch":
        return None
    return {"class_name": "expression", "config": {"name": metric.name, "nodes": symbol.nodes_of(result)}}


def _form(metric: Any) -> Any:
    """The nested form, without what the engine has no use for."""
    form = serialization.serialize(metric)
    config = {key: value for key, value in form["config"].items() if key not in ("dtype", "reduction")}
    if isinstance(metric, CosineSimilarity):
        config["axis"] = metric.axis
    return {**form, "config": config}
