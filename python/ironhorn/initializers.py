"""Initializers: what a layer's weights start from, each callable as ``initializer(shape)`` → float32 array.

An initializer gives the same numbers at every call; with ``seed=None`` its seed is drawn at the first.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from . import _core, serialization
from .naming import to_snake_case


class Initializer:
    """Base class. Subclasses name their parameters in ``_parameters``; the engine draws the numbers."""

    _keras_module = "keras.initializers"
    _parameters: ClassVar[tuple[str, ...]] = ()

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> NDArray[np.float32]:
        """Draws an array.

        Args:
            shape: the shape of the array.
            dtype: ``None`` or ``"float32"``.

        Raises:
            ValueError: if the shape does not suit the initializer.
        """
        serialization.standardize_dtype(dtype, type(self).__name__)
        return _core.initialize(serialization.to_text(serialization.serialize(self)), tuple(shape), self._draw_seed())

    def _draw_seed(self) -> int:
        return 0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in self._parameters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds an initializer from ``get_config``'s result."""
        return cls(**config)

    def clone(self) -> Self:
        """A new one with the same configuration."""
        return type(self).from_config(self.get_config())


class RandomInitializer(Initializer):
    """Base class of the drawn ones, with a ``seed``."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = serialization.check_seed(seed, type(self).__name__)
        self._drawn: int | None = None

    def _draw_seed(self) -> int:
        if self.seed is not None:
            return self.seed
        if self._drawn is None:
            self._drawn = _core.next_seed()
        return self._drawn

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seed": self.seed, **super().get_config()}


class Zeros(Initializer):
    """Zeros."""


class Ones(Initializer):
    """Ones."""


class Constant(Initializer):
    """One value everywhere."""

    _parameters = ("value",)

    def __init__(self, value: float = 0.0) -> None:
        self.value = value


class Identity(Initializer):
    """``gain`` on the diagonal of a matrix, 0 elsewhere."""

    _parameters = ("gain",)

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain


class RandomNormal(RandomInitializer):
    """Normal numbers."""

    _parameters = ("mean", "stddev")

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev


class TruncatedNormal(RandomNormal):
    """Normal numbers, drawn again where they are more than two standard deviations from the mean."""


class RandomUniform(RandomInitializer):
    """Uniform numbers in ``[minval, maxval)``."""

    _parameters = ("minval", "maxval")

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval


class Orthogonal(RandomInitializer):
    """A random orthogonal matrix, times ``gain``."""

    _parameters = ("gain",)

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain


class VarianceScaling(RandomInitializer):
    """Numbers of variance ``scale / n``, where ``mode`` says which fan n is.

    Raises:
        ValueError: if ``scale`` is not positive, or ``mode`` or ``distribution`` unknown.
    """

    _parameters: ClassVar[tuple[str, ...]] = ("scale", "mode", "distribution", "input_axes", "output_axes")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        if not scale > 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"Invalid `mode` argument: expected fan_in, fan_out or fan_avg. Received: mode={mode}")
        distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in ("uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(
                "Invalid `distribution` argument: expected uniform, truncated_normal or untruncated_normal. "
                f"Received: distribution={distribution}"
            )
        if input_axes is not None or output_axes is not None:
            raise ValueError("`input_axes` and `output_axes` are for kernels of more than two axes; Dense has two.")
        super().__init__(seed)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = self.output_axes = None


class _Scaled(VarianceScaling):
    """A variance scaling with its numbers fixed."""

    _parameters = ("input_axes", "output_axes")
    _fixed: ClassVar[tuple[float, str, str]]

    def __init__(self, seed: int | None = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(*self._fixed, seed=seed, input_axes=input_axes, output_axes=output_axes)


class GlorotUniform(_Scaled):
    """Uniform within ``sqrt(6 / (fan_in + fan_out))``."""

    _fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal of standard deviation ``sqrt(2 / (fan_in + fan_out))``."""

    _fixed = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform within ``sqrt(6 / fan_in)``."""

    _fixed = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal of standard deviation ``sqrt(2 / fan_in)``."""

    _fixed = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform within ``sqrt(3 / fan_in)``."""

    _fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal of standard deviation ``sqrt(1 / fan_in)``."""

    _fixed = (1.0, "fan_in", "truncated_normal")


_CLASSES: tuple[type[Initializer], ...] = (
    Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, LecunNormal, LecunUniform, Ones, Orthogonal,
    RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Zeros,
)  # fmt: skip
ALL_OBJECTS: dict[str, type[Initializer]] = {cls.__name__: cls for cls in _CLASSES}
ALL_OBJECTS |= {to_snake_case(cls.__name__): cls for cls in _CLASSES}
ALL_OBJECTS |= {
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
    "normal": RandomNormal,
    "uniform": RandomUniform,
    "one": Ones,
    "zero": Zeros,
}


def serialize(initializer: Initializer) -> Any:
    """The nested form of an initializer."""
    return serialization.serialize(initializer)


def deserialize(config: Mapping[str, Any] | str) -> Initializer:
    """The initializer a name or a nested form stands for."""
    return get(config)


def get(identifier: Any) -> Initializer:
    """The initializer for a name, a configuration, a class or an object.

    Raises:
        ValueError: for unknown names (the nearest one is named).
        TypeError: for functions and arrays: the engine draws the numbers, ``set_weights`` sets given ones.
    """
    obj = serialization.get(identifier, ALL_OBJECTS, "initializer")
    if not isinstance(obj, Initializer):
        raise TypeError(
            "An initializer is a name or an object of ironhorn.initializers; use `set_weights` for given numbers. "
            f"Received: {identifier!r}"
        )
    return obj
