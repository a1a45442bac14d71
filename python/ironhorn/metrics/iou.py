"""Intersections over unions of classes and predicted classes. Source: keras/src/metrics/iou_metrics.py."""

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..losses.base import numbers
from .engine import EngineMetric, Rows
from .variable import Variable


class _Overlap(EngineMetric):
    """Base of the family: targets and predictions become class ids, counted in a confusion matrix."""

    _attributes: ClassVar[dict[str, str]] = {"total_confusion_matrix": "total_cm"}
    _direction = "up"
    total_cm: Variable

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None,
        dtype: Any,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        ids = list(target_class_ids)
        if max(ids) >= num_classes:
            raise ValueError(f"Target class id {max(ids)} is out of range, which is [0, {num_classes}).")
        self.num_classes = num_classes
        self.target_class_ids = ids
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        # Integer by default, as in Keras: weights are then cut to integers.
        super().__init__(name, dtype or "int")

    def _form(self) -> dict[str, Any]:
        names = ("num_classes", "target_class_ids", "ignore_class")
        return {"class_name": "IoU", "config": {name: getattr(self, name) for name in names}}

    def _ids(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        true, pred = numbers(y_true, "y_true"), numbers(y_pred, "y_pred")
        true = true if self.sparse_y_true else true.argmax(self.axis)
        return true.astype(self.dtype), (pred if self.sparse_y_pred else pred.argmax(self.axis)).astype(self.dtype)

    def _rows(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None) -> Rows:
        true, pred = self._ids(y_true, y_pred)
        weights = None
        if sample_weight is not None:
            given = numbers(sample_weight, "sample_weight")
            is_float = getattr(getattr(sample_weight, "dtype", None), "kind", "") == "f"
            if is_float and np.dtype(self.dtype).kind == "i":
                warnings.warn(
                    "You are passing weight as `float`, but dtype is `int`. This may result in an incorrect weight due "
                    "to type casting Consider using integer weights.",
                    stacklevel=4,
                )
            given = given.astype(self.dtype)
            weights = np.broadcast_to(given.reshape(-1) if given.ndim > 1 else given, (true.size,))
        return true.reshape(-1, 1), pred.reshape(-1, 1), weights


class IoU(_Overlap):
    """The mean over some classes of TP/(TP + FP + FN); classes that are nowhere are left out.

    >>> m = IoU(num_classes=2, target_class_ids=[0])
    >>> m.update_state([0, 0, 1, 1], [0, 1, 0, 1])
    >>> m.result()
    0.33333334

    Args:
        num_classes: the number of classes.
        target_class_ids: the classes that are averaged.
        name: a name.
        dtype: of the weights; an integer type, which is the default, cuts them to integers.
        ignore_class: a class whose targets count nowhere.
        sparse_y_true: whether targets are class ids instead of a number a class.
        sparse_y_pred: whether predictions are.
        axis: of the classes, where they are not sparse; in ``compile`` it must be -1.

    Raises:
        ValueError: for a class that is none.
    """

    is_native = True
    _parameters = ("num_classes", "target_class_ids", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class BinaryIoU(_Overlap):
    """``IoU`` of two classes, class 1 being the predictions from ``threshold`` on.

    Args:
        target_class_ids: the classes that are averaged.
        threshold: where class 1 begins.
        name: a name.
        dtype: of the weights; an integer type, which is the default, cuts them to integers.

    Raises:
        ValueError: for a class that is none.
    """

    is_native = True
    _parameters = ("target_class_ids", "threshold")

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.threshold = threshold
        super().__init__(2, target_class_ids, name, dtype)

    def _form(self) -> dict[str, Any]:
        config = {"target_class_ids": self.target_class_ids, "threshold": self.threshold}
        return {"class_name": "BinaryIoU", "config": config}

    def _ids(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        # The engine compares with the threshold.
        return numbers(y_true, "y_true").astype(self.dtype), numbers(y_pred, "y_pred").astype(np.float32)


class MeanIoU(_Overlap):
    """``IoU`` of all classes.

    >>> m = MeanIoU(num_classes=2)
    >>> m.update_state([0, 0, 1, 1], [0, 1, 0, 1])
    >>> m.result()
    0.33333334

    Args:
        num_classes: the number of classes.
        name: a name.
        dtype: of the weights; an integer type, which is the default, cuts them to integers.
        ignore_class: a class whose targets count nowhere.
        sparse_y_true: whether targets are class ids instead of a number a class.
        sparse_y_pred: whether predictions are.
        axis: of the classes, where they are not sparse; in ``compile`` it must be -1.
    """

    is_native = True
    _parameters = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(_Overlap):
    """``IoU`` of one-hot targets.

    Args:
        num_classes: the number of classes.
        target_class_ids: the classes that are averaged.
        name: a name.
        dtype: of the weights; an integer type, which is the default, cuts them to integers.
        ignore_class: a class whose targets count nowhere.
        sparse_y_pred: whether predictions are class ids instead of a number a class.
        axis: of the classes; in ``compile`` it must be -1.

    Raises:
        ValueError: for a class that is none.
    """

    is_native = True
    _parameters = ("num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(_Overlap):
    """``MeanIoU`` of one-hot targets.

    Args:
        num_classes: the number of classes.
        name: a name.
        dtype: of the weights; an integer type, which is the default, cuts them to integers.
        ignore_class: a class whose targets count nowhere.
        sparse_y_pred: whether predictions are class ids instead of a number a class.
        axis: of the classes; in ``compile`` it must be -1.
    """

    is_native = True
    _parameters = ("num_classes", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, False, sparse_y_pred, axis)
