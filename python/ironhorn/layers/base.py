"""The base of all layers: name, configuration, shapes, calls, and the engine's layer with its variables."""

import json
import threading
import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _core, constraints, initializers, regularizers, serialization
from ..naming import auto_name
from .shapes import check_shape, standardize_shape
from .structure import flatten, is_nested
from .tensor import KerasTensor, Node, Shape
from .weights import Weights

__all__ = ["Layer", "Shape", "build_lock", "standardize_shape"]

build_lock = threading.RLock()

_PACKAGE = __package__.split(".")[0]
# Methods by which Keras lets a class compute in Python. Whoever defines one means it to be called.
_PYTHON_STEPS = ("call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")


def _engine_class(cls: type) -> str:
    """What the engine calls a layer: its class, or of a class of one's own the nearest of this package."""
    own = (base for base in cls.__mro__ if base.__module__.startswith(__package__))
    return next(own).__name__


class Layer(Weights):
    """Base class of the layers; not a layer by itself.

    Args:
        name: a name, unique within a model; by default the class's, numbered.
        trainable: whether training changes the weights.
        dtype: ``None`` or ``"float32"``.
        activity_regularizer: what the outputs add to the loss, divided by the size of the batch.
        input_shape: without the batch; accepted from the first layer of a Sequential, with a warning.
        input_dim: the same for one dimension.

    Raises:
        ValueError: for unknown keyword arguments and values out of range.
    """

    _keras_module = "keras.layers"
    _parameters: ClassVar[tuple[str, ...]] = ()
    _records_build: ClassVar[bool] = False
    _keeps_dtype: ClassVar[bool] = False
    _built_at_once: ClassVar[bool] = False  # as Keras has it: most layers without weights
    _takes_mask: ClassVar[bool] = False  # whether Keras's layer has the argument, and so writes it in configurations
    _ndim: int | None = None
    _min_ndim: int | None = None

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        cls = type(self).__name__
        foreign = [base for base in type(self).__mro__ if not base.__module__.startswith(f"{_PACKAGE}.")]
        for method in _PYTHON_STEPS:
            if any(method in vars(base) for base in foreign):
                raise NotImplementedError(
                    f"{cls}: a `{method}` of one's own is not there, because the engine computes its own layers and "
                    "calls no Python in a step. Compose the layers of ironhorn.layers instead."
                )
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
        self.activity_regularizer = regularizers.get(activity_regularizer)
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
        self._handle: Any = None
        self._built_shape: Any = None
        self._alone: tuple[Any, Any] | None = None
        self._activity_losses: list[np.float32] = []
        self._variables: list[Any] | None = None
        self._inbound_nodes: list[Node] = []

    def _create(self) -> None:
        """Hands the configuration to the engine, which checks it."""
        form = serialization.serialize(self)
        form["class_name"] = _engine_class(type(self))
        for key in form["config"]:
            # What Python draws, the engine starts at zero; `_build` puts the numbers there.
            if key.endswith("_initializer"):
                form["config"][key] = initializers.engine_form(getattr(self, key))
            elif key.endswith(("_regularizer", "_constraint")):
                self._check_rule(key)
        self._handle = _core.Layer(serialization.to_text(form))
        self._built_shape = self._alone = self._variables = None

    def _check_rule(self, key: str) -> None:
        """Refuses a regularizer or a constraint that is written in Python: it would have to run within a step."""
        module: Any = regularizers if key.endswith("_regularizer") else constraints
        module.for_layer(getattr(self, key), f"{type(self).__name__} '{self.name}': `{key}`")

    @property
    def _native(self) -> Any:
        """The engine's layer."""
        if self._handle is None:
            raise NotImplementedError(
                f"Layer '{self.name}': {type(self).__name__} is none of Ironhorn's layers. Layers of one's own, with a "
                "`call` in Python, are not there, because the engine computes every layer."
            )
        return self._handle

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. As in Keras it counts from the next ``compile`` on."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        if self._handle is not None:
            self._handle.trainable = self._trainable

    @property
    def built(self) -> bool:
        """Whether the variables exist."""
        return self._built_at_once or bool(self._native.built)

    def build(self, input_shape: Any) -> None:
        """Creates the variables.

        Args:
            input_shape: with the batch, e.g. ``(None, 784)``; a list of shapes for layers that merge.

        Raises:
            ValueError: if the layer does not take the shape, or is built for another.
        """
        self._ensure_built(self._shapes(input_shape))

    def _ensure_built(self, shapes: list[Shape]) -> None:
        with build_lock:
            self._build(shapes, 0 if self._handle is None or self._handle.built else _core.next_seed(), "0")

    def _build(self, shapes: list[Shape], seed: int, path: str) -> Any:
        """Creates the variables where there are none; gives the shape of the output."""
        output = self._output_shape(shapes)
        fresh = not self._native.built
        self._native.build([(None, *shape[1:]) for shape in shapes], seed, path)
        self._built_shape = self._one_or_many(shapes)
        for variable in self._native.variables if fresh else ():
            key = f"{variable.name}_initializer"
            place = f"{type(self).__name__} '{self.name}': `{key}`"
            values = initializers.computed(getattr(self, key, None), variable.shape, place)
            if values is not None:
                variable.assign(values)
        return output

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output, for an input shape; both with the batch."""
        return self._output_shape(self._shapes(input_shape))

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """A symbol of the output's shape and dtype, for the symbols of a call that is not made."""
        tensors = self._tensors(inputs)
        return KerasTensor(self._output_shape([tensor.shape for tensor in tensors]), self._output_dtype(tensors))

    def _shapes(self, input_shape: Any) -> list[Shape]:
        """The input shapes, one each; layers that merge take lists."""
        return [standardize_shape(input_shape, owner=self.name)]

    def _one_or_many(self, values: list[Any]) -> Any:
        return values[0]

    def _check_shapes(self, shapes: list[Shape]) -> None:
        """Raises where the layer does not take the shapes."""
        check_shape(shapes[0], self.name, self._ndim, self._min_ndim, self._fixed_axes())

    def _fixed_axes(self) -> dict[int, int]:
        """The sizes that the weights of a built layer fix, by axis."""
        return {}

    def _output_shape(self, shapes: list[Shape]) -> Any:
        self._check_shapes(shapes)
        batch = next((shape[0] for shape in shapes if shape and shape[0] is not None), None)
        result = tuple(self._native.compute_output_shape([(None, *shape[1:]) for shape in shapes]))
        return (batch, *result[1:])

    def _output_shapes(self, shapes: list[Shape]) -> list[Shape]:
        """The shape of each output, for models of several."""
        return [self._output_shape(shapes)]

    def _output_dtype(self, inputs: list[KerasTensor]) -> str:
        return inputs[0].dtype if self._keeps_dtype else "float32"

    def _flat_layers(self) -> list["Layer"]:
        """The layers that the engine runs, in order; a model gives those inside of it."""
        return [self]

    def _once(self) -> list["Layer"]:
        """The same, each layer once."""
        return list({id(layer): layer for layer in self._flat_layers()}.values())

    def _inline(self, program: Any, values: list[int]) -> list[int]:
        """Writes the layer into a program: the numbers of its inputs in, those of its outputs back."""
        return [program.add(self, values)]

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Applies the layer, which it builds where needed.

        Args:
            inputs: an array ``(batch, ...)``, or a symbol; a list of them for layers that merge.
            training: whether noise is drawn, and batches normalize themselves.
            mask: only ``None``.

        Returns:
            A float32 array for arrays, a symbol for symbols.

        Raises:
            ValueError: if the layer does not take the shapes, or arrays and symbols are mixed.
            TypeError: if an array does not hold numbers.
        """
        if mask is not None:
            raise NotImplementedError(f"Layer '{self.name}': masks are not there yet. Received: mask={mask!r}")
        if isinstance(inputs, KerasTensor):
            return self._call_symbols(inputs)
        leaves = flatten(inputs) if is_nested(inputs) else ()
        if any(isinstance(leaf, KerasTensor) for leaf in leaves):
            if not all(isinstance(leaf, KerasTensor) for leaf in leaves):
                raise ValueError(f"Layer '{self.name}' takes symbols or arrays, no mixture. Received: inputs={inputs}")
            return self._call_symbols(inputs)
        return self._call_arrays(inputs, training)

    def _tensors(self, inputs: Any) -> list[KerasTensor]:
        """The symbols of a call, in the layer's order."""
        tensors = flatten(inputs)
        if len(tensors) != 1:
            raise ValueError(
                f'Layer "{self.name}" expects 1 input(s), but it received {len(tensors)} input tensors. '
                f"Inputs received: {inputs}"
            )
        return tensors

    def _call_symbols(self, inputs: Any) -> Any:
        tensors = self._tensors(inputs)
        self._ensure_built([tensor.shape for tensor in tensors])
        return self._record(inputs, tensors)

    def _record(self, inputs: Any, tensors: list[KerasTensor]) -> Any:
        """Notes a call of the built layer; gives its results."""
        shape = self._output_shape([tensor.shape for tensor in tensors])
        outputs: Any = KerasTensor(shape, self._output_dtype(tensors))
        Node(self, inputs, outputs, tensors)
        return outputs

    def _arrays(self, inputs: Any) -> list[NDArray[Any]]:
        """The arrays of a call, in the layer's order."""
        from ..models.arrays import as_array

        return [as_array(inputs, "inputs")]

    def _call_arrays(self, inputs: Any, training: bool | None) -> NDArray[np.float32]:
        arrays = self._arrays(inputs)
        shapes: list[Shape] = [(None, *array.shape[1:]) for array in arrays]
        with build_lock:
            self._ensure_built(shapes)
            if self._alone is None or self._alone[0] != shapes or training:
                nodes = [(self._native, list(range(len(arrays))))]
                model = _core.Model(
                    nodes, [a.shape[1:] for a in arrays], [len(arrays)], _core.next_seed() if training else 0
                )
                self._alone = (shapes, model)
            native = self._alone[1]
        result: NDArray[np.float32] = native.predict(arrays, training=bool(training))[0]
        if self.activity_regularizer is not None:
            self._activity_losses = [np.float32(self.activity_regularizer(result) / max(len(result), 1))]
        return result

    @property
    def losses(self) -> list[np.float32]:
        """What regularizers add to the loss: that of the last call's output, then those of the trainable weights."""
        return [*self._activity_losses, *super().losses]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the output for one of the input, as in Keras: the same. No layer here computes with masks."""
        return previous_mask

    def _first_node(self, what: str) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(f"The layer {self.name} has never been called and thus has no defined {what}.")
        return self._inbound_nodes[0]

    @property
    def input(self) -> Any:
        """The symbol, or the structure of symbols, of the layer's first call."""
        return self._first_node("input").arguments

    @property
    def output(self) -> Any:
        """The result of the layer's first call on symbols."""
        return self._first_node("output").outputs

    @property
    def variables(self) -> list[Any]:
        """The engine's variables; each has ``name``, ``path``, ``shape``, ``trainable``, ``numpy()``, ``assign()``."""
        if self._variables is None and self.built:
            self._variables = list(self._native.variables)
        return list(self._variables or ())

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON values in Keras's form."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": serialization.DTYPE_CONFIG}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
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
