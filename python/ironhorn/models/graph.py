"""Graphs of calls: which nodes lie between inputs and outputs, in which order, and the engine's list of them.

The order is Keras's: a node's depth is the longest way from it to an output, nodes run from the greatest depth, and
layers are listed by depth, then by the order in which a walk from the outputs first meets them.
"""

import dataclasses
from typing import Any

from .. import _core
from ..layers.base import Layer
from ..layers.input import Input, InputLayer
from ..layers.structure import flatten, flatten_with_path, map_structure, pack_as
from ..layers.tensor import KerasTensor, Node


class Program:
    """The list of nodes that the engine takes: values are numbered, inputs first, then one a node."""

    def __init__(self, inputs: int) -> None:
        self.layers: list[Layer] = []
        self.nodes: list[tuple[Any, list[int]]] = []
        self._count = inputs

    def add(self, layer: Layer, values: list[int]) -> int:
        """Appends a node; gives the number of its value."""
        self.layers.append(layer)
        self.nodes.append((layer._native, values))
        self._count += 1
        return self._count - 1

    @property
    def current(self) -> bool:
        """Whether the engine's layers are still those of the layers."""
        return all(layer._native is native for layer, (native, _) in zip(self.layers, self.nodes, strict=True))

    def variables(self) -> list[Any]:
        """The variables in the order of the engine's: each layer's once, by its first node."""
        layers = {id(layer): layer for layer in self.layers}
        return [variable for layer in layers.values() for variable in layer.variables]

    def model(self, shapes: list[list[int]], outputs: list[int], seed: int) -> Any:
        """The engine's model."""
        return _core.Model(self.nodes, shapes, outputs, seed)


@dataclasses.dataclass(frozen=True)
class Graph:
    """The nodes of a model, in the order in which they can be computed, and its layers."""

    inputs: list[KerasTensor]
    outputs: list[KerasTensor]
    nodes: list[Node]
    layers: list[Layer]
    sequential: bool

    def inline(self, program: Program, values: list[int]) -> list[int]:
        """Writes the nodes into a program."""
        numbers = {id(tensor): value for tensor, value in zip(self.inputs, values, strict=True)}
        for node in self.nodes:
            if not node.is_input:
                results = node.operation._inline(program, [numbers[id(tensor)] for tensor in node.input_tensors])
                for tensor, value in zip(node.output_tensors, results, strict=True):
                    numbers[id(tensor)] = value
        return [numbers[id(tensor)] for tensor in self.outputs]

    def shapes(self, input_shapes: list[Any]) -> list[Any]:
        """The shapes of the outputs for shapes of the inputs."""
        known = {id(tensor): shape for tensor, shape in zip(self.inputs, input_shapes, strict=True)}
        for node in self.nodes:
            if not node.is_input:
                results = node.operation._output_shapes([known[id(tensor)] for tensor in node.input_tensors])
                for tensor, shape in zip(node.output_tensors, results, strict=True):
                    known[id(tensor)] = shape
        return [known[id(tensor)] for tensor in self.outputs]


def _walk(inputs: list[KerasTensor], outputs: list[KerasTensor]) -> tuple[list[Node], dict[int, int]]:
    """The nodes behind the outputs, parents first, and each layer's place in the order of the walk."""
    ordered: list[Node] = []
    places: dict[int, int] = {}
    finished: set[int] = set()
    given = {id(tensor) for tensor in inputs}
    stack: list[tuple[Node, list[KerasTensor]]] = []  # a node and the parents still to visit: depth needs no recursion

    def enter(tensor: KerasTensor) -> None:
        node = tensor.node
        if node is None or id(node) in finished or (id(tensor) in given and not node.is_input):
            return
        if any(node is other for other, _ in stack):
            raise ValueError(f"Tensor {tensor} from operation '{node.operation.name}' is part of a cycle.")
        places.setdefault(id(node.operation), len(places))
        stack.append((node, list(node.input_tensors)))

    for output in outputs:
        enter(output)
        while stack:
            node, waiting = stack[-1]
            if waiting:
                enter(waiting.pop(0))
            else:
                stack.pop()
                finished.add(id(node))
                ordered.append(node)
    return ordered, places


