"""What a model is compiled with, as JSON and back.

This package's objects are written in Keras's form. A loss or a metric of the user's that the engine runs is written as
the operations it was traced to, and lives on without its source. What only Python can compute - a ``PythonLoss``, a
metric or a learning rate of one's own - is written by its name alone: whoever loads the model hands it in by
``custom_objects``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .. import losses, metrics, optimizers, serialization
from ..losses import LossFunctionWrapper, PythonLoss, TracedLoss
from ..metrics.compiled import resolve
from ..optimizers import schedules
from .stored import StoredFunction, plain, stored_loss

_PLAIN = ("loss_weights", "run_eagerly", "steps_per_execution", "jit_compile")


class Own(dict[str, Any]):
    """Objects that a file cannot hold, by the names that it knows them by."""

    def note(self, value: Any) -> dict[str, Any]:
        """Takes an object in; gives what the file has of it."""
        source = getattr(value, "fn", None) if isinstance(value, PythonLoss) else value
        name = getattr(source, "__name__", None) or type(value).__name__
        self[name] = value
        return {"__own__": name, "config": _config(value)}


def _config(value: Any) -> Any:
    """The arguments of an object, where JSON has them."""
    try:
        return plain(value.get_config()) if hasattr(value, "get_config") else None
    except Exception:  # whatever a user's method does, its arguments are then not stored
        return None


def _is_known(value: Any, registry: Mapping[str, Any]) -> bool:
    name = getattr(value, "__name__", None)
    return name is not None and registry.get(name) is value


def _structure(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """The same structure of lists, tuples and dicts by output; a dict with ``class_name`` is a leaf."""
    if isinstance(value, dict) and not {"class_name", "__own__", "__expression__", "__loss__"} & set(value):
        return {key: _structure(item, leaf) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_structure(item, leaf) for item in value)
    return leaf(value)


# Losses


def _stored_loss(loss: Any, own: Own) -> Any:
    if isinstance(loss, type):
        loss = losses.get(loss)
    if loss is None or isinstance(loss, (str, dict)):
        return loss
    if type(loss) in losses.registry.ENGINE_CLASSES or _is_known(loss, losses.ALL_OBJECTS):
        return serialization.serialize(loss)
    if isinstance(loss, LossFunctionWrapper) and _is_known(loss.fn, losses.ALL_OBJECTS):
        return serialization.serialize(loss)
    if isinstance(loss, PythonLoss):
        return own.note(loss)
    traced = losses.resolve(loss)
    assert isinstance(traced, TracedLoss)
    source: Any = loss.loss if isinstance(loss, TracedLoss) else loss
    named = source.fn if isinstance(source, LossFunctionWrapper) else source
    name = getattr(named, "__name__", None) or type(named).__name__
    expression = {"name": traced.name, "reduction": traced.reduction, "nodes": traced.nodes, "own": name}
    return {"__expression__": expression, "config": _config(source)}


def _revived_loss(form: Any, custom: Mapping[str, Any]) -> Any:
    if not isinstance(form, dict):
        return custom[form] if isinstance(form, str) and form in custom else form
    if "__expression__" in form:
        it = form["__expression__"]
        if it.get("own") in custom:
            return _made(custom[it["own"]], form.get("config"))
        return stored_loss(it["name"], it["reduction"], it["nodes"])
    if "__own__" in form:
        found = _handed_in(form, custom, "loss")
        if isinstance(found, (type, losses.Loss)):
            return _made(found, form.get("config"))
        config = form.get("config") or {}
        return PythonLoss(found, config.get("reduction", "sum_over_batch_size"), config.get("name"))
    return losses.deserialize(form, dict(custom))


# Metrics


def _stored_metric(metric: Any, own: Own) -> Any:
    if isinstance(metric, type):
        metric = metric()
    if metric is None or isinstance(metric, (str, dict)):
        return metric
    if isinstance(metric, losses.Loss) and type(metric) in losses.registry.ENGINE_CLASSES:
        return {"__loss__": serialization.serialize(metric)}
    if metric in metrics.registry.FUNCTIONS or metrics.ALL_OBJECTS.get(type(metric).__name__) is type(metric):
        return serialization.serialize(metric)
    [compiled] = resolve([metric], allow_python=True)
    if compiled.form is None or compiled.form["class_name"] != "expression":
        return own.note(metric)
    fn = getattr(metric, "_fn", metric)
    expression = {"name": compiled.name, "nodes": compiled.form["config"]["nodes"], "own": _name(fn)}
    return {"__expression__": expression}


def _name(value: Any) -> str:
    return getattr(value, "__name__", None) or type(value).__name__


def _revived_metric(form: Any, custom: Mapping[str, Any]) -> Any:
    if not isinstance(form, dict):
        return custom[form] if isinstance(form, str) and form in custom else form
    if "__loss__" in form:
        return losses.deserialize(form["__loss__"])
    if "__expression__" in form:
        it = form["__expression__"]
        fn = custom.get(it["own"]) or StoredFunction(it["own"], it["nodes"])
        return metrics.MeanMetricWrapper(fn, name=it["name"])
    if "__own__" in form:
        return _made(_handed_in(form, custom, "metric"), form.get("config"))
    return metrics.deserialize(form, dict(custom))


# Optimizers


def _stored_optimizer(optimizer: Any, own: Own) -> dict[str, Any]:
    rate = optimizer._rate
    if not callable(rate):
        stored = optimizer.learning_rate
    elif schedules.is_native(rate):
        stored = serialization.serialize(rate)
    else:
        stored = own.note(rate)
    config = plain(optimizer._options()) | {"learning_rate": stored}
    name = type(optimizer).__name__
    if optimizers.ALL_OBJECTS.get(name) is not type(optimizer):
        own[name] = type(optimizer)
        return {"__own__": name, "config": config}
    return {"class_name": name, "config": config}


def _revived_optimizer(form: dict[str, Any], custom: Mapping[str, Any]) -> Any:
    config = dict(form["config"])
    rate = config.get("learning_rate")
    if isinstance(rate, dict) and "__own__" in rate:
        config["learning_rate"] = _made(_handed_in(rate, custom, "learning rate"), rate.get("config"))
    elif isinstance(rate, dict):
        config["learning_rate"] = schedules.deserialize(rate, custom)
    if "__own__" in form:
        return _handed_in(form, custom, "optimizer")(**config)
    name = form["class_name"]
    if name not in optimizers.ALL_OBJECTS:
        raise serialization.unknown("optimizer", name, optimizers.ALL_OBJECTS)
    return optimizers.ALL_OBJECTS[name](**config)


def _handed_in(form: Mapping[str, Any], custom: Mapping[str, Any], kind: str) -> Any:
    name = form["__own__"]
    if name not in custom:
        raise ValueError(
            f"The model was compiled with a {kind} written in Python, which no file holds. Pass "
            f"custom_objects={{{name!r}: ...}}, or compile=False."
        )
    return custom[name]


def _made(value: Any, config: Any) -> Any:
    """An object: what was handed in, or, of a class, what its stored arguments make."""
    if not isinstance(value, type):
        return value
    make = getattr(value, "from_config", None)
    return make(dict(config)) if config is not None and make is not None else value()


# All of it


def stored(model: Any, own: Own) -> dict[str, Any]:
    """The arguments of a compiled model's ``compile``, as JSON; what cannot be stored goes to ``own``."""
    given = model._compile_arguments
    optimizer = model.optimizer
    numbers = {variable.id: i for i, variable in enumerate(model.variables)}
    number = lambda variables: [numbers.get(getattr(variable, "id", None)) for variable in variables]  # noqa: E731
    trained = number(optimizer._trainable_variables)
    return {name: plain(given[name]) for name in _PLAIN} | {
        "optimizer": _stored_optimizer(optimizer, own),
        "built": optimizer.built and None not in trained,
        "trained": trained,
        "excluded": [i for i in number(optimizer._excluded_list) if i is not None],
        "excluded_names": list(optimizer._excluded_names),
        "loss": plain(_structure(given["loss"], lambda loss: _stored_loss(loss, own))),
        "metrics": plain(_structure(given["metrics"], lambda metric: _stored_metric(metric, own))),
        "weighted_metrics": plain(_structure(given["weighted_metrics"], lambda metric: _stored_metric(metric, own))),
    }


def compile_stored(model: Any, form: dict[str, Any], custom: Mapping[str, Any]) -> None:
    """Compiles with what ``stored`` gave.

    Raises:
        ValueError: for names that are neither this package's nor in ``custom``.
    """
    optimizer = _revived_optimizer(form["optimizer"], custom)
    variables = model.variables
    excluded = [variables[i] for i in form["excluded"]]
    optimizer.exclude_from_weight_decay(excluded, form["excluded_names"])
    if form["built"]:
        optimizer.build([variables[i] for i in form["trained"]])
    model.compile(
        optimizer,
        _structure(form["loss"], lambda loss: _revived_loss(loss, custom)),
        metrics=_structure(form["metrics"], lambda metric: _revived_metric(metric, custom)),
        weighted_metrics=_structure(form["weighted_metrics"], lambda metric: _revived_metric(metric, custom)),
        **{name: form[name] for name in _PLAIN},
    )
