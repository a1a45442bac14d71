"""Functional models to Keras's configuration and back.

A layer's entry lists its calls, ``inbound_nodes``; a symbol in their arguments is written as the layer it came from,
which of that layer's calls within the model, and which of the results. A functional model inside counts its calls
from 1, because Keras's have one from the start.
"""

from typing import Any

from .. import serialization
from ..layers.base import Layer
from ..layers.structure import is_nested, map_structure
from ..layers.tensor import KerasTensor, Node
from .functional import Functional


def config_of(model: Functional) -> dict[str, Any]:
    """The configuration of a model."""
    calls: dict[int, list[Node]] = {id(layer): [] for layer in model.layers}
    for node in sorted(model._graph.nodes, key=lambda node: node.number):
        calls[id(node.operation)].append(node)
    places = {id(node): index for nodes in calls.values() for index, node in enumerate(nodes)}

    def symbol(tensor: KerasTensor) -> dict[str, Any]:
        assert tensor.node is not None
        history = [tensor.node.operation.name, places[id(tensor.node)], tensor.index]
        config = {"shape": list(tensor.shape), "dtype": tensor.dtype, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}

    layers = []
    for layer in model.layers:
        form = serialization.serialize(layer)
        form["name"] = layer.name
        form["inbound_nodes"] = [
            {
                "args": [map_structure(symbol, node.arguments)],
                "kwargs": {"mask": None} if layer._takes_mask else {},
            }
            for node in calls[id(layer)]
            if not node.is_input
        ]
        layers.append(form)

    def place(tensor: KerasTensor) -> list[Any]:
        assert tensor.node is not None
        layer = tensor.node.operation
        return [layer.name, places[id(tensor.node)] + isinstance(layer, Functional), tensor.index]

    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": map_structure(place, model.input),
        "output_layers": map_structure(place, model.output),
    }


def _tensor(layers: dict[str, Layer], history: Any) -> KerasTensor:
    """The symbol that a history names; ``IndexError`` while its call has not been made."""
    if not isinstance(history, (list, tuple)) or len(history) != 3:
        raise ValueError(f"Invalid Functional model configuration. Expected [layer, call, result]. Received: {history}")
    name, node, index = history
    if name not in layers:
        raise ValueError(f"Invalid Functional model configuration. Missing node: {name}")
    return layers[name]._inbound_nodes[node].output_tensors[index]


def _arguments(part: Any, layers: dict[str, Layer]) -> Any:
    if isinstance(part, dict) and part.get("class_name") == "__keras_tensor__":
        return _tensor(layers, part["config"]["keras_history"])
    if isinstance(part, dict):
        return {key: _arguments(value, layers) for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [_arguments(value, layers) for value in part]
    raise ValueError(
        f"Invalid Functional model configuration. Calls take symbols only: numbers belong to a `Rescaling`. "
        f"Received: {part!r}"
    )


def _call(layer: Layer, form: Any, layers: dict[str, Layer]) -> None:
    """Makes one call of ``inbound_nodes`` again, in the form of Keras 3 or as Keras 2's list of histories."""
    if isinstance(form, (list, tuple)) and all(isinstance(part, (list, tuple)) and len(part) >= 3 for part in form):
        odd = [part[3] for part in form if len(part) > 3 and part[3]]
        if odd:
            raise ValueError(f"Layer '{layer.name}': calls take no further arguments. Received: {odd}")
        tensors = [_tensor(layers, part[:3]) for part in form]
        layer(tensors[0] if len(tensors) == 1 else tensors)
        return
    if not isinstance(form, dict) or "args" not in form:
        raise ValueError(
            f"Invalid Functional model configuration. Layer '{layer.name}': expected calls with 'args' and 'kwargs'. "
            f"Received: {form!r}"
        )
    further = {key: value for key, value in (form.get("kwargs") or {}).items() if value is not None}
    if further:
        raise ValueError(f"Layer '{layer.name}': calls take no further arguments. Received: {further}")
    arguments = [_arguments(part, layers) for part in form["args"]]
    # Keras writes `a + b` as an operation of two arguments; a layer takes them as a list.
    layer(arguments[0] if len(arguments) == 1 else arguments)


def from_config(cls: type[Functional], config: dict[str, Any]) -> Functional:
    """The model of a configuration."""
    from ..layers import deserialize

    for key in ("layers", "input_layers", "output_layers"):
        if key not in config:
            raise ValueError(f"The configuration of a Functional model needs {key!r}. Received: {list(config)}")
    layers: dict[str, Layer] = {}
    waiting: list[tuple[Layer, list[Any]]] = []
    for form in config["layers"]:
        if not isinstance(form, dict):
            raise ValueError(f"The configuration of a layer must be a dict. Received: {form!r}")
        layer = deserialize({key: value for key, value in form.items() if key not in ("name", "inbound_nodes")})
        layers[form.get("name", layer.name)] = layer
        waiting.append((layer, list(form.get("inbound_nodes") or ())))
    while any(calls for _, calls in waiting):
        progress = False
        for layer, calls in waiting:
            while calls:
                try:
                    _call(layer, calls[0], layers)
                except IndexError:
                    break
                calls.pop(0)
                progress = True
        if not progress:
            raise ValueError(
                "Invalid Functional model configuration. The graph of the Functional model either has loops or "
                "disconnected nodes. The following nodes failed to be resolved: "
                f"{[layer.name for layer, calls in waiting if calls]}"
            )

    def symbols(part: Any) -> Any:
        if isinstance(part, (list, tuple)) and len(part) == 3 and isinstance(part[0], str):
            name, node, index = part
            shift = isinstance(layers.get(name), Functional)
            try:
                return _tensor(layers, (name, node - shift, index))
            except IndexError:
                raise ValueError(f"Invalid Functional model configuration. No such result: {part}") from None
        if isinstance(part, dict):
            return {key: symbols(value) for key, value in part.items()}
        if not is_nested(part):
            raise ValueError(
                f"Invalid Functional model configuration. Expected [layer, call, result]. Received: {part}"
            )
        return type(part)(symbols(value) for value in part)

    inputs, outputs = symbols(config["input_layers"]), symbols(config["output_layers"])
    return cls(inputs, outputs, name=config.get("name"), trainable=config.get("trainable"))
