"""Operations that losses are written with: on arrays they compute, with NumPy in float32; on the symbols that stand for
``y_true`` and ``y_pred`` while ``compile`` traces a loss, they record.

Names and arguments are those of ``keras.ops``. Every function takes arrays, numbers or symbols of shapes that
broadcast. Floating-point results are float32; comparisons are bool. A reduction of a symbol runs over the last axis.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .symbol import Symbol, TraceError, constant, record, reduce, reshaped
from .symbol import cast as _cast
from .symbol import power as _power

__all__ = [
    "abs", "absolute", "add", "cast", "clip", "convert_to_numpy", "convert_to_tensor", "divide", "divide_no_nan",
    "equal", "exp", "expand_dims", "expm1", "greater", "greater_equal", "less", "less_equal", "log", "log1p",
    "log_sigmoid", "log_softmax", "logical_and", "logical_not", "logical_or", "logsumexp", "max", "maximum", "mean",
    "min", "minimum", "multiply", "negative", "not_equal", "ones_like", "power", "reciprocal", "relu", "rsqrt",
    "shape", "sigmoid", "sign", "softmax", "softplus", "sqrt", "square", "squeeze", "subtract", "sum", "tanh",
    "where", "zeros_like",
]  # fmt: skip


def _operand(x: Any) -> Any:
    """A number stays one, so that it does not widen what it meets; all else becomes an array."""
    if isinstance(x, (bool, int, float)):
        return x
    array = np.asarray(x)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _apply(op: str, compute: Callable[..., Any], *operands: Any) -> Any:
    if any(isinstance(x, Symbol) for x in operands):
        return record(op, *operands)
    return _single(compute(*(_operand(x) for x in operands)))


def _single(result: Any) -> Any:
    array = np.asarray(result)
    return array.astype(np.float32) if array.dtype in (np.float64, np.float16) else array


def _reduced(op: str, compute: Callable[..., Any], x: Any, axis: Any, keepdims: bool) -> Any:
    if isinstance(x, Symbol):
        return reduce(op, x, axis, keepdims)
    axis = tuple(axis) if isinstance(axis, list) else axis
    return _single(compute(_operand(x), axis=axis, keepdims=keepdims))


def add(x1: Any, x2: Any) -> Any:
    """``x1 + x2``."""
    return _apply("add", np.add, x1, x2)


def subtract(x1: Any, x2: Any) -> Any:
    """``x1 - x2``."""
    return _apply("subtract", np.subtract, x1, x2)


def multiply(x1: Any, x2: Any) -> Any:
    """``x1 * x2``."""
    return _apply("multiply", np.multiply, x1, x2)


def divide(x1: Any, x2: Any) -> Any:
    """``x1 / x2``."""
    return _apply("divide", np.divide, x1, x2)


def divide_no_nan(x1: Any, x2: Any) -> Any:
    """``x1 / x2``, and 0 where ``x2`` is 0."""
    zero = equal(x2, 0)
    return where(zero, 0.0, divide(x1, where(zero, 1.0, x2)))


def negative(x: Any) -> Any:
    """``-x``."""
    return _apply("negative", np.negative, x)


def power(x1: Any, x2: Any) -> Any:
    """``x1 ** x2``. While tracing, one of them is a number; NaN where a negative base meets a fraction."""
    if isinstance(x1, Symbol) or isinstance(x2, Symbol):
        return _power(x1, x2)
    return _single(np.power(_operand(x1), _operand(x2)))


def absolute(x: Any) -> Any:
    """``|x|``; its derivative at 0 is 0."""
    return _apply("abs", np.abs, x)


abs = absolute  # noqa: A001


def sign(x: Any) -> Any:
    """-1, 0 or 1; without a derivative."""
    return _apply("sign", np.sign, x)


def exp(x: Any) -> Any:
    """``e ** x``."""
    return _apply("exp", np.exp, x)


def expm1(x: Any) -> Any:
    """``e ** x - 1``, exact for tiny ``x``."""
    return _apply("expm1", np.expm1, x)


def log(x: Any) -> Any:
    """The natural logarithm."""
    return _apply("log", np.log, x)


def log1p(x: Any) -> Any:
    """``log(1 + x)``, exact for tiny ``x``."""
    return _apply("log1p", np.log1p, x)


def sqrt(x: Any) -> Any:
    """The square root."""
    return _apply("sqrt", np.sqrt, x)


def rsqrt(x: Any) -> Any:
    """``1 / sqrt(x)``."""
    return divide(1.0, sqrt(x))


def square(x: Any) -> Any:
    """``x * x``."""
    return _apply("square", np.square, x)


def reciprocal(x: Any) -> Any:
    """``1 / x``."""
    return divide(1.0, x)


def maximum(x1: Any, x2: Any) -> Any:
    """The larger; where both are equal each has half the derivative, as in JAX."""
    return _apply("maximum", np.maximum, x1, x2)


def minimum(x1: Any, x2: Any) -> Any:
    """The smaller; where both are equal each has half the derivative, as in JAX."""
    return _apply("minimum", np.minimum, x1, x2)


def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """``x`` held between two bounds."""
    return minimum(maximum(x, x_min), x_max)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return _apply("sigmoid", lambda x: 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, np.float64))), x)


def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``."""
    return _apply("softplus", lambda x: np.logaddexp(np.float64(0), x), x)