def build_graph(inputs: Any, outputs: Any) -> Graph:
    """The graph between two structures of symbols.

    Raises:
        ValueError: if an output does not depend on the inputs, or two layers share a name.
    """
    flat_inputs: list[KerasTensor] = flatten(inputs)
    flat_outputs: list[KerasTensor] = flatten(outputs)
    ordered, places = _walk(flat_inputs, flat_outputs)
    depths: dict[int, int] = {}
    layer_depths: dict[int, int] = {}
    layers: dict[int, Layer] = {}
    in_graph = {id(node) for node in ordered}
    for node in reversed(ordered):
        depth = max(depths.get(id(node), 0), layer_depths.get(id(node.operation), 0))
        layers[id(node.operation)] = node.operation
        layer_depths[id(node.operation)] = depths[id(node)] = depth
        for parent in node.parent_nodes:
            if id(parent) in in_graph:
                depths[id(parent)] = max(depth + 1, depths.get(id(parent), 0))
    unused = []
    for tensor in flat_inputs:  # an input that leads nowhere is still an input
        node_ = tensor.node
        if node_ is not None and node_.is_input and id(node_.operation) not in layers:
            layers[id(node_.operation)] = node_.operation
            layer_depths[id(node_.operation)], places[id(node_.operation)] = 0, -1
            depths[id(node_)] = 0
            unused.append(node_)
    _check_connected(flat_inputs, flat_outputs, outputs, ordered)
    found = sorted(layers.values(), key=lambda layer: (-layer_depths[id(layer)], places[id(layer)]))
    names = [layer.name for layer in found]
    for name in names:
        if names.count(name) != 1:
            raise ValueError(
                f'The name "{name}" is used {names.count(name)} times in the model. All operation names should be '
                "unique."
            )
    everything = ordered + unused
    by_depth: dict[int, int] = {}
    for node in everything:
        by_depth[depths[id(node)]] = by_depth.get(depths[id(node)], 0) + 1
    chain = all(count == 1 for count in by_depth.values()) and all(len(node.input_tensors) <= 1 for node in everything)
    nodes = _computable(sorted(everything, key=lambda node: -depths[id(node)]), flat_inputs)
    return Graph(flat_inputs, flat_outputs, nodes, found, chain and len(found) == len(everything))


def _check_connected(inputs: list[Any], outputs: list[Any], structure: Any, ordered: list[Node]) -> None:
    known = {id(tensor) for tensor in inputs}
    for node in ordered:
        if not node.is_input and all(id(tensor) in known for tensor in node.input_tensors):
            known.update(id(tensor) for tensor in node.output_tensors)
    for (path, _), tensor in zip(flatten_with_path(structure), outputs, strict=True):
        if id(tensor) not in known:
            where = ".".join(str(part) for part in path)
            raise ValueError(f"Output with path `{where}` is not connected to `inputs`")


def _computable(nodes: list[Node], inputs: list[KerasTensor]) -> list[Node]:
    """Nodes sorted by depth, once more by need: a shared layer's call has the depth of the layer's deepest one."""
    known = {id(tensor) for tensor in inputs}
    done: list[Node] = []
    waiting = nodes
    while waiting:
        later = []
        for node in waiting:
            if node.is_input or all(id(tensor) in known for tensor in node.input_tensors):
                known.update(id(tensor) for tensor in node.output_tensors)
                done.append(node)
            else:
                later.append(node)
        if len(later) == len(waiting):  # what is left leads to no output that the inputs reach
            break
        waiting = later
    return done


def with_inputs(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """The same graph with an ``Input`` for each input that is the result of a layer; its calls are made again."""
    flat: list[KerasTensor] = flatten(inputs)
    if all(tensor.node is not None and tensor.node.is_input for tensor in flat):
        return inputs, outputs
    nodes, _ = _walk(flat, flatten(outputs))
    swapped: dict[int, KerasTensor] = {}
    begin = []
    for tensor in flat:
        if tensor.node is not None and tensor.node.is_input:
            begin.append(tensor)
        else:
            begin.append(Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=f"{tensor.name}CLONE"))
        swapped[id(tensor)] = begin[-1]

    def swap(tensor: KerasTensor) -> KerasTensor:
        if id(tensor) not in swapped:
            swapped[id(tensor)] = KerasTensor(tensor.shape, tensor.dtype, name=f"{tensor.name}_clone")
        return swapped[id(tensor)]

    for node in nodes:
        if isinstance(node.operation, InputLayer):
            swapped.setdefault(id(node.output_tensors[0]), node.output_tensors[0])
            continue
        results = map_structure(swap, node.outputs)
        Node(node.operation, map_structure(swap, node.arguments), results, [swap(t) for t in node.input_tensors])
    return pack_as(inputs, begin), map_structure(swap, outputs)
