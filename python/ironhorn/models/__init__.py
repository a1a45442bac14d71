"""Models, by Keras's names."""

import json

from ..saving import load_model, save_model
from .cloning import clone_model
from .functional import Functional
from .model import Model
from .sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


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
