"""What ``compile`` says of each output of a model: its loss, the weight of that, its metrics and all names.

The rules are Keras's: one loss serves all outputs, a list goes by the order of the outputs, a dict by their names; of
several losses each has its ``<output>_loss`` in the logs, without its weight; with several outputs metrics are
called ``<output>_<metric>``; a name used twice gets a number, or ``weighted_`` where it is a weighted metric's.
"""

import dataclasses
from typing import Any

from .. import losses, serialization
from ..layers.structure import flatten, flatten_with_path, is_nested, keys_of, map_structure
from ..metrics.compiled import resolve
from ..metrics.reduction import Mean, Sum


@dataclasses.dataclass
class Measure:
    """One metric: its name in the logs, what it is called by itself, its form, its direction, the object if any.

    A metric that Python computes has no form.
    """

    name: str
    own_name: str
    form: Any
    _direction: str | None
    metric: Any = None


@dataclasses.dataclass
class Output:
    """One output: its name, where outputs have names, and what it trains and is measured with."""

    name: str | None
    loss: Any = None
    weight: float = 1.0
    loss_key: str | None = None
    metrics: list[Measure] = dataclasses.field(default_factory=list)
    weighted: list[Measure] = dataclasses.field(default_factory=list)

    def form(self) -> dict[str, Any]:
        """What the engine is told."""
        return {
            "loss": self._loss_form(),
            "loss_weight": self.weight,
            "loss_key": self.loss_key,
            "metrics": [
                {"name": metric.name, "metric": metric.form, "weighted": weighted}
                for metric, weighted in self._all
                if (metric, weighted) not in self.python_metrics
            ],
        }

    def _loss_form(self) -> Any:
        if isinstance(self.loss, losses.PythonLoss):
            return {"class_name": "given", "config": {"reduction": "sum"}}
        return losses.serialize(self.loss) if self.loss is not None else None

    @property
    def python_metrics(self) -> list[tuple[Measure, bool]]:
        """The metrics that Python computes, and whether weights count: those without a form, and all where the loss is
        Python's, since the engine then does not know the targets."""
        by_python = isinstance(self.loss, losses.PythonLoss)
        return [(metric, weighted) for metric, weighted in self._all if by_python or metric.form is None]

    @property
    def engine_metrics(self) -> list[Measure]:
        """The others, in the engine's order."""
        by_python = self.python_metrics
        return [metric for metric, weighted in self._all if (metric, weighted) not in by_python]

    @property
    def _all(self) -> list[tuple[Measure, bool]]:
        return [(metric, False) for metric in self.metrics] + [(metric, True) for metric in self.weighted]


class Outputs:
    """The outputs of a model as ``compile`` and ``fit`` name them.

    ``structure`` is the structure of the outputs, ``None`` for one output that is not known yet.
    """

    def __init__(self, structure: Any, names: list[str] | None) -> None:
        self.structure = structure
        self.count = len(flatten(structure)) if names is not None else 1
        self.layer_names = names
        self.names: list[str | None] = [None]
        if isinstance(structure, dict) and len(structure) == self.count:
            self.names = [str(key) for key in keys_of(structure)]
        elif is_nested(structure) and names is not None and len(structure) != self.count:
            self.names = ["/".join(str(part) for part in path) for path, _ in flatten_with_path(structure)]
        elif names is not None:
            self.names = list(names)

    @property
    def shown(self) -> Any:
        """The structure for an error's text."""
        return map_structure(lambda _: "*", self.structure) if self.count > 1 else "*"

    def by_name(self, value: dict[Any, Any], argument: str, partial: bool) -> list[Any]:
        """A dict's values in the order of the outputs, ``None`` where it has none.

        Raises:
            ValueError: for names of no output, and, without ``partial``, where one is missing.
        """
        known = [self.names]
        if self.layer_names is not None and not isinstance(self.structure, dict):
            known.append(list(self.layer_names))
        for names in known:
            if names != [None] and set(value) <= set(names) and (partial or len(value) == len(set(names))):
                return [value.get(name) for name in names]
        if self.count == 1 and self.names == [None] and len(value) == 1:
            return list(value.values())
        raise ValueError(
            f"Expected keys {self.names} in {argument} dict, but found {argument}.keys()={list(value)} (`{argument}`)"
        )


def _is_form(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value


def resolve_outputs(
    outputs: Outputs, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any
) -> list[Output]:
    """The outputs with what they are compiled with.

    Raises:
        ValueError: for unknown names, and lists and dicts that do not suit the outputs.
        TypeError: for things that are no losses or metrics.
    """
    found = [Output(name) for name in outputs.names]
    for output, one in zip(found, _losses(outputs, loss), strict=True):
        output.loss = _loss(one)
    _weigh(outputs, found, loss, loss_weights)
    with_loss = [output for output in found if output.loss is not None]
    if len(with_loss) > 1:
        for output in with_loss:
            output.loss_key = f"{output.name}_loss"
    for output, entries in zip(found, _metrics(outputs, metrics, "metrics"), strict=True):
        output.metrics = _metric_list(entries)
    for output, entries in zip(found, _metrics(outputs, weighted_metrics, "weighted_metrics"), strict=True):
        output.weighted = _metric_list(entries)
    _name(found)
    return found


def _losses(outputs: Outputs, loss: Any) -> list[Any]:
    if isinstance(loss, dict) and not _is_form(loss):
        return outputs.by_name(loss, "loss", isinstance(outputs.structure, dict))
    if isinstance(loss, (list, tuple)):
        entries = _leaves(loss)
        if len(entries) != outputs.count:
            raise ValueError(
                f"`loss` must have one entry for each of the {outputs.count} output(s) of the model. "
                f"Received: loss={loss!r}"
            )
        return entries
    return [loss] * outputs.count


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for entry in value for leaf in _leaves(entry)]
    return [value]


