"""Losses of distributions: crossentropies, focal ones, divergence, Poisson."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..ops.symbol import Symbol
from .base import Array, EngineLoss, evaluate, integer_axis, smoothing


class _Categorical(EngineLoss):
    _broadcasts = False
    axis: int

    def _rows(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Array:
        if y_pred.ndim and y_pred.shape[self.axis] == 1:
            warnings.warn(
                f"In loss {self.name}, expected y_pred.shape to be (batch_size, num_classes) with num_classes > 1. "
                f"Received: y_pred.shape={y_pred.shape}. "
                "Consider using 'binary_crossentropy' if you only have 2 classes.",
                SyntaxWarning,
                stacklevel=2,
            )
        return super()._rows(y_true, y_pred)


class BinaryCrossentropy(EngineLoss):
    """``-mean(y log p + (1 - y) log(1 - p))``.

    Args:
        from_logits: whether predictions are logits; else probabilities, clipped to [1e-7, 1 - 1e-7].
        label_smoothing: in [0, 1]; moves targets towards 0.5.
        axis: the axis of the mean; to train with, -1.
    """

    _broadcasts = False
    _parameters = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = bool(from_logits)
        self.label_smoothing = smoothing(label_smoothing, type(self).__name__)
        self.axis = integer_axis(axis, type(self).__name__)


class BinaryFocalCrossentropy(EngineLoss):
    """``mean((1 - p_t)**gamma * B)`` for the binary crossentropy ``B``, ``p_t = y p + (1 - y)(1 - p)``.

    Args:
        apply_class_balancing: whether the terms are weighted: ``alpha`` for class 1, ``1 - alpha`` for 0.
        alpha: that weight.
        gamma: how much less easy elements count.
        from_logits: whether predictions are logits; else probabilities, clipped to [1e-7, 1 - 1e-7].
        label_smoothing: in [0, 1]; moves targets towards 0.5.
        axis: the axis of the mean; to train with, -1.
    """

    _broadcasts = False
    _parameters = ("apply_class_balancing", "alpha", "gamma", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.apply_class_balancing = bool(apply_class_balancing)
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = bool(from_logits)
        self.label_smoothing = smoothing(label_smoothing, type(self).__name__)
        self.axis = integer_axis(axis, type(self).__name__)


class CategoricalCrossentropy(_Categorical):
    """``-sum(y log p)`` for one-hot targets.

    Args:
        from_logits: whether predictions are logits; else probabilities, renormalised and clipped.
        label_smoothing: in [0, 1]; moves targets towards the uniform distribution.
        axis: the axis of the classes; to train with, -1.
    """

    _parameters = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = bool(from_logits)
        self.label_smoothing = smoothing(label_smoothing, type(self).__name__)
        self.axis = integer_axis(axis, type(self).__name__)


class CategoricalFocalCrossentropy(_Categorical):
    """``-sum(alpha y (1 - p)**gamma log p)`` for one-hot targets.

    Args:
        alpha: the weight of the classes: one, or a list of one for each.
        gamma: how much less easy rows count.
        from_logits: whether predictions are logits; else probabilities, renormalised and clipped.
        label_smoothing: in [0, 1]; moves targets towards the uniform distribution.
        axis: the axis of the classes; to train with, -1.
    """

    _parameters = ("alpha", "gamma", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        alpha: float | list[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = bool(from_logits)
        self.label_smoothing = smoothing(label_smoothing, type(self).__name__)
        self.axis = integer_axis(axis, type(self).__name__)


class SparseCategoricalCrossentropy(EngineLoss):
    """``-log p[y]`` for class indices.

    Args:
        from_logits: whether predictions are logits; else probabilities.
        ignore_class: a class index that counts nowhere.
        axis: the axis of the classes; to train with, -1.
    """

    _parameters = ("from_logits", "ignore_class")
    _sparse = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = bool(from_logits)
        self.ignore_class = ignore_class
        self.axis = integer_axis(axis, type(self).__name__)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the axis only where it is another than Keras's."""
        return super().get_config() | ({} if self.axis == -1 else {"axis": self.axis})

    def _mask(self, y_true: NDArray[Any], y_pred: NDArray[Any], values: Array) -> NDArray[np.bool_] | None:
        if self.ignore_class is None:
            return None
        return np.reshape(y_true != self.ignore_class, values.shape)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses by row; 0 where the class is ignored."""
        if isinstance(y_pred, Symbol):
            return super().call(y_true, y_pred)
        if self.axis != -1:
            if y_true.ndim == y_pred.ndim:
                y_true = np.moveaxis(y_true, self.axis, -1)
            y_pred = np.moveaxis(y_pred, self.axis, -1)
        plain = SparseCategoricalCrossentropy(self.from_logits, reduction=None)
        if self.ignore_class is None:
            return plain._rows(y_true, y_pred)
        kept = y_true != self.ignore_class
        values = plain._rows(np.where(kept, y_true, np.zeros((), y_true.dtype)), y_pred)
        return np.where(kept.reshape(values.shape), values, np.float32(0))


class CategoricalGeneralizedCrossEntropy(EngineLoss):
    """``(1 - p[y]**q) / q`` for class indices: robust to wrong labels.

    Args:
        q: between 0 (crossentropy) and 1 (absolute error), both excluded.

    Raises:
        ValueError: for another ``q``.
    """

    _parameters = ("q",)
    _sparse = True

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError(f"q must be in the interval (0, 1). Received: q={q}")
        super().__init__(name, reduction, dtype)
        self.q = q


class KLDivergence(EngineLoss):
    """``sum(y log(y / p))``, both clipped to [1e-7, 1]."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class Poisson(EngineLoss):
    """``mean(p - y log(p + 1e-7))``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


def binary_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Array:
    """The binary crossentropy by row, float32. See ``BinaryCrossentropy``."""
    return evaluate(
        BinaryCrossentropy(from_logits=from_logits, label_smoothing=label_smoothing, axis=axis, reduction=None),
        y_true,
        y_pred,
    )


def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """The binary focal crossentropy by row, float32. See ``BinaryFocalCrossentropy``."""
    return evaluate(
        BinaryFocalCrossentropy(
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
            reduction=None,
        ),
        y_true,
        y_pred,
    )


def categorical_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Array:
    """The categorical crossentropy by row, float32. See ``CategoricalCrossentropy``."""
    return evaluate(
        CategoricalCrossentropy(from_logits=from_logits, label_smoothing=label_smoothing, axis=axis, reduction=None),
        y_true,
        y_pred,
    )


def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float | list[float] = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """The categorical focal crossentropy by row, float32. See ``CategoricalFocalCrossentropy``."""
    return evaluate(
        CategoricalFocalCrossentropy(
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
            reduction=None,
        ),
        y_true,
        y_pred,
    )


def sparse_categorical_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Array:
    """The crossentropy for class indices by row, float32. See ``SparseCategoricalCrossentropy``."""
    return evaluate(
        SparseCategoricalCrossentropy(from_logits=from_logits, ignore_class=ignore_class, axis=axis, reduction=None),
        y_true,
        y_pred,
    )


def categorical_generalized_cross_entropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    q: float = 0.5,
) -> Array:
    """The generalized crossentropy by row, float32. See ``CategoricalGeneralizedCrossEntropy``."""
    loss = CategoricalGeneralizedCrossEntropy(q=q, reduction=None)
    return evaluate(loss, y_true, y_pred)


def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """``sum(y log(y / p), axis=-1)``, float32. See ``KLDivergence``."""
    return evaluate(KLDivergence(reduction=None), y_true, y_pred)


def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """``mean(p - y log(p + 1e-7), axis=-1)``, float32."""
    return evaluate(Poisson(reduction=None), y_true, y_pred)