def log_sigmoid(x: Any) -> Any:
    """``log(sigmoid(x))``."""
    return negative(softplus(negative(x)))


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return _apply("tanh", np.tanh, x)


def relu(x: Any) -> Any:
    """``max(x, 0)``; its derivative at 0 is 0."""
    return _apply("relu", lambda x: np.maximum(x, 0), x)


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A001
    """The sum over an axis."""
    return _reduced("sum", np.sum, x, axis, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over an axis, or over everything. While tracing, the latter may only be added to others and scaled."""
    return _reduced("mean", np.mean, x, axis, keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A001
    """The maximum over an axis; elements that attain it share its derivative."""
    return _reduced("max", np.max, x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A001
    """The minimum over an axis; elements that attain it share its derivative."""
    return negative(max(negative(x), axis, keepdims))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))`` over an axis, without overflow."""
    largest = max(x, axis, True)
    total = add(log(sum(exp(subtract(x, largest)), axis, True)), largest)
    return total if keepdims else squeeze(total, axis)


def softmax(x: Any, axis: Any = -1) -> Any:
    """``exp(x) / sum(exp(x))`` over an axis."""
    shifted = exp(subtract(x, max(x, axis, True)))
    return divide(shifted, sum(shifted, axis, True))


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """``log(softmax(x))`` over an axis."""
    return subtract(x, logsumexp(x, axis, True))


def where(condition: Any, x1: Any, x2: Any) -> Any:
    """``x1`` where the condition is true, ``x2`` elsewhere; the one not taken has no derivative."""
    return _apply("where", np.where, condition, x1, x2)


def equal(x1: Any, x2: Any) -> Any:
    """``x1 == x2``."""
    return _apply("equal", np.equal, x1, x2)


def not_equal(x1: Any, x2: Any) -> Any:
    """``x1 != x2``."""
    return logical_not(equal(x1, x2))


def less(x1: Any, x2: Any) -> Any:
    """``x1 < x2``."""
    return _apply("less", np.less, x1, x2)


def less_equal(x1: Any, x2: Any) -> Any:
    """``x1 <= x2``."""
    return _apply("less_equal", np.less_equal, x1, x2)


def greater(x1: Any, x2: Any) -> Any:
    """``x1 > x2``."""
    return less(x2, x1)


def greater_equal(x1: Any, x2: Any) -> Any:
    """``x1 >= x2``."""
    return less_equal(x2, x1)


def logical_and(x1: Any, x2: Any) -> Any:
    """Whether both are true."""
    return _apply("logical_and", np.logical_and, x1, x2)


def logical_or(x1: Any, x2: Any) -> Any:
    """Whether either is true."""
    return _apply("logical_or", np.logical_or, x1, x2)


def logical_not(x: Any) -> Any:
    """Whether it is false."""
    return _apply("logical_not", np.logical_not, x)


def cast(x: Any, dtype: Any) -> Any:
    """``x`` as another type. A symbol is a float or a truth; casts that would round it are refused."""
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    return _cast(x, name) if isinstance(x, Symbol) else np.asarray(x).astype(name)


def zeros_like(x: Any) -> Any:
    """Zeros of the shape of ``x``."""
    return constant(0.0, x.extent) if isinstance(x, Symbol) else np.zeros_like(_operand(np.asarray(x)))


def ones_like(x: Any) -> Any:
    """Ones of the shape of ``x``."""
    return constant(1.0, x.extent) if isinstance(x, Symbol) else np.ones_like(_operand(np.asarray(x)))


def expand_dims(x: Any, axis: int) -> Any:
    """With another axis of one. Of a symbol: ``(batch,)`` to ``(batch, 1)``."""
    if not isinstance(x, Symbol):
        return np.expand_dims(_operand(np.asarray(x)), axis)
    if x.extent != "row" or axis not in (-1, 1):
        raise TraceError(f"A traced value of shape (batch,) becomes (batch, 1), axis=-1. Received: axis={axis}")
    return reshaped(x, "kept")


def squeeze(x: Any, axis: Any = None) -> Any:
    """Without an axis of one. Of a symbol: ``(batch, 1)`` to ``(batch,)``."""
    if not isinstance(x, Symbol):
        return np.squeeze(_operand(np.asarray(x)), axis)
    if x.extent != "kept" or axis not in (-1, 1, None):
        raise TraceError(f"A traced value of shape (batch, 1) becomes (batch,), axis=-1. Received: axis={axis}")
    return reshaped(x, "row")


def shape(x: Any) -> tuple[Any, ...]:
    """The shape. A symbol's batch is ``None``; its number of columns is traced."""
    return x.shape if isinstance(x, Symbol) else np.shape(x)


def convert_to_tensor(x: Any, dtype: Any = None) -> Any:
    """An array of ``dtype``, by default float32 for floating-point numbers; a symbol stays one."""
    if isinstance(x, Symbol):
        return x if dtype is None else cast(x, dtype)
    array = np.asarray(x)
    if dtype is None:
        return _single(array)
    return array.astype(dtype if isinstance(dtype, str) else np.dtype(dtype).name)


def convert_to_numpy(x: Any) -> NDArray[Any]:
    """The array itself. A symbol has no numbers, so it is a ``TypeError``."""
    return np.asarray(x)
