"""Models and weights to a file and back."""

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from .. import _core, initializers, layers, serialization
from ..errors import InternalError, LoadError
from . import training
from .stored import plain, revived

_KERAS_S = (".keras", ".h5", ".hdf5")


def checked_path(path: Any) -> str:
    """A path as text.

    Raises:
        TypeError: for what is no path.
        ValueError: for names of Keras's own formats.
    """
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"`filepath` must be text or a pathlib.Path. Received: {path!r}")
    if text.lower().endswith(_KERAS_S):
        raise ValueError(
            f"{text}: Keras's own formats (.keras, .h5, .weights.h5) are not there yet. Give the file another name, "
            "such as 'net.ironhorn'."
        )
    return text


def _free(path: str, overwrite: bool) -> bool:
    """Whether the file may be written; asks, as Keras does, where somebody can answer."""
    if overwrite or not os.path.exists(path):
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise FileExistsError(f"{path} is there already. Pass overwrite=True to replace it.")
    return input(f"[WARNING] {path} already exists - overwrite? [y/n] ").strip().lower() in ("y", "yes")


@contextlib.contextmanager
def load_errors(name: str) -> Iterator[None]:
    """Turns whatever a configuration leads to into an error that names the file."""
    try:
        yield
    except (LoadError, InternalError, MemoryError, Warning):
        raise
    except Exception as error:
        what = str(error) or type(error).__name__
        raise LoadError(f"{name}: metadata 'python': {what}") from error


def text_of(form: Any) -> str:
    """JSON without spaces."""
    return json.dumps(form, allow_nan=False, separators=(",", ":"))


def random_of(model: Any) -> tuple[int, int, int] | None:
    """Where the model's random streams stand; ``None`` before it has a seed."""
    if model._seed is None:
        return None
    return (model._seed, *(model._engine.position if model._engine is not None else (0, 0)))


def devices_of(engine: Any) -> list[tuple[str, str]]:
    """What the device "auto" has chosen, as a text of the file; none where nothing was chosen."""
    return [("devices", text_of(engine.choices))] if engine.choices else []


def engine_of(model: Any) -> Any:
    """The engine's model; ``None`` where sizes are unknown."""
    try:
        return model._engine_model() if model.built else None
    except ValueError:
        return None


def _write(model: Any, path: str | None, own: training.Own) -> bytes | None:
    form: dict[str, Any] = {
        "class_name": type(model).__name__,
        "config": plain(_short(model.get_config())),
        "layers": [[layer.trainable, plain(_built_for(layer))] for layer in _parts(model)],
    }
    if type(model).__name__ not in ("Sequential", "Functional"):
        own[type(model).__name__] = type(model)
    for layer in model._flat_layers():
        _note_own(layer, own)
    engine, texts = engine_of(model), []
    if engine is not None:
        texts.append(("model", engine.describe(model.variables)))
        texts += devices_of(engine)
    native = None
    if model.compiled:
        form["compile"] = training.stored(model, own)
        native = model.optimizer._native
        if model._compile_text:
            outputs = json.loads(model._compile_text)
            texts.append(("training", text_of({"optimizer": json.loads(native.config), "outputs": outputs})))
    texts.append(("python", text_of(form)))
    return _core.write_file(path, "model", texts, model.variables, native, random_of(model))


def _parts(model: Any) -> list[Any]:
    """Models inside, then layers, in an order that the configuration decides."""
    from ..models.model import models_inside

    return [*models_inside(model), *model._flat_layers()]


def _note_own(layer: Any, own: training.Own) -> None:
    """Takes in the class of a layer and its initializers, where they are the user's."""
    if layers.ALL_OBJECTS.get(type(layer).__name__) is not type(layer):
        own[type(layer).__name__] = type(layer)
    for key, value in vars(layer).items():
        if key.endswith("_initializer") and callable(value):
            it = value if hasattr(value, "__name__") else type(value)
            if initializers.ALL_OBJECTS.get(it.__name__) is not it:
                own[it.__name__] = it


def _built_for(layer: Any) -> Any:
    return layer._built_shape if layer.built else None


_KERAS_ALONE = ("module", "registered_name", "build_config", "compile_config")


def _short(config: Any) -> Any:
    """A configuration without what is only there for Keras to read, what models inside were compiled with, since they
    are trained as parts, and the dtype, of which there is one."""
    if isinstance(config, dict):
        is_object = "class_name" in config
        return {
            key: _short(value)
            for key, value in config.items()
            if not (is_object and key in _KERAS_ALONE) and not (key == "dtype" and isinstance(value, dict))
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_short(value) for value in config)
    return config


