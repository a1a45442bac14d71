"""What all models share: layers and weights, their summary, their text form."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import serialization
from ..config import _resolve
from ..layers.base import Layer, Shape, build_lock
from . import data
from .summary import print_summary
from .trainer import Trainer


class Model(Trainer, Layer):
    """Base class of models; ``Sequential`` is the one there is so far."""

    _keras_module = "keras"
    _records_build = True

    def __new__(cls, *args: Any, **kwargs: Any) -> "Model":
        """Refuses ``Model(inputs, outputs)``, which is not there yet."""
        if cls is Model:
            raise NotImplementedError("Functional and subclassed models are not there yet; use Sequential.")
        return super().__new__(cls)

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order."""
        raise NotImplementedError

    @property
    def input_shape(self) -> Shape:
        """The shape of the input, with the batch, which is ``None``."""
        raise NotImplementedError

    def _engine_model(self) -> Any:
        raise NotImplementedError

    @property
    def variables(self) -> list[Any]:
        """The variables of all layers, each once."""
        return [variable for layer in self._once() for variable in layer.variables]

    weights = variables

    def __call__(self, inputs: Any, training: bool | None = None) -> NDArray[np.float32]:
        """Applies the model to an array ``(batch, ...)`` at once, as in inference; builds it where needed.

        Safe from any thread, also while ``fit`` runs: it sees the weights between two steps.

        Raises:
            ValueError: if the model does not take the shape.
            TypeError: if the array does not hold numbers.
        """
        data.refuse_symbolic(inputs, self.name)
        data.refuse_training(self, training)
        x = data.as_array(inputs, "inputs")
        with self._undone_on_error():
            self._ensure_built(x)
            x = data.adjust_rank(x, self.input_shape)
            _resolve(None)
            result: NDArray[np.float32] = self._engine_model().predict(x)
        return result

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name or an index.

        Raises:
            ValueError: if there is none, or both or none of the arguments are given.
        """
        if index is not None and name is not None:
            raise ValueError(f"Provide only a layer name or a layer index. Received: index={index}, name={name}.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(self.layers)} layers."
                )
            return self.layers[index]
        if name is None:
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in self.layers]}.")

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Prints the layers, their output shapes and their numbers of parameters.

        Args:
            line_length: the width of the table; by default up to 88, by the terminal.
            positions: where the columns end, as shares of the width.
            print_fn: receives the whole text instead of the terminal.
            expand_nested: whether to list the layers inside of models.
            show_trainable: whether to add a column for it.
            layer_range: two names, or regular expressions, of the first and the last layer to print.

        Raises:
            ValueError: if the width is too small, or the range names no layers.
        """
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture, and what it was compiled with, as JSON in Keras's form; ``kwargs`` go to ``json.dumps``."""
        return json.dumps(serialization.serialize(self), **kwargs)

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape the model was built for."""
        return {"input_shape": self.input_shape} if self.built else None

    def _ensure_built(self, x: NDArray[Any]) -> None:
        with build_lock:
            if not self.built:
                self.build((None, *x.shape[1:]))
