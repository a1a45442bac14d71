"""Symbols: what ``Input`` and the call of a layer on symbols return, and the calls that connect them.

A ``KerasTensor`` has a shape, a dtype and a name, and knows the ``Node``, the call, it came from. Graphs are read
backwards from the outputs of a model.
"""

import itertools
import math
from typing import Any, NamedTuple, NoReturn

from ..naming import auto_name
from .structure import flatten

Shape = tuple[int | None, ...]
_numbers = itertools.count()


class KerasHistory(NamedTuple):
    """Where a symbol came from: the layer, which of its calls, which of the call's results."""

    operation: Any
    node_index: int
    tensor_index: int


class Node:
    """One call of a layer.

    ``arguments`` is what it was called with, a structure of symbols; ``input_tensors`` are those in the layer's own
    order; ``outputs`` is the structure of the results.
    """

    def __init__(self, operation: Any, arguments: Any, outputs: Any, input_tensors: list["KerasTensor"]) -> None:
        self.operation = operation
        self.arguments = arguments
        self.outputs = outputs
        self.input_tensors = input_tensors
        self.output_tensors: list[KerasTensor] = flatten(outputs)
        self.number = next(_numbers)
        for index, tensor in enumerate(self.output_tensors):
            tensor.node, tensor.index = self, index
        operation._inbound_nodes.append(self)

    @property
    def is_input(self) -> bool:
        """Whether it is the beginning of a graph."""
        return not self.input_tensors

    @property
    def parent_nodes(self) -> list["Node"]:
        """The calls that made the inputs."""
        return [tensor.node for tensor in self.input_tensors if tensor.node is not None]

    def __repr__(self) -> str:
        return f"<Node operation={self.operation}, id={id(self)}>"


class KerasTensor:
    """A symbol: stands for an array that is not there yet.

    Args:
        shape: with the batch, e.g. ``(None, 784)``.
        dtype: of the values.
        sparse, ragged: only false.
        name: the symbol's name.
    """

    def __init__(
        self, shape: Any, dtype: Any = "float32", sparse: bool = False, ragged: bool = False, name: str | None = None
    ) -> None:
        if sparse or ragged:
            raise NotImplementedError("KerasTensor: `sparse` and `ragged` are not there yet.")
        self.shape: Shape = tuple(shape)
        self.dtype = str(dtype)
        self.sparse = self.ragged = False
        self.name = name or auto_name("keras_tensor")
        self.node: Node | None = None
        self.index = 0

    @property
    def ndim(self) -> int:
        """The number of dimensions, the batch included."""
        return len(self.shape)

    @property
    def size(self) -> int | None:
        """How many numbers it holds, where that is known."""
        return None if None in self.shape else math.prod(size for size in self.shape if size is not None)

    @property
    def layer(self) -> Any:
        """The layer whose call made it."""
        return None if self.node is None else self.node.operation

    @property
    def _keras_history(self) -> KerasHistory:
        if self.node is None:
            raise AttributeError(f"{self!r} came from no layer.")
        nodes = self.node.operation._inbound_nodes
        return KerasHistory(self.node.operation, nodes.index(self.node) if self.node in nodes else -1, self.index)

    def _scaled(self, scale: Any, offset: Any, what: str) -> "KerasTensor":
        """``self * scale + offset`` for numbers, as a layer."""
        from .preprocessing import Rescaling

        if isinstance(scale, bool) or isinstance(offset, bool) or not _is_number(scale) or not _is_number(offset):
            raise TypeError(
                f"A symbol takes part in `{what}` with symbols and numbers. Received: {scale!r} and {offset!r}"
            )
        return Rescaling(scale, offset)(self)

    def __add__(self, other: Any) -> "KerasTensor":
        from .merging import add

        return add([self, other]) if isinstance(other, KerasTensor) else self._scaled(1.0, other, "+")

    __radd__ = __add__

    def __sub__(self, other: Any) -> "KerasTensor":
        from .merging import subtract

        if isinstance(other, KerasTensor):
            return subtract([self, other])
        return self._scaled(1.0, -other if _is_number(other) else other, "-")

    def __rsub__(self, other: Any) -> "KerasTensor":
        return self._scaled(-1.0, other, "-")

    def __mul__(self, other: Any) -> "KerasTensor":
        from .merging import multiply

        return multiply([self, other]) if isinstance(other, KerasTensor) else self._scaled(other, 0.0, "*")

    __rmul__ = __mul__

    def __neg__(self) -> "KerasTensor":
        return self._scaled(-1.0, 0.0, "-")

    def _no_operator(self, other: Any = None) -> NoReturn:
        raise NotImplementedError(
            f"Symbols know the operators +, - and *; everything else is a layer, such as `Rescaling` and `Dot`. "
            f"Received: {self!r}"
        )

    __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = __pow__ = __rpow__ = __mod__ = __floordiv__ = _no_operator
    __getitem__ = __lt__ = __le__ = __gt__ = __ge__ = __abs__ = _no_operator

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError(
            "A KerasTensor is symbolic: it's a placeholder for a shape an a dtype. It doesn't have any actual "
            "numerical value. You cannot convert it to a NumPy array."
        )

    def __bool__(self) -> NoReturn:
        raise TypeError("A symbolic KerasTensor cannot be used as a boolean.")

    def __float__(self) -> NoReturn:
        raise TypeError("A symbolic KerasTensor cannot be used as a number.")

    def __iter__(self) -> NoReturn:
        raise NotImplementedError("Iterating over a symbolic KerasTensor is not supported.")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse=False, ragged=False, name={self.name}>"


def _is_number(value: Any) -> bool:
    return not isinstance(value, (str, KerasTensor)) and getattr(value, "ndim", 0) == 0 and hasattr(value, "__float__")
