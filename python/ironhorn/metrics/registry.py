"""The metrics by name."""

from typing import Any

from .. import losses, serialization
from ..naming import to_snake_case
from .accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from .base import Metric
from .confusion import FalseNegatives, FalsePositives, Precision, Recall, TrueNegatives, TruePositives
from .correlation import ConcordanceCorrelation, PearsonCorrelation, concordance_correlation, pearson_correlation
from .curves import AUC, PrecisionAtRecall, RecallAtPrecision, SensitivityAtSpecificity, SpecificityAtSensitivity
from .f_score import F1Score, FBetaScore
from .iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from .margin import CategoricalHinge, Hinge, SquaredHinge
from .probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
)
from .reduction import Mean, MeanMetricWrapper, Sum
from .regression import (
    CosineSimilarity,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    R2Score,
    RootMeanSquaredError,
    cosine_similarity,
)

ENGINE_CLASSES: tuple[type[Metric], ...] = (
    Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy, FalsePositives, FalseNegatives, TrueNegatives, TruePositives, Precision, Recall, AUC,
    SensitivityAtSpecificity, SpecificityAtSensitivity, PrecisionAtRecall, RecallAtPrecision, F1Score, FBetaScore,
    ConcordanceCorrelation, PearsonCorrelation, Hinge, SquaredHinge, CategoricalHinge, BinaryIoU, IoU, MeanIoU,
    OneHotIoU, OneHotMeanIoU, BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy, KLDivergence,
    Poisson, MeanSquaredError, RootMeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    CosineSimilarity, LogCoshError, R2Score,
)  # fmt: skip
FUNCTIONS: dict[Any, type[Metric]] = {
    accuracy: Accuracy,
    binary_accuracy: BinaryAccuracy,
    categorical_accuracy: CategoricalAccuracy,
    sparse_categorical_accuracy: SparseCategoricalAccuracy,
    top_k_categorical_accuracy: TopKCategoricalAccuracy,
    sparse_top_k_categorical_accuracy: SparseTopKCategoricalAccuracy,
    pearson_correlation: PearsonCorrelation,
    concordance_correlation: ConcordanceCorrelation,
    cosine_similarity: CosineSimilarity,
    losses.mean_squared_error: MeanSquaredError,
    losses.mean_absolute_error: MeanAbsoluteError,
    losses.mean_absolute_percentage_error: MeanAbsolutePercentageError,
    losses.mean_squared_logarithmic_error: MeanSquaredLogarithmicError,
    losses.log_cosh: LogCoshError,
    losses.kl_divergence: KLDivergence,
    losses.poisson: Poisson,
    losses.binary_crossentropy: BinaryCrossentropy,
    losses.categorical_crossentropy: CategoricalCrossentropy,
    losses.sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    losses.hinge: Hinge,
    losses.squared_hinge: SquaredHinge,
    losses.categorical_hinge: CategoricalHinge,
}
_CLASSES: tuple[type[Metric], ...] = (*ENGINE_CLASSES, Mean, Sum)
ALL_OBJECTS: dict[str, type[Metric]] = {cls.__name__: cls for cls in _CLASSES}
ALL_OBJECTS |= {to_snake_case(cls.__name__): cls for cls in _CLASSES}
ALL_OBJECTS |= {"mse": MeanSquaredError, "MSE": MeanSquaredError, "mae": MeanAbsoluteError, "MAE": MeanAbsoluteError}
ALL_OBJECTS |= {"mape": MeanAbsolutePercentageError, "MAPE": MeanAbsolutePercentageError}
ALL_OBJECTS |= {"msle": MeanSquaredLogarithmicError, "MSLE": MeanSquaredLogarithmicError}
ALL_OBJECTS |= {"bce": BinaryCrossentropy, "BCE": BinaryCrossentropy}


def serialize(metric: Any) -> Any:
    """The nested form of a metric."""
    return serialization.serialize(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The metric a name or a nested form stands for; ``custom_objects`` are more classes and functions by name."""
    return _from_name(config, {**ALL_OBJECTS, **(custom_objects or {})})


def get(identifier: Any) -> Any:
    """The metric for a name, a configuration, a class, a function or an object; ``None`` stays ``None``.

    Raises:
        ValueError: for unknown names; the nearest one is named.
    """
    return _from_name(identifier, ALL_OBJECTS)


def _from_name(identifier: Any, classes: dict[str, Any]) -> Any:
    if isinstance(identifier, dict) and identifier.get("class_name") == "function":
        by_name = {**classes, **{function.__name__: function for function in FUNCTIONS}}
        return serialization.deserialize(identifier, by_name, "metric")
    if isinstance(identifier, dict) and identifier.get("class_name") == "MeanMetricWrapper":
        classes = {**classes, "MeanMetricWrapper": MeanMetricWrapper}
    return serialization.get(identifier, classes, "metric")
