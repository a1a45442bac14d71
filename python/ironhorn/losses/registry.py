"""Losses by name, and what ``compile`` makes of whatever it is given."""

from typing import Any

from .. import serialization
from ..naming import to_snake_case
from . import margin, overlap, probabilistic, regression
from .base import EngineLoss, Loss
from .custom import LossFunctionWrapper, PythonLoss, TracedLoss

_CLASSES: tuple[type[EngineLoss], ...] = (
    probabilistic.BinaryCrossentropy, probabilistic.BinaryFocalCrossentropy, probabilistic.CategoricalCrossentropy,
    probabilistic.CategoricalFocalCrossentropy, probabilistic.CategoricalGeneralizedCrossEntropy,
    probabilistic.KLDivergence, probabilistic.Poisson, probabilistic.SparseCategoricalCrossentropy,
    regression.CosineSimilarity, regression.Huber, regression.LogCosh, regression.MeanAbsoluteError,
    regression.MeanAbsolutePercentageError, regression.MeanSquaredError, regression.MeanSquaredLogarithmicError,
    margin.CategoricalHinge, margin.Hinge, margin.SquaredHinge, overlap.Dice, overlap.Tversky,
)  # fmt: skip
_ALIASES = {
    "binary_crossentropy": ("bce", "BCE"),
    "kl_divergence": ("kld", "KLD", "kullback_leibler_divergence"),
    "log_cosh": ("logcosh",),
    "mean_absolute_error": ("mae", "MAE"),
    "mean_absolute_percentage_error": ("mape", "MAPE"),
    "mean_squared_error": ("mse", "MSE"),
    "mean_squared_logarithmic_error": ("msle", "MSLE"),
}

ALL_OBJECTS: dict[str, Any] = {"Loss": Loss, "LossFunctionWrapper": LossFunctionWrapper}
_CLASS_OF: dict[Any, type[EngineLoss]] = {}
for _module in (probabilistic, regression, margin, overlap):
    for _cls in _CLASSES:
        if _cls.__module__ == _module.__name__:
            _function = getattr(_module, to_snake_case(_cls.__name__))
            ALL_OBJECTS |= {_cls.__name__: _cls, _function.__name__: _function}
            ALL_OBJECTS |= dict.fromkeys(_ALIASES.get(_function.__name__, ()), _function)
            _CLASS_OF[_function] = _cls


def serialize(loss: Any) -> Any:
    """The nested form of a loss; of a traced one, the engine's."""
    return loss.engine_form() if isinstance(loss, TracedLoss) else serialization.serialize(loss)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The loss a name or a nested form stands for; ``custom_objects`` adds names."""
    return serialization.deserialize(name, ALL_OBJECTS | (custom_objects or {}), "loss")


def get(identifier: Any) -> Any:
    """The loss for a name, a configuration, a class, a function or an object; ``None`` stays ``None``.

    Raises:
        ValueError: for unknown names; the nearest one is named.
    """
    return serialization.get(identifier, ALL_OBJECTS, "loss")


def resolve(identifier: Any) -> Loss:
    """The loss object that a model trains with, for whatever ``compile(loss=...)`` takes.

    A function or object of this package is one that the engine has; another function of ``(y_true, y_pred)``, and a
    subclass of ``Loss``, is traced. A ``PythonLoss`` stays what it is.

    Raises:
        ValueError: for unknown names, and for arguments that the engine cannot train with.
        TypeError: for what is no loss, and for losses that cannot be traced.
    """
    loss = get(identifier)
    if isinstance(loss, LossFunctionWrapper) and loss.fn in _CLASS_OF:
        loss = _CLASS_OF[loss.fn](reduction=loss.reduction, name=loss.name, **loss._fn_kwargs)
    elif not isinstance(loss, Loss):
        if not callable(loss):
            raise TypeError(f"A loss is a name, a function or an object of ironhorn.losses. Received: {identifier!r}")
        name = getattr(loss, "__name__", None)
        loss = _CLASS_OF[loss](name=name) if loss in _CLASS_OF else LossFunctionWrapper(loss, name=name)
    if type(loss) in _CLASSES or isinstance(loss, (PythonLoss, TracedLoss)):
        return loss
    return TracedLoss(loss)
