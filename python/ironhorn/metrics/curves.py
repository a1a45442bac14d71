"""Areas under curves over thresholds, and best points on them. Source: keras/src/metrics/confusion_metrics.py."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .confusion import ThresholdMetric
from .engine import Rows
from .metrics_utils import AUCCurve, AUCSummationMethod
from .variable import Variable


class AUC(ThresholdMetric):
    """The area under a curve through the points of many thresholds: recall over the rate of false positives
    (``"ROC"``), precision over recall (``"PR"``), or their gains (``"PRGAIN"``).

    >>> m = AUC(num_thresholds=3)
    >>> m.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    >>> m.result()
    0.75

    Args:
        num_thresholds: thresholds that divide [0, 1] evenly; at least 2.
        curve: ``"ROC"``, ``"PR"`` or ``"PRGAIN"``.
        summation_method: the curve's height between two points: ``"interpolation"``, ``"majoring"`` (the larger) or
            ``"minoring"``.
        name: a name.
        dtype: of the result.
        thresholds: thresholds in [0, 1] to use instead; the ends are added.
        multi_label: whether each column is a label with an area of its own, which are then averaged.
        num_labels: the number of columns, with ``multi_label``; the state is then there before the first batch.
        label_weights: one a column, of the average or, without ``multi_label``, of the counts.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for unknown names, too few thresholds, or ``num_labels`` without ``multi_label``.
    """

    is_native = True
    _direction = "up"
    true_positives: Variable
    false_positives: Variable
    true_negatives: Variable
    false_negatives: Variable

    def __init__(
        self,
        num_thresholds: int | None = 200,
        curve: str | AUCCurve = "ROC",
        summation_method: str | AUCSummationMethod = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: ArrayLike | None = None,
        from_logits: bool = False,
    ) -> None:
        self._init_from_thresholds = thresholds is not None
        if thresholds is not None:
            inner = sorted(float(t) for t in thresholds)
        elif num_thresholds is None or num_thresholds <= 1:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={num_thresholds}"
            )
        else:
            inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        if num_labels and not multi_label:
            raise ValueError("`num_labels` is needed only when `multi_label` is True.")
        self.num_thresholds = len(inner) + 2
        self._thresholds = np.array([-1e-7, *inner, 1 + 1e-7])
        self.curve = curve if isinstance(curve, AUCCurve) else AUCCurve.from_str(curve)
        if not isinstance(summation_method, AUCSummationMethod):
            summation_method = AUCSummationMethod.from_str(summation_method)
        self.summation_method = summation_method
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights, np.float32)
        self._from_logits = from_logits
        super().__init__(name, dtype, columns=num_labels if multi_label else None)

    @property
    def thresholds(self) -> list[float]:
        """The thresholds, with the ends a little below 0 and above 1."""
        return list(self._thresholds)

    def _config(self) -> dict[str, Any]:
        weights = self.label_weights
        config = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve.value,
            "summation_method": self.summation_method.value,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if weights is None else [float(weight) for weight in weights],
            "from_logits": self._from_logits,
        }
        return {**config, "thresholds": self.thresholds[1:-1]} if self._init_from_thresholds else config

    def _form(self) -> dict[str, Any]:
        return {"class_name": "AUC", "config": self._config()}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **self._config()}

    def _rows(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None) -> Rows:
        if self.multi_label and np.ndim(y_pred) != 2:
            raise ValueError(
                f"`y_pred` must have rank 2 when `multi_label=True`. Found rank {np.ndim(y_pred)}. Full shape received "
                f"for `y_pred`: {np.shape(y_pred)}"
            )
        return super()._rows(y_true, y_pred, sample_weight)


class _BestPoint(ThresholdMetric):
    """The best of one rate where another is at least a value."""

    _direction = "up"
    _condition: ClassVar[str]
    true_positives: Variable
    false_positives: Variable
    true_negatives: Variable
    false_negatives: Variable

    def __init__(self, value: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        if not 0 <= value <= 1:
            raise ValueError(
                f"Argument `{self._condition}` must be in the range [0, 1]. Received: {self._condition}={value}"
            )
        if num_thresholds <= 0:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={num_thresholds}"
            )
        self.value = value
        setattr(self, self._condition, value)
        self.class_id = class_id
        self.num_thresholds = num_thresholds
        last = num_thresholds - 1
        self.thresholds = [i / last for i in range(num_thresholds)] if last else [0.5]
        super().__init__(name, dtype)

    def _config(self) -> dict[str, Any]:
        return {self._condition: self.value, "num_thresholds": self.num_thresholds, "class_id": self.class_id}

    def _form(self) -> dict[str, Any]:
        return {"class_name": type(self).__name__, "config": self._config()}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **self._config()}


class SensitivityAtSpecificity(_BestPoint):
    """The best sensitivity, TP/(TP + FN), where specificity is at least a value.

    Args:
        specificity: in [0, 1].
        num_thresholds: thresholds that divide [0, 1] evenly.
        class_id: only this column counts.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for a value outside of [0, 1], or no thresholds.
    """

    is_native = True
    _condition = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(_BestPoint):
    """The best specificity, TN/(TN + FP), where sensitivity is at least a value.

    Args:
        sensitivity: in [0, 1].
        num_thresholds: thresholds that divide [0, 1] evenly.
        class_id: only this column counts.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for a value outside of [0, 1], or no thresholds.
    """

    is_native = True
    _condition = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)


class PrecisionAtRecall(_BestPoint):
    """The best precision where recall is at least a value.

    Args:
        recall: in [0, 1].
        num_thresholds: thresholds that divide [0, 1] evenly.
        class_id: only this column counts.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for a value outside of [0, 1], or no thresholds.
    """

    is_native = True
    _condition = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(_BestPoint):
    """The best recall where precision is at least a value.

    Args:
        precision: in [0, 1].
        num_thresholds: thresholds that divide [0, 1] evenly.
        class_id: only this column counts.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for a value outside of [0, 1], or no thresholds.
    """

    is_native = True
    _condition = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)
