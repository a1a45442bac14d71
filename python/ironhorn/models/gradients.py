"""The gradients of a model's loss, for users with their own loop."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers.structure import pack_as
from . import data


@dataclasses.dataclass(frozen=True)
class Gradients:
    """What ``Model.gradients`` returns.

    Attributes:
        loss: the loss, with weights, regularizers and everything that ``fit`` adds.
        logs: the loss and the metrics, as in ``train_on_batch``.
        variables: an array for each of ``model.trainable_variables``, in their order.
        inputs: an array for each input, in the structure of ``model.input``; ``None`` for indices.
        by_path: the same as ``variables``, by the variables' paths; where several have one path, with ``#1`` and so on.
    """

    loss: float
    logs: dict[str, float]
    variables: list[NDArray[np.float32]]
    inputs: Any
    by_path: dict[str, NDArray[np.float32]]


def gradients(model: Any, x: Any, y: Any, sample_weight: Any) -> Gradients:
    """See ``Trainer.gradients``."""
    batch = data.pack(model, x, data.require_targets(y), sample_weight)
    with model._undone_on_error():
        engine = model._ready(batch.x)
        logs, by_variable, by_input = engine.gradients(*model._arrays_of(batch))
    wanted = model.trainable_variables
    known = {id(v): gradient for v, gradient in zip(model._program.variables(), by_variable, strict=True)}
    arrays = [np.zeros(v.shape, np.float32) if known.get(id(v)) is None else known[id(v)] for v in wanted]
    by_path: dict[str, NDArray[np.float32]] = {}
    for variable, array in zip(wanted, arrays, strict=True):
        # Layers of models inside of this one may have one name.
        count = sum(path.split("#")[0] == variable.path for path in by_path)
        by_path[f"{variable.path}#{count}" if count else variable.path] = array
    inputs = pack_as(model.input, by_input)
    return Gradients(float(logs["loss"]), dict(logs), arrays, inputs, by_path)
