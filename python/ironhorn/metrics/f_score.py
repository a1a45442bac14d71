"""F-scores. Source: keras/src/metrics/f_score_metrics.py."""

from typing import Any, ClassVar

from numpy.typing import ArrayLike

from .accuracy import in_single
from .engine import EngineMetric, Rows
from .variable import Variable


class FBetaScore(EngineMetric):
    """``(1 + beta**2) * precision * recall / (beta**2 * precision + recall)`` of each class.

    Args:
        average: ``None`` gives a score a class; ``"micro"`` one of all counts together; ``"macro"`` the mean;
            ``"weighted"`` the mean, weighted by how often the class is there.
        beta: how much more recall weighs than precision; a float above 0.
        threshold: predictions above it are positive, a float in (0, 1]; without one, each row's largest is.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for other arguments; from ``update_state`` for inputs that are not ``(batch, classes)``.
    """

    is_native = True
    _parameters: ClassVar[tuple[str, ...]] = ("average", "beta", "threshold")
    _direction = "up"
    true_positives: Variable
    false_positives: Variable
    false_negatives: Variable
    intermediate_weights: Variable

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                "Invalid `average` argument value. Expected one of: {None, 'micro', 'macro', 'weighted'}. "
                f"Received: average={average}"
            )
        if not isinstance(beta, float):
            raise ValueError(
                "Invalid `beta` argument value. It should be a Python float. "
                f"Received: beta={beta} of type '{type(beta)}'"
            )
        if beta <= 0.0:
            raise ValueError(f"Invalid `beta` argument value. It should be > 0. Received: beta={beta}")
        if threshold is not None:
            if not isinstance(threshold, float):
                raise ValueError(
                    "Invalid `threshold` argument value. It should be a Python float. "
                    f"Received: threshold={threshold} of type '{type(threshold)}'"
                )
            if threshold > 1.0 or threshold <= 0.0:
                raise ValueError(
                    "Invalid `threshold` argument value. It should verify 0 < threshold <= 1. "
                    f"Received: threshold={threshold}"
                )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        super().__init__(name, dtype)

    def _is_array(self) -> bool:
        return self.average is None

    def _rows(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None) -> Rows:
        true, pred = in_single(y_true, "y_true"), in_single(y_pred, "y_pred")
        if self._columns is not None and self.average != "micro" and pred.shape[1:] != (self._columns,):
            raise ValueError(
                f"{type(self).__name__}: expected `y_pred` with {self._columns} classes, as before. "
                f"Received: shape {pred.shape}"
            )
        return self._matrices(true, pred, sample_weight)


class F1Score(FBetaScore):
    """``2 * precision * recall / (precision + recall)`` of each class.

    Args:
        average: ``None`` gives a score a class; ``"micro"`` one of all counts together; ``"macro"`` the mean;
            ``"weighted"`` the mean, weighted by how often the class is there.
        threshold: predictions above it are positive, a float in (0, 1]; without one, each row's largest is.
        name: a name.
        dtype: of the result.

    Raises:
        ValueError: for other arguments; from ``update_state`` for inputs that are not ``(batch, classes)``.
    """

    is_native = True
    _parameters = ("average", "threshold")

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
