"""Functional models: the graph between symbols."""

import warnings
from typing import Any, NoReturn

from ..layers.base import Layer, Shape, standardize_shape
from ..layers.shapes import is_shape
from ..layers.structure import flatten, is_nested, keys_of, pack_as
from ..layers.tensor import KerasTensor, Node
from ..naming import auto_name
from .graph import Graph, Program, build_graph, with_inputs
from .model import Model
from .spread import wrong_inputs


class Functional(Model):
    """A model of the layers between inputs and outputs, both symbols or structures of them.

    Args:
        inputs: what ``Input`` returned, or results of layers, alone or in lists, tuples and dicts.
        outputs: results of layers.
        name: the model's name.
        trainable: where given, set on all layers.

    Raises:
        ValueError: for things that are no symbols, outputs that do not depend on the inputs, names used twice.
    """

    _keras_module = "keras.src.models.functional"
    _keras_registered_name = "Functional"
    _graph: Graph

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, trainable: bool | None = None
    ) -> None:
        for argument, structure in (("inputs", inputs), ("outputs", outputs)):
            for leaf in flatten(structure) or [structure]:
                if not isinstance(leaf, KerasTensor):
                    raise ValueError(
                        f"All `{argument}` values must be KerasTensors. Received: {argument}={structure} including "
                        f"invalid value {leaf} of type {type(leaf)}"
                    )
        if isinstance(inputs, dict):
            for key, tensor in inputs.items():
                if isinstance(tensor, KerasTensor) and key != tensor.name:
                    warnings.warn(
                        "When providing `inputs` as a dict, all keys in the dict must match the names of the "
                        f"corresponding tensors. Received key '{key}' mapping to value {tensor} which has name "
                        f"'{tensor.name}'. Change the tensor name to '{key}' (via `Input(..., name='{key}')`)",
                        UserWarning,
                        stacklevel=2,
                    )
        if len({id(tensor) for tensor in flatten(inputs)}) != len(flatten(inputs)):
            raise ValueError(f"The list of `inputs` contains a symbol twice. Received: inputs={inputs}")
        inputs, outputs = with_inputs(inputs, outputs)
        graph = build_graph(inputs, outputs)
        Layer.__init__(self, name=name or auto_name("functional"))
        self._init_model()
        self._inputs_struct, self._outputs_struct = inputs, outputs
        self._graph = graph
        if trainable is not None:
            self.trainable = trainable

    @property
    def layers(self) -> list[Layer]:
        """The layers, inputs included, from the inputs to the outputs."""
        return list(self._graph.layers)

    @layers.setter
    def layers(self, _: Any) -> NoReturn:
        raise AttributeError("`Model.layers` attribute is reserved and should not be used. Please use another name.")

    @property
    def built(self) -> bool:
        """Whether all layers have their weights."""
        return True

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: layers are built as they are called."""

    def _structure(self) -> tuple[Any, Any]:
        return self._inputs_struct, self._outputs_struct

    def _build(self, shapes: list[Shape], seed: int, path: str) -> Any:
        return self._output_shape(shapes)

    def _shapes(self, input_shape: Any) -> list[Shape]:
        shapes: list[Any] = []

        def walk(part: Any) -> None:
            if isinstance(part, dict):
                for key in keys_of(part):
                    walk(part[key])
            elif is_shape(part):
                shapes.append(part)
            else:
                for entry in part:
                    walk(entry)

        walk(input_shape)
        return [standardize_shape(shape, owner=self.name) for shape in shapes]

    def _check_shapes(self, shapes: list[Shape]) -> None:
        if len(shapes) != len(self.inputs):
            raise wrong_inputs(self.name, self.input_names, len(shapes))
        for index, (shape, tensor) in enumerate(zip(shapes, self.inputs, strict=True)):
            fits = len(shape) == len(tensor.shape) and all(
                a is None or b is None or a == b for a, b in zip(shape[1:], tensor.shape[1:], strict=True)
            )
            if not fits:
                raise ValueError(
                    f"Input {index} with name '{tensor.name}' of layer '{self.name}' is incompatible with the layer: "
                    f"expected shape={tensor.shape}, found shape={shape}"
                )

    def _output_shape(self, shapes: list[Shape]) -> Any:
        return pack_as(self._outputs_struct, self._output_shapes(shapes))

    def _output_shapes(self, shapes: list[Shape]) -> list[Shape]:
        self._check_shapes(shapes)
        return self._graph.shapes(shapes)

    def _tensors(self, inputs: Any) -> list[KerasTensor]:
        """The symbols of a call in the order of the inputs; dicts go by names."""
        mine = self._inputs_struct
        if isinstance(inputs, dict) and not isinstance(mine, dict):
            missing = [name for name in self.input_names if name not in inputs]
            if missing:
                raise ValueError(
                    f'Missing data for input "{missing[0]}". You passed a data dictionary with keys {list(inputs)}. '
                    f"Expected the following keys: {self.input_names}"
                )
            return [inputs[name] for name in self.input_names]
        if isinstance(mine, dict) and isinstance(inputs, dict) and set(inputs) > set(mine):
            inputs = {key: inputs[key] for key in mine}
        tensors: list[KerasTensor] = flatten(inputs)
        if len(tensors) != len(self.inputs) or (
            isinstance(mine, dict) and not isinstance(inputs, dict) and (is_nested(inputs) or len(mine) > 1)
        ):
            raise wrong_inputs(self.name, keys_of(mine) if isinstance(mine, dict) else self.input_names, len(tensors))
        return tensors

    def compute_output_spec(self, inputs: Any) -> Any:
        """Symbols of the outputs' shapes and dtypes, in their structure, for symbols of a call that is not made."""
        shapes = self._output_shapes([tensor.shape for tensor in self._tensors(inputs)])
        symbols = [KerasTensor(shape, known.dtype) for shape, known in zip(shapes, self.outputs, strict=True)]
        return pack_as(self._outputs_struct, symbols)

    def _record(self, inputs: Any, tensors: list[KerasTensor]) -> Any:
        packed = self.compute_output_spec(inputs)
        Node(self, inputs, packed, tensors)
        return packed

    def _inline(self, program: Program, values: list[int]) -> list[int]:
        return self._graph.inline(program, values)

    def get_config(self) -> dict[str, Any]:
        """Name, layers with the calls between them, inputs and outputs, in Keras's form."""
        from .functional_config import config_of

        return config_of(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Functional":
        """Builds a model, without trained weights, from ``get_config``'s result, or Keras's.

        Raises:
            ValueError: if the graph has loops or calls that do not exist, or a layer is unknown.
        """
        from .functional_config import from_config

        return from_config(cls, config)

    def get_build_config(self) -> dict[str, Any] | None:
        """Nothing to build."""
        return {"input_shape": None}
