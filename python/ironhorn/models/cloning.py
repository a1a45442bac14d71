"""The copy of a model: the same graph of new layers with new weights."""

from collections.abc import Callable
from typing import Any

from ..layers.base import Layer
from ..layers.input import Input, InputLayer
from ..layers.structure import flatten, map_structure, pack_as
from ..layers.tensor import KerasTensor
from .functional import Functional
from .model import Model
from .sequential import Sequential


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Model:
    """A model of the same layers, made anew, with new weights; compiled as the old one is.

    Args:
        model: a Sequential or Functional model.
        input_tensors: symbols to build on, instead of new inputs.
        clone_function: makes the new layer of an old one; by default from its configuration. Inputs are left out.
        call_function: ``f(layer, inputs)`` calls each new layer, instead of ``layer(inputs)``; Functional models only.
        recursive: whether models inside are cloned layer by layer, instead of by ``clone_function``.

    Raises:
        ValueError: for things that are no models, and for ``call_function`` with a Sequential.
    """
    if not isinstance(model, Model):
        raise ValueError(f"Expected `model` argument to be a `Model` instance. Received: model={model}")
    clone = _Cloning(clone_function, call_function, recursive).model(model, input_tensors)
    if model.compiled:
        clone.compile_from_config(model.get_compile_config())
    return clone


class _Cloning:
    """Clones each layer once."""

    def __init__(self, clone: Callable[[Any], Any] | None, call: Callable[..., Any] | None, recursive: bool) -> None:
        self._clone = clone or (lambda layer: type(layer).from_config(layer.get_config()))
        self._call = call
        self._recursive = recursive
        self._clones: dict[int, Layer] = {}

    def layer(self, layer: Layer) -> Layer:
        """The new layer of an old one."""
        if id(layer) not in self._clones:
            whole = self._recursive and isinstance(layer, Model)
            self._clones[id(layer)] = self.model(layer) if whole else self._clone(layer)  # type: ignore[arg-type]
        return self._clones[id(layer)]

    def model(self, model: Model, input_tensors: Any = None) -> Model:
        """The new model of an old one."""
        if isinstance(model, Sequential):
            return self._sequential(model, input_tensors)
        assert isinstance(model, Functional)
        return self._functional(model, input_tensors)

    def _sequential(self, model: Sequential, input_tensors: Any) -> Model:
        if self._call is not None and not self._recursive:
            raise ValueError(
                "`call_function` argument is not supported with Sequential models. In a Sequential model, layers "
                "aren't called at model-construction time (they're merely listed). Use `call_function` with Functional "
                f"models only. Received model of type '{type(model).__name__}', with call_function={self._call}"
            )
        layers: list[Any] = [self.layer(layer) for layer in model.layers]
        first = model._layers[0] if model._layers else None
        if input_tensors is not None:
            tensors = flatten(input_tensors)
            if len(tensors) != 1:
                raise ValueError("Argument `input_tensors` must contain a single tensor.")
            if not isinstance(tensors[0], KerasTensor):
                raise ValueError(
                    "Argument `input_tensors` must be a KerasTensor. "
                    f"Received invalid value: input_tensors={input_tensors}"
                )
            name = first.name if isinstance(first, InputLayer) else None
            layers.insert(0, Input(tensor=tensors[0], name=name))
        elif isinstance(first, InputLayer):
            layers.insert(0, Input(batch_shape=first.batch_shape, dtype=first.dtype, name=first.name))
        return Sequential(layers, name=model.name, trainable=model.trainable)

    def _functional(self, model: Functional, input_tensors: Any) -> Model:
        tensors: dict[int, KerasTensor] = {}
        if input_tensors is None:
            begin = [Input(batch_shape=old.shape, dtype=old.dtype, name=old.layer.name) for old in model.inputs]
        else:
            begin = flatten(input_tensors)
            if isinstance(model.input, dict) and (
                not isinstance(input_tensors, dict) or set(input_tensors) != set(model.input)
            ):
                raise ValueError(
                    "`input_tensors` must have the same structure as model.input\n"
                    f"Expected: {model.input}\nReceived: input_tensors={input_tensors}"
                )
            if len(begin) != len(model.inputs) or not all(isinstance(tensor, KerasTensor) for tensor in begin):
                raise ValueError(
                    f"`input_tensors` must hold {len(model.inputs)} KerasTensors, the inputs of model '{model.name}'. "
                    f"Received: input_tensors={input_tensors}"
                )
        tensors |= {id(old): new for old, new in zip(model.inputs, begin, strict=True)}
        for node in sorted(model._graph.nodes, key=lambda node: node.number):  # so calls keep their numbers
            if node.is_input:
                continue
            arguments = map_structure(lambda tensor: tensors[id(tensor)], node.arguments)
            layer = self.layer(node.operation)
            results = layer(arguments) if self._call is None else self._call(layer, arguments)
            for old, new in zip(node.output_tensors, flatten(results), strict=True):
                tensors[id(old)] = new
        outputs = map_structure(lambda tensor: tensors[id(tensor)], model.output)
        return Model(pack_as(model.input, begin), outputs, name=model.name)