def _loss(identifier: Any) -> Any:
    if isinstance(identifier, (list, tuple)) and len(identifier) == 1:  # as in Keras
        identifier = identifier[0]
    if identifier is None:
        return None
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        return "crossentropy"  # the engine takes the one that suits the shapes
    return losses.resolve(identifier)


def _weigh(outputs: Outputs, found: list[Output], loss: Any, weights: Any) -> None:
    if weights is None:
        return
    if isinstance(weights, bool) or not isinstance(weights, (list, tuple, dict, float, int)):
        raise ValueError(
            "Expected `loss_weights` argument to be a float (single output case) or a list, tuple, or dict (multiple "
            f"output case). Received instead: loss_weights={weights} of type {type(weights)}"
        )
    if isinstance(weights, dict):
        values = outputs.by_name(weights, "loss_weights", isinstance(outputs.structure, dict))
    elif isinstance(weights, (list, tuple)):
        values = _leaves(weights)
    else:
        values = [weights] if outputs.count == 1 else []
    expected = len(_losses(outputs, loss)) if is_nested(loss) and not _is_form(loss) else outputs.count
    if len(values) != expected:
        count = len(weights) if isinstance(weights, (list, tuple, dict)) else 1
        raise ValueError(f"`loss_weights` must match the number of losses, got {expected} losses and {count} weights.")
    for output, value in zip(found, values, strict=True):
        if value is None:
            continue
        if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
            raise TypeError(f"`loss_weights` must hold numbers. Received: loss_weights={weights!r}")
        output.weight = float(value)


def _metrics(outputs: Outputs, metrics: Any, argument: str) -> list[Any]:
    """What is to be measured of each output: a list, one thing or ``None``."""
    if metrics is not None and not isinstance(metrics, (list, tuple, dict)):
        raise ValueError(
            f"Expected `{argument}` argument to be a list, tuple, or dict. "
            f"Received instead: {argument}={metrics} of type {type(metrics)}"
        )
    if not metrics:
        return [None] * outputs.count
    if outputs.count == 1:
        return [metrics]
    if isinstance(metrics, dict) and not _is_form(metrics):
        try:
            return outputs.by_name(metrics, argument, True)
        except ValueError as error:
            reason = str(error)
    elif isinstance(metrics, (list, tuple)) and len(metrics) == outputs.count:
        return list(metrics)
    else:
        reason = f"There are {outputs.count} outputs and {len(metrics)} entries."
    raise ValueError(
        f"{reason}\nInvalid `{argument}`. `{argument}` should contain metrics objects and either be a dict or a list "
        f"matching the output names of the functional model {outputs.names} or match the output structure of the "
        f"model: {outputs.shown}.\nReceived: {argument}={metrics}"
    )


def _metric_list(entries: Any) -> list[Measure]:
    """The metrics of nested lists and dicts; a dict with ``class_name`` is a metric."""
    if entries is None:
        return []
    if isinstance(entries, dict) and not _is_form(entries):
        entries = list(entries.values())
    if isinstance(entries, (list, tuple)):
        return [metric for entry in entries for metric in _metric_list(entry)]
    [metric] = resolve([entries], allow_python=True)
    if type(metric.metric) in (Mean, Sum):
        name = type(metric.metric).__name__
        raise TypeError(f"compile: {name} measures values, not targets and predictions. Received: {entries!r}")
    return [Measure(metric.name, metric.name, metric.form, metric._direction, metric.metric)]


def _name(found: list[Output]) -> None:
    """Gives every metric its own name in the logs."""
    counts: dict[str, int] = {}

    def unique(name: str) -> str:
        index = counts.get(name, 0)
        counts[name] = index + 1
        return f"{name}_{index}" if index else name

    several = len(found) > 1
    for output in found:
        for metric in output.metrics:
            metric.name = unique(f"{output.name}_{metric.name}" if several else metric.name)
    for output in found:
        for metric in output.weighted:
            plain, marked = metric.name, f"weighted_{metric.name}"
            if several:
                plain, marked = f"{output.name}_{plain}", f"{output.name}_{marked}"
            metric.name = unique(plain if plain not in counts else marked)


def log_order(found: list[Output]) -> list[str]:
    """The names in the logs, in the order of ``evaluate``'s list.

    Keras lists what its metrics are called by themselves first, so that with several outputs, whose names stand before
    those of their metrics, losses come first and metrics follow by the alphabet.
    """
    own = [metric.own_name for output in found for metric in output.metrics]
    own += [metric.own_name for output in found for metric in output.weighted]
    logs = {metric.name for output in found for metric in (*output.metrics, *output.weighted)}
    logs |= {output.loss_key for output in found if output.loss_key is not None}
    names = ["loss", *own, *(output.loss_key for output in found if output.loss_key is not None)]
    first = list(dict.fromkeys(name for name in names if name == "loss" or name in logs))
    return first + sorted(logs - set(first))


def compile_text(found: list[Output]) -> str:
    """The engine's configuration; empty where there is no loss."""
    if all(output.loss is None for output in found):
        return ""
    return serialization.to_text({"outputs": [output.form() for output in found]})
