"""What layers and models have in common about their weights."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Weight:
    """An attribute that stands for the variable of its name.

    Before the layer is built it is an ``AttributeError``, or ``None`` with ``absent``, as Keras has it; ``None`` where
    the layer's attribute ``flag`` says that it does without.
    """

    def __init__(self, doc: str, flag: str | None = None, absent: bool = False) -> None:
        self.__doc__ = doc
        self._flag, self._absent = flag, absent
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, layer: Any, owner: type) -> Any:
        if layer is None:
            return self
        for variable in layer.variables:
            if variable.name == self._name:
                return variable
        if layer.built or self._absent or (self._flag is not None and not getattr(layer, self._flag)):
            return None
        raise AttributeError(f"Layer '{layer.name}' has no weights yet: it is not built.")


class Weights:
    """Reading, setting and counting weights."""

    name: str
    built: Any
    variables: Any
    _once: Callable[[], list[Any]]

    @property
    def weights(self) -> list[Any]:
        """The variables."""
        return list(self.variables)

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables that training changes by their gradients."""
        return [
            variable for layer in self._once() if layer.trainable for variable in layer.variables if variable.trainable
        ]

    @property
    def trainable_weights(self) -> list[Any]:
        """The same."""
        return self.trainable_variables

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The other ones: of frozen layers, and statistics such as moving means."""
        return [
            variable
            for layer in self._once()
            for variable in layer.variables
            if not (layer.trainable and variable.trainable)
        ]

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The same."""
        return self.non_trainable_variables

    @property
    def losses(self) -> list[np.float32]:
        """What the regularizers of the trainable weights add to the loss, one number each."""
        found = []
        for layer in self._once():
            for variable in layer.variables:
                regularizer = getattr(layer, f"{variable.name}_regularizer", None)
                if regularizer is not None and layer.trainable:
                    found.append(np.float32(regularizer(variable.numpy())))
        return found

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Copies of the weights, in the order of ``weights``."""
        return [variable.numpy() for variable in self.variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all weights, or, when anything is wrong with one of them, none.

        Args:
            weights: arrays of numbers, of the shapes of ``weights``.

        Raises:
            ValueError: if their number or a shape is wrong.
            TypeError: if one of them holds something other than numbers.
        """
        variables = self.variables
        if len(weights) != len(variables):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length "
                f"{len(weights)}, but the layer was expecting {len(variables)} weights."
            )
        arrays = [np.asarray(value) for value in weights]
        for variable, array in zip(variables, arrays, strict=True):
            if array.dtype.kind not in "biuf":
                raise TypeError(f"Layer {self.name} weight {variable.path}: expected numbers. Received: {array.dtype}")
            if tuple(variable.shape) != array.shape:
                raise ValueError(
                    f"Layer {self.name} weight shape {tuple(variable.shape)} is not compatible with provided weight "
                    f"shape {array.shape}."
                )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(np.asarray(array, dtype=np.float32, order="C"))

    def count_params(self) -> int:
        """How many numbers the weights hold.

        Raises:
            ValueError: if the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. You can build it "
                "manually via: `layer.build(input_shape)`."
            )
        return sum(math.prod(variable.shape) for variable in self.variables)
