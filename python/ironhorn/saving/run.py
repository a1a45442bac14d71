"""The state of a run: what a model that is interrupted needs to go on as if it had not been."""

import json
from typing import Any

from .. import _core
from ..errors import LoadError
from .files import checked_path, devices_of, random_of, text_of


def save_state(model: Any, path: Any, extra: dict[str, Any] | None = None) -> None:
    """Writes weights, the optimizer's state, the position of the random streams, devices that were chosen, and a dict.

    Args:
        model: built and compiled.
        path: the file; it is replaced whole or not at all.
        extra: what JSON can hold: epoch, state of callbacks.

    Raises:
        ValueError: if the model is not built or not compiled, or ``extra`` holds NaN or infinities.
        TypeError: if ``extra`` holds what JSON cannot.
        OSError: if the file cannot be written; the old one stays.
    """
    if not model.compiled or not model.built:
        raise ValueError(f"Model '{model.name}' must be built and compiled before its state is saved.")
    engine = model._engine_model()
    texts = [("extra", text_of(extra if extra is not None else {})), *devices_of(engine)]
    native = model.optimizer._native
    _core.write_file(checked_path(path), "state", texts, model.variables, native, random_of(model))


def load_state(model: Any, path: Any) -> dict[str, Any]:
    """Puts a model, compiled as the saved one was, where ``save_state`` found that; returns ``extra``.

    Where the model has another seed than the saved one, or other devices were chosen, it takes those; a ``fit`` that is
    under way keeps its own.

    Raises:
        ValueError: if the model is not built or not compiled.
        LoadError: a ``ValueError``, if the file is no such file, or does not fit the model; nothing is changed then.
    """
    if not model.compiled or not model.built:
        raise ValueError(f"Model '{model.name}' must be built and compiled before its state is loaded.")
    name = checked_path(path)
    file = _core.File.open(name)
    text, random, choices = file.text("extra"), file.random, file.choices
    extra = json.loads(text) if text is not None else None
    if file.kind != "state" or not isinstance(extra, dict) or random is None or not file.has_optimizer:
        raise LoadError(f"{name}: expected the state of a run, received a file of kind '{file.kind}'")
    file.restore(model.variables, model.optimizer._native)
    if model._seed != random[0] or (choices and choices != model._engine_model().choices):
        model._seed, model._engine = random[0], None
    engine = model._engine_model()
    engine.position = random[1:]
    if choices:
        engine.choices = choices
    return extra
