"""The metrics by name."""

from typing import Any

from .. import losses, serialization
from ..naming import to_snake_case
from .base import Mean, Metric, Sum
from .rowwise import (
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    Rowwise,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
)

ENGINE_CLASSES: tuple[type[Rowwise], ...] = (
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
)
FUNCTIONS: dict[Any, type[Rowwise]] = {
    accuracy: Accuracy,
    binary_accuracy: BinaryAccuracy,
    categorical_accuracy: CategoricalAccuracy,
    sparse_categorical_accuracy: SparseCategoricalAccuracy,
    losses.mean_squared_error: MeanSquaredError,
    losses.mean_absolute_error: MeanAbsoluteError,
    losses.binary_crossentropy: BinaryCrossentropy,
    losses.categorical_crossentropy: CategoricalCrossentropy,
    losses.sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
}
_CLASSES: tuple[type[Metric], ...] = (*ENGINE_CLASSES, Mean, Sum)
ALL_OBJECTS: dict[str, type[Metric]] = {cls.__name__: cls for cls in _CLASSES}
ALL_OBJECTS |= {to_snake_case(cls.__name__): cls for cls in _CLASSES}
ALL_OBJECTS |= {"mse": MeanSquaredError, "MSE": MeanSquaredError, "mae": MeanAbsoluteError, "MAE": MeanAbsoluteError}
ALL_OBJECTS |= {"bce": BinaryCrossentropy, "BCE": BinaryCrossentropy}


def serialize(metric: Any) -> Any:
    """The nested form of a metric."""
    return serialization.serialize(metric)


def deserialize(config: Any) -> Any:
    """The metric a name or a nested form stands for."""
    return get(config)


def get(identifier: Any) -> Any:
    """The metric for a name, a configuration, a class, a function or an object; ``None`` stays ``None``.

    Raises:
        ValueError: for unknown names; the nearest one is named.
    """
    if isinstance(identifier, dict) and identifier.get("class_name") == "function":
        by_name = {function.__name__: function for function in FUNCTIONS}
        return serialization.deserialize(identifier, by_name, "metric")
    return serialization.get(identifier, ALL_OBJECTS, "metric")
