"""Layers that act while training only, and leave their input as it is otherwise: noise, and a penalty."""

from typing import Any

from .. import regularizers, serialization
from .base import Layer


def _share(argument: str, value: Any) -> Any:
    """A number in [0, 1]."""
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__") or not 0 <= float(value) <= 1:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a float value between 0 and 1. "
            f"Received: {argument}={value}"
        )
    return value


class Dropout(Layer):
    """Sets inputs to 0 with probability ``rate`` while training, and scales the others by ``1 / (1 - rate)``.

    Args:
        rate: in [0, 1].
        noise_shape: the shape of the mask, batch included, with 1 for axes that share it; ``None`` entries are the
            input's sizes.
        seed: an integer fixes the masks of this layer whatever the model's seed.

    Raises:
        ValueError: if ``rate`` is outside of [0, 1].
    """

    _built_at_once = True
    _parameters = ("rate", "seed", "noise_shape")

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        self.rate = _share("rate", rate)
        self.seed = serialization.check_seed(seed, type(self).__name__)
        self.noise_shape = self._noise_shape(noise_shape)
        super().__init__(**kwargs)
        self._create()

    def _noise_shape(self, noise_shape: Any) -> tuple[int | None, ...] | None:
        if noise_shape is None:
            return None
        start = "Invalid value received for argument `noise_shape`. Expected"
        if isinstance(noise_shape, str) or not hasattr(noise_shape, "__iter__"):
            words = "a tuple or list of integers" if isinstance(noise_shape, str) else "an iterable of integers"
            raise ValueError(f"{start} {words} (e.g., a tuple or list). Received: noise_shape={noise_shape}")
        for index, size in enumerate(noise_shape):
            if size is not None and (isinstance(size, bool) or not hasattr(size, "__index__")):
                raise ValueError(
                    f"{start} all elements to be integers or None. "
                    f"Received element at index {index}: {size} (type: {type(size).__name__})"
                )
            if size is not None and size < 1:
                raise ValueError(
                    f"{start} all dimensions to be positive integers or None. "
                    f"Received negative or zero value at index {index}: {size}"
                )
        cls = type(self).__name__
        raise NotImplementedError(f"{cls}: `noise_shape` is not there yet; pass None. Received: {noise_shape!r}")


class AlphaDropout(Dropout):
    """Dropout that keeps mean and variance: dropped inputs become the lowest value of ``selu``, then all are scaled.

    Args:
        rate: in [0, 1].
        noise_shape: only ``None``.
        seed: an integer fixes the masks.
    """


class GaussianNoise(Layer):
    """Adds normal noise of mean 0 while training.

    Args:
        stddev: the noise's standard deviation, in [0, 1] as Keras has it.
        seed: an integer fixes the noise.
    """

    _built_at_once = True
    _parameters = ("stddev", "seed")

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        self.stddev = _share("stddev", stddev)
        self.seed = serialization.check_seed(seed, "GaussianNoise")
        super().__init__(**kwargs)
        self._create()


class GaussianDropout(Layer):
    """Multiplies by normal noise of mean 1 and standard deviation ``sqrt(rate / (1 - rate))`` while training.

    Args:
        rate: in [0, 1].
        seed: an integer fixes the noise.
    """

    _built_at_once = True
    _parameters = ("rate", "seed")

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        self.rate = _share("rate", rate)
        self.seed = serialization.check_seed(seed, "GaussianDropout")
        super().__init__(**kwargs)
        self._create()


class ActivityRegularization(Layer):
    """Adds ``l1 * sum(|x|) + l2 * sum(x²)`` of its input to the loss, divided by the size of the batch.

    Args:
        l1, l2: factors of at least 0.
    """

    _built_at_once = True
    _parameters = ("l1", "l2")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2
        self._create()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["activity_regularizer"]
        return config