def save_model(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Writes a model to a file: configuration, weights, what it was compiled with, and the state of its training.

    The file is replaced whole or not at all, also by a crash. Training that is resumed from it continues to the bit.
    Losses and metrics written with ``ironhorn.ops`` are stored as their operations; what only Python can compute is
    stored by its name.

    Args:
        model: a Sequential or Functional model.
        filepath: the file, such as ``"net.ironhorn"``.
        overwrite: whether a file that is there is replaced without a question.

    Raises:
        ValueError: for names of Keras's formats, and models of more than 10,000 tensors or 1 MiB of configuration.
        OSError: if the file cannot be written; the old one stays.
    """
    path = checked_path(filepath)
    if _free(path, overwrite):
        _write(model, path, training.Own())


def load_model(filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Any:  # noqa: A002
    """Reads a model from a file, compiled where it was, with the state of its training.

    Nothing in the file is run or imported.

    Args:
        filepath: the file.
        custom_objects: a user's own losses, metrics, schedules and models by the names they were saved under. Needed
            for those that only Python can compute.
        compile: whether to compile; without it, what trains the model is left out.

    Raises:
        LoadError: a ``ValueError``, if the file is no such file, or names what is not handed in.
    """
    path = checked_path(filepath)
    return _read(_core.File.open(path), path, custom_objects or {}, compile)


def _read(file: Any, name: str, custom: Mapping[str, Any], compiled: bool) -> Any:
    if file.kind != "model":
        raise LoadError(f"{name}: metadata 'kind': expected 'model', received '{file.kind}'; see load_weights")
    file.check()
    choices = file.choices
    text, graph = file.text("python"), file.text("model")
    with load_errors(name):
        form = revived(json.loads(text)) if text is not None else {}
        file.ration(True)
        scope = serialization.custom_objects.set(custom)
        try:
            if text is not None:
                model = _model(form, custom)
                _build_parts(model, form["layers"])
            elif graph is not None:
                model = _model_of_graph(json.loads(graph))
            else:
                raise ValueError("expected a model, received none")
        finally:
            serialization.custom_objects.reset(scope)
            file.ration(False)
        random = file.random
        if random is not None:
            model._seed, model._engine, model._program = random[0], None, None
            engine = engine_of(model)
            if engine is not None:
                engine.position = random[1:]
        native = None
        if compiled and form.get("compile") is not None:
            training.compile_stored(model, form["compile"], custom)
            native = model.optimizer._native if file.has_optimizer else None
        file.restore(model.variables, native)
        if choices:  # after compile, which forgets them
            model._engine_model().choices = choices
    return model


def _model(form: Any, custom: Mapping[str, Any]) -> Any:
    from ..models import Functional, Model, Sequential

    known: dict[str, Any] = {"Sequential": Sequential, "Functional": Functional} | {
        key: value for key, value in custom.items() if isinstance(value, type) and issubclass(value, Model)
    }
    if form["class_name"] not in known:
        raise serialization.unknown("model", form["class_name"], known)
    return known[form["class_name"]].from_config(form["config"])


def _model_of_graph(form: Any) -> Any:
    """The model, not compiled, of a graph that the crate wrote by itself."""
    from ..layers import Input, deserialize
    from ..models import Functional

    inputs = [Input(tuple(shape)) for shape in form["input_shapes"]]
    made = [deserialize(entry["layer"]) for entry in form["layers"]]
    values = list(inputs)
    for layer, read in form["nodes"]:
        arguments = [values[i] for i in read]
        values.append(made[layer](arguments if len(arguments) > 1 else arguments[0]))
    outputs = [values[i] for i in form["outputs"]]
    model = Functional(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0])
    order = [
        (variable, i)
        for layer, entry in zip(made, form["layers"], strict=True)
        for variable, i in zip(layer.variables, entry["variables"], strict=True)
    ]
    if [v.id for v, _ in sorted(order, key=lambda pair: pair[1])] != [v.id for v in model.variables]:
        raise ValueError("expected variables in the order of the layers")
    return model


def _build_parts(model: Any, states: list[Any]) -> None:
    from ..models import Model

    parts = _parts(model)
    for part, (_, shape) in zip(parts, states, strict=True):
        if not part.built and shape is not None:
            part.build(shape)
    for part, (trainable, _) in zip(parts, states, strict=True):
        if isinstance(part, Model):
            part._trainable = bool(trainable)  # its setter would set the layers inside
        else:
            part.trainable = bool(trainable)


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Writes the weights of a model or a layer; see ``save_model``."""
    path = checked_path(filepath)
    if not model.built:
        raise ValueError(f"'{model.name}' has no weights to save: it is not built.")
    if _free(path, overwrite):
        _core.write_file(path, "weights", [], model.variables, None, None)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False) -> None:
    """Reads weights that ``save_weights`` or ``save_model`` wrote, by their paths, or, where names differ, in order.

    Args:
        model: a built model or layer.
        filepath: the file.
        skip_mismatch: whether to leave out, with a warning, what the file has not, or has in another shape.

    Raises:
        LoadError: a ``ValueError``, if the file is no such file or does not fit; the weights then are as before.
    """
    path = checked_path(filepath)
    if not model.built:
        raise ValueError(
            f"Unable to load weights into '{model.name}': it is not built. Call it on data, or `build` it."
        )
    file = _core.File.open(path)
    stored, variables = file.weights, model.variables
    paths = [name for name, _ in stored]
    by_path = len(set(paths)) == len(paths) and {variable.path for variable in variables} <= set(paths)
    pairs, wrong = [], []
    for i, variable in enumerate(variables):
        place = paths.index(variable.path) if by_path else i
        shape = stored[place][1] if place < len(stored) else None
        if shape == tuple(variable.shape):
            pairs.append((variable, place))
        else:
            wrong.append(f"{variable.path}: expected shape {tuple(variable.shape)}, received {shape}")
    if len(stored) != len(variables):
        wrong.append(f"expected {len(variables)} variables, received {len(stored)}: {paths[:8]}")
    if wrong and not skip_mismatch:
        raise LoadError(f"{path}: weights of '{model.name}': {'; '.join(wrong[:8])}")
    if wrong:
        warnings.warn(f"{path}: left out: {'; '.join(wrong[:8])}", stacklevel=3)
    for variable, values in [(variable, file.values(place)) for variable, place in pairs]:
        variable.assign(values)


def reduced(model: Any) -> tuple[Any, ...]:
    """What ``pickle`` and ``copy`` take: the bytes of the file, and beside them what it cannot hold."""
    own = training.Own()
    return _rebuilt, (_write(model, None, own), dict(own))


def _rebuilt(data: bytes, own: dict[str, Any]) -> Any:
    return _read(_core.File.parse(data, "pickle"), "pickle", own, True)
