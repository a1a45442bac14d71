"""The engine's losses in ``ironhorn.ops``, for a loss of one's own that is built on them. They must stay what the
formulas of ``src/losses`` are; a test compares the two, values and gradients.
"""

import math
from collections.abc import Callable
from typing import Any

from .. import ops
from ..ops.symbol import TraceError

_LOW = 1e-7
_HIGH = 1 - 2.0**-23  # 1 - 1e-7 in float32


def traced(loss: Any, y_true: Any, y_pred: Any) -> Any:
    """The losses by row, for symbols.

    Raises:
        TypeError: for losses of class indices, of another axis than the last and of class weights one by one.
    """
    name = type(loss).__name__
    if name not in _FORMULAS or getattr(loss, "axis", -1) != -1 or isinstance(getattr(loss, "alpha", 0), (list, tuple)):
        raise TraceError(f"{name}: of this loss, with these arguments, no part of another loss can be made.")
    return _FORMULAS[name](loss, y_true, y_pred)


def _percentage(_: Any, y: Any, p: Any) -> Any:
    return 100.0 * ops.mean(ops.abs(p - y) / ops.maximum(ops.abs(y), _LOW), axis=-1)


def _logarithmic(_: Any, y: Any, p: Any) -> Any:
    error = ops.log(ops.maximum(p, _LOW) + 1.0) - ops.log(ops.maximum(y, _LOW) + 1.0)
    return ops.mean(ops.square(error), axis=-1)


def _log_cosh(_: Any, y: Any, p: Any) -> Any:
    size = ops.abs(p - y)
    return ops.mean(size + ops.softplus(-2.0 * size) - math.log(2.0), axis=-1)


def _huber(loss: Any, y: Any, p: Any) -> Any:
    size, delta = ops.abs(p - y), float(loss.delta)
    value = ops.where(size <= delta, 0.5 * ops.square(size), delta * size - 0.5 * delta**2)
    return ops.mean(value, axis=-1)


def _cosine(_: Any, y: Any, p: Any) -> Any:
    length, norm = (ops.maximum(ops.sqrt(ops.sum(ops.square(x), axis=-1)), _LOW) for x in (y, p))
    return -ops.sum(y * p, axis=-1) / length / norm


def _divergence(_: Any, y: Any, p: Any) -> Any:
    y, p = ops.clip(y, _LOW, 1.0), ops.clip(p, _LOW, 1.0)
    return ops.sum(y * ops.log(y / p), axis=-1)


def _entropy(y: Any, p: Any) -> Any:
    held = ops.clip(p, _LOW, _HIGH)
    return -(y * ops.log(held) + (1.0 - y) * ops.log(1.0 - held))


def _binary(loss: Any, y: Any, p: Any) -> Any:
    y = y * (1.0 - loss.label_smoothing) + 0.5 * loss.label_smoothing
    return ops.mean(ops.softplus(p) - y * p if loss.from_logits else _entropy(y, p), axis=-1)


def _binary_focal(loss: Any, y: Any, p: Any) -> Any:
    y = y * (1.0 - loss.label_smoothing) + 0.5 * loss.label_smoothing
    p = ops.sigmoid(p) if loss.from_logits else p
    value = ops.power(1.0 - (y * p + (1.0 - y) * (1.0 - p)), loss.gamma) * _entropy(y, p)
    if loss.apply_class_balancing:
        value = value * (y * loss.alpha + (1.0 - y) * (1.0 - loss.alpha))
    return ops.mean(value, axis=-1)


def _spread(loss: Any, y: Any) -> Any:
    return y * (1.0 - loss.label_smoothing) + loss.label_smoothing / ops.shape(y)[-1] if loss.label_smoothing else y


def _shares(p: Any) -> Any:
    return ops.clip(p / ops.sum(p, axis=-1, keepdims=True), _LOW, _HIGH)


def _categorical(loss: Any, y: Any, p: Any) -> Any:
    log_p = ops.log_softmax(p) if loss.from_logits else ops.log(_shares(p))
    return -ops.sum(_spread(loss, y) * log_p, axis=-1)


def _categorical_focal(loss: Any, y: Any, p: Any) -> Any:
    q = _shares(ops.softmax(p) if loss.from_logits else p)
    return -loss.alpha * ops.sum(_spread(loss, y) * ops.power(1.0 - q, loss.gamma) * ops.log(q), axis=-1)


def _margin(y: Any, p: Any) -> Any:
    return ops.maximum(1.0 - ops.where(ops.equal(y, 0.0), -1.0, y) * p, 0.0)


def _categorical_hinge(_: Any, y: Any, p: Any) -> Any:
    wrong, right = ops.max((1.0 - y) * p, axis=-1), ops.sum(y * p, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


def _overlap(loss: Any, y: Any, p: Any) -> Any:
    return 1.0 - loss._index(*(ops.sum(x, axis=-1) for x in (y * p, y, p)))


_FORMULAS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "MeanSquaredError": lambda _, y, p: ops.mean(ops.square(p - y), axis=-1),
    "MeanAbsoluteError": lambda _, y, p: ops.mean(ops.abs(p - y), axis=-1),
    "MeanAbsolutePercentageError": _percentage,
    "MeanSquaredLogarithmicError": _logarithmic,
    "LogCosh": _log_cosh,
    "Huber": _huber,
    "CosineSimilarity": _cosine,
    "KLDivergence": _divergence,
    "Poisson": lambda _, y, p: ops.mean(p - y * ops.log(p + _LOW), axis=-1),
    "BinaryCrossentropy": _binary,
    "BinaryFocalCrossentropy": _binary_focal,
    "CategoricalCrossentropy": _categorical,
    "CategoricalFocalCrossentropy": _categorical_focal,
    "Hinge": lambda _, y, p: ops.mean(_margin(y, p), axis=-1),
    "SquaredHinge": lambda _, y, p: ops.mean(ops.square(_margin(y, p)), axis=-1),
    "CategoricalHinge": _categorical_hinge,
    "Dice": _overlap,
    "Tversky": _overlap,
}
