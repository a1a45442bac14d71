"""What stands for ``y_true`` and ``y_pred`` while a loss is traced: a value that records what is done with it.

The result is a list of nodes, each an operation on those before it, which the engine differentiates and runs a row at a
time (``src/losses/expression``). A symbol has one of five extents: ``columns``, a number an element, ``(batch, n)``;
``kept``, a number a row, ``(batch, 1)``; ``row``, the same without the axis, ``(batch,)``; ``scalar``, a constant; and
``batch``, a mean over everything, of which only linear functions can be a loss by row.
"""

from collections.abc import Callable
from typing import Any, Never

import numpy as np

ADVICE = (
    "Write the loss with ironhorn.ops along axis=-1, without conditions and loops on values; or give its gradient "
    "yourself, with ironhorn.losses.PythonLoss."
)
_LINEAR = ("add", "subtract", "negative")


class TraceError(TypeError):
    """A loss that cannot become an expression."""


class Symbol:
    """A traced value. Operators and ``ironhorn.ops`` work on it; NumPy does not."""

    __array_ufunc__ = None
    __slots__ = ("boolean", "extent", "inputs", "op", "value")

    def __init__(
        self,
        op: str,
        inputs: tuple["Symbol", ...] = (),
        value: float | None = None,
        extent: str = "columns",
        boolean: bool = False,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.value = value
        self.extent = extent
        self.boolean = boolean

    @property
    def dtype(self) -> str:
        """``"float32"``, or ``"bool"`` for a comparison."""
        return "bool" if self.boolean else "float32"

    @property
    def ndim(self) -> int:
        """The rank, of outputs of one axis besides the batch."""
        return {"columns": 2, "kept": 2, "row": 1}.get(self.extent, 0)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The batch is ``None``; the number of columns is traced."""
        if self.extent == "columns":
            ones = Symbol("constant", value=1.0)
            return (None, Symbol("sum", (ones,), extent="scalar"))
        return {"kept": (None, 1), "row": (None,)}.get(self.extent, ())

    def __array__(self, *_: Any, **__: Any) -> Never:
        raise TraceError("NumPy was called on a traced value; use the function of ironhorn.ops.")

    def __bool__(self) -> bool:
        raise TraceError("A traced value has no truth value; use ironhorn.ops.where and logical_and, _or, _not.")

    def __iter__(self) -> Never:
        raise TraceError("A traced value cannot be iterated.")

    def __getitem__(self, _: Any) -> Never:
        raise TraceError("A traced value cannot be indexed.")

    def __float__(self) -> float:
        raise TraceError("A traced value is not a number yet.")

    __hash__ = object.__hash__

    def __add__(self, other: Any) -> "Symbol":
        return record("add", self, other)

    def __radd__(self, other: Any) -> "Symbol":
        return record("add", other, self)

    def __sub__(self, other: Any) -> "Symbol":
        return record("subtract", self, other)

    def __rsub__(self, other: Any) -> "Symbol":
        return record("subtract", other, self)

    def __mul__(self, other: Any) -> "Symbol":
        return record("multiply", self, other)

    def __rmul__(self, other: Any) -> "Symbol":
        return record("multiply", other, self)

    def __truediv__(self, other: Any) -> "Symbol":
        return record("divide", self, other)

    def __rtruediv__(self, other: Any) -> "Symbol":
        return record("divide", other, self)

    def __pow__(self, exponent: Any) -> "Symbol":
        return power(self, exponent)

    def __rpow__(self, base: Any) -> "Symbol":
        return power(base, self)

    def __neg__(self) -> "Symbol":
        return record("negative", self)

    def __pos__(self) -> "Symbol":
        return self

    def __abs__(self) -> "Symbol":
        return record("abs", self)

    def __lt__(self, other: Any) -> "Symbol":
        return record("less", self, other)

    def __le__(self, other: Any) -> "Symbol":
        return record("less_equal", self, other)

    def __gt__(self, other: Any) -> "Symbol":
        return record("less", other, self)

    def __ge__(self, other: Any) -> "Symbol":
        return record("less_equal", other, self)

    def __eq__(self, other: object) -> "Symbol":  # type: ignore[override]
        return record("equal", self, other)

    def __ne__(self, other: object) -> "Symbol":  # type: ignore[override]
        return record("logical_not", record("equal", self, other))

    def __and__(self, other: Any) -> "Symbol":
        return record("logical_and", self, other)

    def __or__(self, other: Any) -> "Symbol":
        return record("logical_or", self, other)

    def __invert__(self) -> "Symbol":
        return record("logical_not", self)


_BOOLEAN = ("less", "less_equal", "equal", "logical_and", "logical_or", "logical_not")


def constant(value: Any, extent: str = "scalar") -> Symbol:
    """A number as a symbol.

    Raises:
        TraceError: for an array of more than one number, and for what is no finite number.
    """
    if isinstance(value, Symbol):
        return value
    array = np.asarray(value)
    if array.ndim != 0 or array.dtype.kind not in "biuf" or not np.isfinite(array):
        what = f"an array of shape {array.shape}" if array.ndim else repr(value)
        raise TraceError(f"A traced loss holds finite numbers, no arrays beside y_true and y_pred. Received: {what}")
    return Symbol("constant", value=float(array), extent=extent, boolean=array.dtype.kind == "b")


def record(op: str, *operands: Any) -> Symbol:
    """The symbol of an elementwise operation.

    Raises:
        TraceError: where shapes do not suit each other, or a mean over the batch meets what is not linear.
    """
    inputs = tuple(constant(operand) for operand in operands)
    return Symbol(op, inputs, extent=_extent(op, inputs), boolean=op in _BOOLEAN)


def power(base: Any, exponent: Any) -> Symbol:
    """The symbol of ``base ** exponent``; one of them is a number."""
    if isinstance(exponent, Symbol) and exponent.op != "constant":
        number = constant(base)
        if number.op != "constant" or number.value is None or number.value <= 0:
            raise TraceError("In a power, the exponent or a positive base must be a number.")
        return record("exp", record("multiply", exponent, float(np.log(number.value))))
    result = record("power", base)
    result.value = constant(exponent).value
    return result


def reduce(op: str, x: Symbol, axis: Any, keepdims: bool) -> Symbol:
    """The symbol of ``sum``, ``mean`` or ``max`` over the last axis, or of the mean over everything."""
    if isinstance(axis, (tuple, list)) and len(axis) == 1:
        axis = axis[0]
    if x.extent == "scalar":
        return x
    if axis is None and op == "mean" and not keepdims:
        inner = Symbol("mean", (x,), extent="batch") if x.extent == "columns" else x
        return Symbol("add", (inner, constant(0.0)), extent="batch")
    if axis != -1 or x.extent in ("row", "batch"):
        hint = ' For the sum of the rows\' losses, pass reduction="sum".' if axis is None and op == "sum" else ""
        raise TraceError(
            f"`{op}` of a traced value of shape {_shown(x)} runs over its columns, axis=-1. "
            f"Received: axis={axis}.{hint}"
        )
    extent = "kept" if keepdims else "row"
    if x.extent == "kept":  # a sum of one
        return reshaped(x, extent)
    return Symbol(op, (x,), extent=extent)


def reshaped(x: Symbol, extent: str) -> Symbol:
    """The same values with or without their last axis of one."""
    return Symbol(x.op, x.inputs, x.value, extent, x.boolean)


def cast(x: Symbol, dtype: str) -> Symbol:
    """The same values as numbers or truths; other numbers than floats only from truths."""
    if dtype == "bool":
        return x if x.boolean else x != 0.0
    if not dtype.startswith(("float", "bfloat")) and not x.boolean:
        raise TraceError(f"A traced value is float32 and is not rounded. Received: cast to {dtype}")
    return Symbol(x.op, x.inputs, x.value, x.extent)


def _shown(x: Symbol) -> str:
    return {"columns": "(batch, n)", "kept": "(batch, 1)", "row": "(batch,)"}.get(x.extent, "()")


def _extent(op: str, inputs: tuple[Symbol, ...]) -> str:
    extents = {symbol.extent for symbol in inputs} - {"scalar"}
    if not extents:
        return "scalar"
    if "batch" in extents:
        scaled = op == "multiply" or (op == "divide" and inputs[1].extent == "scalar")
        if len(extents) > 1 or not (op in _LINEAR or (scaled and "scalar" in {symbol.extent for symbol in inputs})):
            raise TraceError(
                f"A mean over the whole batch may be added to others and scaled, no more: `{op}` of it is no mean of "
                "the rows' losses. Take the mean along axis=-1."
            )
        return "batch"
    if "row" in extents and len(extents) > 1:
        shapes = " and ".join(_shown(symbol) for symbol in inputs)
        raise TraceError(f"`{op}`: shapes {shapes} do not suit each other; reduce with keepdims=True.")
    return "columns" if "columns" in extents else extents.pop()


def nodes_of(result: Symbol) -> list[dict[str, Any]]:
    """The operations under a symbol as the engine reads them, each after its inputs, each once."""
    numbers: dict[tuple[Any, ...], int] = {}
    known: dict[int, int] = {}
    nodes: list[dict[str, Any]] = []
    stack = [result]
    while stack:
        symbol = stack[-1]
        missing = [entry for entry in symbol.inputs if id(entry) not in known]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        inputs = [known[id(entry)] for entry in symbol.inputs]
        key = (symbol.op, symbol.value, *inputs)
        if key not in numbers:
            node: dict[str, Any] = {"op": symbol.op}
            if inputs:
                node["inputs"] = inputs
            if symbol.value is not None:
                node["value"] = symbol.value
            numbers[key] = len(nodes)
            nodes.append(node)
        known[id(symbol)] = numbers[key]
    return nodes


def trace(function: Callable[[Any, Any], Any], name: str) -> Symbol:
    """What ``function(y_true, y_pred)`` returns for symbols.

    Raises:
        TraceError: if it cannot be traced.
    """
    try:
        result = function(Symbol("y_true"), Symbol("y_pred"))
    except Exception as error:
        raise TraceError(f"The loss {name!r} cannot be traced: {error} {ADVICE}") from error
    if not isinstance(result, Symbol):
        raise TraceError(f"The loss {name!r} cannot be traced: it returned {type(result).__name__}. {ADVICE}")
    if not any(node["op"] == "y_pred" for node in nodes_of(result)):
        raise TraceError(f"The loss {name!r} does not depend on y_pred.")
    return result
