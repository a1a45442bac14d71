"""Initializers that draw."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import _core, random, serialization
from .base import Native, compute_fans, standardize


class RandomInitializer(Native):
    """Base class of the drawn ones.

    Args:
        seed: an integer; ``None``, which draws one; or a ``SeedGenerator``, ours or Keras's.
    """

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, Mapping):
            seed = serialization.deserialize(seed, {"SeedGenerator": random.SeedGenerator}, "seed")
        self.seed: Any = seed if hasattr(seed, "next") else serialization.check_seed(seed, type(self).__name__)
        self._drawn: int | None = None

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> NDArray[Any]:
        """Draws an array, in float32.

        Args:
            shape: the shape of the array.
            dtype: the floating type that the numbers are converted to.

        Raises:
            ValueError: if the shape or the dtype does not suit the initializer.
        """
        name = type(self).__name__
        if standardize(shape, dtype, name)[1].kind != "f":
            raise ValueError(f"{name}: `dtype` must be a floating type. Received: dtype={dtype!r}")
        return super().__call__(shape, dtype)

    def _draw_seed(self) -> int:
        if hasattr(self.seed, "next"):
            seed, count = (int(part) for part in np.asarray(self.seed.next()))
            return seed % 2**32 | count % 2**32 << 32
        if self.seed is not None:
            return int(self.seed)
        if self._drawn is None:
            self._drawn = _core.next_seed()
        return self._drawn

    def engine_draws(self) -> bool:
        return super().engine_draws() and not hasattr(self.seed, "next")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seed": serialization.serialize(self.seed), **super().get_config()}


class RandomNormal(RandomInitializer):
    """Normal numbers."""

    _parameters = ("mean", "stddev")

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev


class TruncatedNormal(RandomNormal):
    """Normal numbers, drawn again where they are more than two standard deviations from the mean."""


class RandomUniform(RandomInitializer):
    """Uniform numbers in ``[minval, maxval)``."""

    _parameters = ("minval", "maxval")

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval


class Orthogonal(RandomInitializer):
    """A random orthogonal matrix, times ``gain``; of more than two axes, all but the last count as one."""

    _parameters = ("gain",)

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def _draw(self, shape: tuple[int, ...]) -> NDArray[Any]:
        if len(shape) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        return super()._draw(shape)


class VarianceScaling(RandomInitializer):
    """Numbers of variance ``scale / n``, where ``mode`` says which fan n is.

    Args:
        scale: a number above 0.
        mode: ``"fan_in"``, ``"fan_out"`` or their mean, ``"fan_avg"``.
        distribution: ``"truncated_normal"`` (or ``"normal"``), ``"untruncated_normal"`` or ``"uniform"``.
        seed: an integer, ``None`` or a ``SeedGenerator``.
        input_axes: with ``output_axes``, the axes whose sizes are multiplied to the fan in; else the last but one
            times all in front of it.
        output_axes: those of the fan out; else the last, times all in front of ``input_axes``.

    Raises:
        ValueError: if ``scale`` is not positive, or ``mode`` or ``distribution`` unknown.
    """

    _parameters: ClassVar[tuple[str, ...]] = ("scale", "mode", "distribution", "input_axes", "output_axes")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
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
        super().__init__(seed)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = None if input_axes is None else list(input_axes)
        self.output_axes = None if output_axes is None else list(output_axes)

    def _draw(self, shape: tuple[int, ...]) -> NDArray[Any]:
        if self._engine_fans():
            return super()._draw(shape)
        # Element i is a function of the i-th draw: as one row, whose fan in is 1, the numbers are the same but for the
        # scale.
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        form = {"scale": self.scale / max(n, 1), "mode": "fan_in", "distribution": self.distribution}
        text = serialization.to_text({"class_name": "VarianceScaling", "config": form})
        return _core.initialize(text, (1, math.prod(shape)), self._draw_seed()).reshape(shape)

    def _engine_fans(self) -> bool:
        return self.input_axes is None or self.output_axes is None

    def engine_draws(self) -> bool:
        return super().engine_draws() and self._engine_fans()


class _Scaled(VarianceScaling):
    """A variance scaling with its numbers fixed."""

    _parameters = ("input_axes", "output_axes")
    _fixed: ClassVar[tuple[float, str, str]]

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
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
