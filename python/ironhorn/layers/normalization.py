"""Normalizations by batch, by layer, by root mean square and by length.

``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with the mean and the variance of a batch, or of a sample.
"""

import warnings
from typing import Any

from .. import constraints, initializers, regularizers
from .base import Layer, Shape
from .weights import Weight


class _Affine(Layer):
    """What BatchNormalization and LayerNormalization share: ``gamma`` and ``beta``."""

    _records_build = True
    axis: Any

    def _take(
        self, epsilon: float, center: bool, scale: bool, beta: tuple[Any, Any, Any], gamma: tuple[Any, Any, Any]
    ) -> None:
        self.epsilon, self.center, self.scale = epsilon, bool(center), bool(scale)
        self.beta_initializer, self.gamma_initializer = initializers.get(beta[0]), initializers.get(gamma[0])
        self.beta_regularizer, self.gamma_regularizer = regularizers.get(beta[1]), regularizers.get(gamma[1])
        self.beta_constraint, self.gamma_constraint = constraints.get(beta[2]), constraints.get(gamma[2])

    def _initializers(self) -> dict[str, Any]:
        return {
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
        }

    def _rules(self) -> dict[str, Any]:
        return {
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


class BatchNormalization(_Affine):
    """Normalizes each feature by the batch while training, by moving averages otherwise.

    The averages move as ``moving = momentum * moving + (1 - momentum) * of_the_batch``, with the biased variance.
    ``trainable=False`` means inference.

    Args:
        axis: the axis of the features.
        momentum: the weight of the old average.
        epsilon: added to the variance.
        center, scale: whether there are ``beta`` and ``gamma``.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: what they start from.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: see ``Dense``.
        renorm, synchronized: only ``False``.
    """

    _takes_mask = True
    gamma = Weight("The factors, ``(features,)``; ``None`` without.", absent=True)
    beta = Weight("The offsets, ``(features,)``; ``None`` without.", absent=True)
    moving_mean = Weight("The moving average of the means, ``(features,)``.", absent=True)
    moving_variance = Weight("The moving average of the variances, ``(features,)``.", absent=True)

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        if synchronized:
            raise ValueError("Argument synchronized=True is only supported with the TensorFlow backend.")
        if renorm:
            raise NotImplementedError("BatchNormalization: `renorm=True` is not there yet.")
        self.axis = int(axis)
        self.momentum = float(momentum)
        beta = (beta_initializer, beta_regularizer, beta_constraint)
        gamma = (gamma_initializer, gamma_regularizer, gamma_constraint)
        self._take(float(epsilon), center, scale, beta, gamma)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm, self.renorm_clipping, self.renorm_momentum = False, renorm_clipping, renorm_momentum
        self.synchronized = False
        super().__init__(**kwargs)
        self._create()

    def _fixed_axes(self) -> dict[int, int]:
        return {self.axis: self.moving_mean.shape[0]} if self.built else {}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return (
            super().get_config()
            | {
                "axis": self.axis,
                "momentum": self.momentum,
                "epsilon": self.epsilon,
                "center": self.center,
                "scale": self.scale,
            }
            | self._initializers()
            | {
                "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
                "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            }
            | self._rules()
            | {
                "synchronized": False,
                "renorm": False,
                "renorm_clipping": self.renorm_clipping,
                "renorm_momentum": self.renorm_momentum,
            }
        )


def _axes(axis: Any, text: str) -> int | list[int]:
    """An integer or a list of integers."""
    many = isinstance(axis, (list, tuple))
    for one in axis if many else [axis]:
        if isinstance(one, bool) or not hasattr(one, "__index__"):
            raise TypeError(text)
    return [int(one) for one in axis] if many else int(axis)


def _check_axes(layer: Any, shape: Shape, text: str) -> None:
    for axis in layer.axis if isinstance(layer.axis, list) else [layer.axis]:
        if not -len(shape) <= axis < len(shape):
            raise ValueError(text.format(axis=axis, shape=shape, all=layer.axis))


_OUTSIDE = "Axis {axis} is out of bounds for input shape {shape}. Received: axis={all}"


class LayerNormalization(_Affine):
    """Normalizes each sample by its own mean and variance over ``axis``.

    Args:
        axis: an axis or a list of them.
        epsilon: added to the variance.
        center, scale: whether there are ``beta`` and ``gamma``.
        beta_initializer, gamma_initializer: what they start from.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: see ``Dense``.
        rms_scaling: ``gamma * x / sqrt(variance + epsilon)``; deprecated, and no RMSNormalization.

    Raises:
        TypeError: if ``axis`` holds no integers.
        ValueError: if the input has no such axis.
    """

    gamma = Weight("The factors, of the sizes of the axes; ``None`` without.", flag="scale")
    beta = Weight("The offsets, of the sizes of the axes; ``None`` without.", flag="center")

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        if rms_scaling:
            warnings.warn(
                "You passed `rms_scaling=True`, which is deprecated. This argument incorrectly scales the input by the "
                "variance, not the root mean square. Use RMSNormalization instead.",
                UserWarning,
                stacklevel=2,
            )
        words = f"Expected an int or a list/tuple of ints for the argument 'axis', but received: {axis!r}"
        self.axis = _axes(axis, words)
        beta = (beta_initializer, beta_regularizer, beta_constraint)
        gamma = (gamma_initializer, gamma_regularizer, gamma_constraint)
        self._take(epsilon, center, scale, beta, gamma)
        self.rms_scaling = bool(rms_scaling)
        super().__init__(**kwargs)
        self._create()

    def _build(self, shapes: list[Shape], seed: int, path: str) -> Any:
        output = super()._build(shapes, seed, path)
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]  # as Keras's build does
        return output

    def _check_shapes(self, shapes: list[Shape]) -> None:
        _check_axes(self, shapes[0], _OUTSIDE)
        super()._check_shapes(shapes)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "rms_scaling": self.rms_scaling,
        }
        return super().get_config() | config | self._initializers() | self._rules()


class RMSNormalization(Layer):
    """``x / sqrt(mean(x²) + epsilon) * scale`` over ``axis``.

    Args:
        axis: an axis or a list of them.
        epsilon: added to the mean of the squares.
    """

    _parameters = ("axis", "epsilon")
    _records_build = True
    scale = Weight("The factors, of the sizes of the axes.")

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        words = f"Expected an int or a list/tuple of ints for the argument 'axis', but received: {axis!r}"
        self.axis = _axes(axis, words)
        self.epsilon = epsilon
        super().__init__(**kwargs)
        self._create()

    def _build(self, shapes: list[Shape], seed: int, path: str) -> Any:
        output = super()._build(shapes, seed, path)
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]
        return output

    def _check_shapes(self, shapes: list[Shape]) -> None:
        _check_axes(self, shapes[0], _OUTSIDE)
        super()._check_shapes(shapes)


class UnitNormalization(Layer):
    """Scales each sample to length 1 over ``axis``.

    Args:
        axis: an axis or a list of them.
    """

    _built_at_once = True
    _parameters = ("axis",)

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        words = f"Invalid value for `axis` argument: expected an int or a list/tuple of ints. Received: axis={axis}"
        self.axis = _axes(axis, words)
        super().__init__(**kwargs)
        self._create()

    def _check_shapes(self, shapes: list[Shape]) -> None:
        _check_axes(self, shapes[0], "Axis {all} is out of bounds for input shape {shape}.")
        super()._check_shapes(shapes)
