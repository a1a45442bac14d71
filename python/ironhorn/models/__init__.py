"""Models, by Keras's names."""

import json

from .model import Model
from .sequential import Sequential

__all__ = ["Model", "Sequential", "model_from_json"]


def model_from_json(json_string: str) -> Model:
    """The model, without weights, that ``Model.to_json`` (or Keras's) describes; compiled where it was.

    Raises:
        ValueError: if the text is no JSON, or no description of a model.
    """
    from ..layers import deserialize

    model = deserialize(json.loads(json_string))
    if not isinstance(model, Model):
        raise ValueError(f"Expected the description of a model. Received: the layer {model!r}")
    return model
