"""The base of all layers: name, configuration, and the engine's layer with its variables."""

import json
import math
import threading
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _core, serialization
from ..naming import auto_name

Shape = tuple[int | None, ...]
build_lock = threading.RLock()


def standardize_shape(shape: Any, argument: str = "input_shape", owner: str = "") -> Shape:
    """A tuple of positive sizes and ``None``.

    Raises:
        TypeError: if ``shape`` is no sequence, or holds something other than integers and ``None``.
        ValueError: if a size is negative or zero.
    """
    prefix = f"{owner}: " if owner else ""
    if isinstance(shape, (str, bytes)) or not hasattr(shape, "__iter__"):
        raise TypeError(f"{prefix}`{argument}` must be a tuple of integers. Received: {argument}={shape!r}")
    sizes = tuple(shape)
    for size in sizes:
        if size is not None and (isinstance(size, bool) or not hasattr(size, "__index__")):
            raise TypeError(f"{prefix}`{argument}` must hold integers or None. Received: {argument}={shape!r}")
        if size is not None and size < 1:
            raise ValueError(f"{prefix}`{argument}` must hold positive sizes. Received: {argument}={shape!r}")
    return tuple(None if size is None else int(size) for size in sizes)


class Layer:
    """Base class of the layers; not a layer by itself.

    Args:
        name: a name, unique within a model; by default the class's, numbered.
        trainable: whether training changes the weights.
        dtype: ``None`` or ``"float32"``.
        input_shape: without the batch; accepted from the first layer of a Sequential, with a warning.
        input_dim: the same for one dimension.

    Raises:
        ValueError: for unknown keyword arguments and values out of range.
    """

    _keras_module = "keras.layers"
    _parameters: ClassVar[tuple[str, ...]] = ()
    _records_build: ClassVar[bool] = False

    def __init__(self, *, trainable: bool = True, dtype: Any = None, name: str | None = None, **kwargs: Any) -> None:
        cls = type(self).__name__
        if kwargs.pop("activity_regularizer", None) is not None:
            raise NotImplementedError(f"{cls}: `activity_regularizer` is not there yet; pass None.")
        kwargs.pop("autocast", None)
        input_dim = kwargs.pop("input_dim", None)
        input_shape = kwargs.pop("input_shape", None)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {cls}: {kwargs}")
        if not isinstance(trainable, bool):
            raise ValueError(
                f"Expected `trainable` to be a boolean. Received: trainable={trainable} (of type {type(trainable)})"
            )
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"Argument `name` must be a non-empty string without `/`. Received: name={name!r}")
        self.dtype = serialization.standardize_dtype(dtype, cls)
        self._input_shape_arg: Shape | None = None
        if input_dim is not None or input_shape is not None:
            shape = (input_dim,) if input_dim is not None else input_shape
            self._input_shape_arg = standardize_shape(shape, owner=cls)
            warnings.warn(
                "Do not pass an `input_shape`/`input_dim` argument to a layer. When using Sequential models, prefer "
                "using an `Input(shape)` object as the first layer in the model instead.",
                UserWarning,
                stacklevel=3,
            )
        self.name: str = name if name is not None else auto_name(cls)
        self._trainable = trainable
        self._native: Any = None
        self._built_shape: Shape | None = None
        self._alone: tuple[Shape, Any] | None = None
        self._variables: list[Any] | None = None

    def _create(self) -> None:
        """Hands the configuration to the engine, which checks it."""
        self._native = _core.Layer(serialization.to_text(serialization.serialize(self)))
        self._built_shape = self._alone = self._variables = None

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. As in Keras it counts from the next ``compile`` on."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        if self._native is not None:
            self._native.trainable = self._trainable

    @property
    def built(self) -> bool:
        """Whether the variables exist."""
        return bool(self._native.built)

    def build(self, input_shape: Any) -> None:
        """Creates the variables.

        Args:
            input_shape: with the batch, e.g. ``(None, 784)``.

        Raises:
            ValueError: if the layer does not take the shape, or is built for another.
        """
        shape = standardize_shape(input_shape, owner=self.name)
        with build_lock:
            if not self.built:
                self._build(shape, _core.next_seed(), "0")
            else:
                self._build(shape, 0, "0")

    def _build(self, shape: Shape, seed: int, path: str) -> Shape:
        output = self.compute_output_shape(shape)
        self._native.build(shape, seed, path)
        self._built_shape = shape
        return output

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape of the output, for an input shape; both with the batch."""
        shape = standardize_shape(input_shape, owner=self.name)
        return tuple(self._native.compute_output_shape(shape))

    def _flat_layers(self) -> list["Layer"]:
        """The layers that the engine runs, in order; a model gives those inside of it."""
        return [self]

    def _once(self) -> list["Layer"]:
        """The same, each layer once."""
        return list({id(layer): layer for layer in self._flat_layers()}.values())

    def __call__(self, inputs: Any, training: bool | None = None) -> NDArray[np.float32]:
        """Applies the layer to an array ``(batch, ...)``, as in inference; builds it where needed.

        Raises:
            ValueError: if the layer does not take the shape.
            NotImplementedError: for ``training=True`` and for symbolic inputs.
        """
        from ..models.data import as_array, refuse_symbolic, refuse_training

        refuse_symbolic(inputs, self.name)
        refuse_training(self, training)
        x = as_array(inputs, "inputs")
        shape: Shape = (None, *x.shape[1:])
        with build_lock:
            self.build(shape)
            if self._alone is None or self._alone[0] != shape:
                self._alone = (shape, _core.Model([(self._native, [0])], [x.shape[1:]], [1], 0))
            native = self._alone[1]
        result: NDArray[np.float32] = native.predict(x)
        return result

    @property
    def variables(self) -> list[Any]:
        """The engine's variables; each has ``name``, ``path``, ``shape``, ``trainable``, ``numpy()``, ``assign()``."""
        if self._variables is None and self.built:
            self._variables = list(self._native.variables)
        return list(self._variables or ())

    weights = variables

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables that training changes."""
        return [variable for layer in self._once() if layer.trainable for variable in layer.variables]

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The variables that training leaves alone."""
        return [variable for layer in self._once() if not layer.trainable for variable in layer.variables]

    non_trainable_weights = non_trainable_variables

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
            variable.assign(np.ascontiguousarray(array, dtype=np.float32))

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

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON values in Keras's form."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": serialization.DTYPE_CONFIG}
        return config | {name: serialization.serialize(getattr(self, name)) for name in self._parameters}

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape the layer was built for."""
        if self._records_build and self._built_shape is not None:
            return {"input_shape": self._built_shape}
        return None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a layer, without weights, from ``get_config``'s result."""
        return cls(**config)

    @property
    def engine_config(self) -> dict[str, Any]:
        """The configuration as the engine has understood it."""
        config: dict[str, Any] = json.loads(self._native.config)
        return config

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
