"""Values of configurations as JSON and back, and expressions that have lost the Python function they came from.

JSON has no tuples, which say how outputs are packed: they are written ``{"__tuple__": [...]}``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..losses import LossFunctionWrapper, TracedLoss
from ..losses.base import by_row
from ..ops.symbol import Symbol


def plain(value: Any) -> Any:
    """A configuration's value as JSON has it.

    Raises:
        TypeError: for what is neither a number, a text nor a structure of them.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return {"__tuple__": [plain(item) for item in value]}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if hasattr(value, "item"):
        return plain(value.item())
    raise TypeError(f"A configuration holds numbers, strings, lists and dicts. Received: {value!r}")


def revived(value: Any) -> Any:
    """What ``plain`` was given."""
    if isinstance(value, dict):
        if set(value) == {"__tuple__"} and isinstance(value["__tuple__"], list):
            return tuple(revived(item) for item in value["__tuple__"])
        return {key: revived(item) for key, item in value.items()}
    return [revived(item) for item in value] if isinstance(value, list) else value


class StoredFunction:
    """A traced function of ``(y_true, y_pred)`` as its operations, which the engine computes.

    Args:
        name: what it was called.
        nodes: the operations, as ``ironhorn.ops.symbol.nodes_of`` gives them.
    """

    def __init__(self, name: str, nodes: list[dict[str, Any]]) -> None:
        self.name = self.__name__ = name
        self.nodes = nodes

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        """The values by row, of arrays or of symbols."""
        if not isinstance(y_pred, Symbol):
            form = {"class_name": "expression", "config": {"name": self.name, "nodes": self.nodes}}
            true, pred = np.asarray(y_true, np.float32), np.asarray(y_pred, np.float32)
            result: NDArray[np.float32] = by_row(_core.loss_values, form, true, pred)
            return result
        made: list[Symbol] = []
        for node in self.nodes:
            op = node["op"]
            known = {"y_true": y_true, "y_pred": y_pred}
            inputs = tuple(made[i] for i in node.get("inputs", ()))
            made.append(known[op] if op in known else Symbol(op, inputs, node.get("value"), "row"))
        return made[-1]


def stored_loss(name: str, reduction: Any, nodes: list[dict[str, Any]]) -> TracedLoss:
    """A loss of these operations, in their order."""
    loss = TracedLoss(LossFunctionWrapper(StoredFunction(name, nodes), reduction, name))
    loss.nodes = nodes
    return loss
