"""Dense, Dropout and Flatten."""

from typing import Any

from .. import activations, initializers, serialization
from .base import Layer


class Dense(Layer):
    """``activation(inputs @ kernel + bias)``.

    Input ``(batch, ..., n)``, output ``(batch, ..., units)``; weights ``kernel (n, units)`` and ``bias (units,)``.

    Args:
        units: the size of the output, at least 1.
        activation: a name, a function of ``ironhorn.activations`` or an activation layer; ``None`` is linear.
        use_bias: whether to add a bias.
        kernel_initializer: what the kernel starts from.
        bias_initializer: what the bias starts from.
        name: the layer's name.

    Raises:
        ValueError: for ``units`` below 1 and unknown names.
        NotImplementedError: for regularizers and constraints.
    """

    _parameters = ("units",)
    _records_build = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(units, bool) or not hasattr(units, "__index__") or units <= 0:
            raise ValueError(
                f"Received an invalid value for `units`, expected a positive integer. Received: units={units}"
            )
        later = {
            "kernel_regularizer": kernel_regularizer,
            "bias_regularizer": bias_regularizer,
            "kernel_constraint": kernel_constraint,
            "bias_constraint": bias_constraint,
            "lora_rank": lora_rank,
            "lora_alpha": lora_alpha,
            "quantization_config": quantization_config,
        }
        for argument, value in later.items():
            if value is not None:
                raise NotImplementedError(f"Dense: `{argument}` is not there yet; pass None. Received: {value!r}")
        self.units = int(units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._create()

    @property
    def kernel(self) -> Any:
        """The variable of shape ``(n, units)``; ``AttributeError`` before the layer is built."""
        return self._variable(0)

    @property
    def bias(self) -> Any:
        """The variable of shape ``(units,)``, or ``None`` without one; ``AttributeError`` before building."""
        return self._variable(1) if self.use_bias else None

    def _variable(self, index: int) -> Any:
        if not self.built:
            raise AttributeError(f"Layer '{self.name}' has no weights yet: it is not built.")
        return self.variables[index]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": None,
            "bias_regularizer": None,
            "kernel_constraint": None,
            "bias_constraint": None,
            "quantization_config": None,
        }


class Dropout(Layer):
    """Sets inputs to 0 with probability ``rate`` while training, and scales the others by ``1 / (1 - rate)``.

    Args:
        rate: in [0, 1].
        noise_shape: only ``None``.
        seed: an integer fixes the masks of this layer whatever the model's seed.

    Raises:
        ValueError: if ``rate`` is outside of [0, 1].
    """

    _parameters = ("rate", "seed", "noise_shape")

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        if isinstance(rate, bool) or not hasattr(rate, "__float__") or not 0 <= float(rate) <= 1:
            raise ValueError(
                "Invalid value received for argument `rate`. Expected a float value between 0 and 1. "
                f"Received: rate={rate}"
            )
        if noise_shape is not None:
            raise NotImplementedError(f"Dropout: `noise_shape` is not there yet; pass None. Received: {noise_shape!r}")
        self.rate = rate
        self.seed = serialization.check_seed(seed, "Dropout")
        self.noise_shape = None
        super().__init__(**kwargs)
        self._create()


class Flatten(Layer):
    """Input ``(batch, a, b, ...)``, output ``(batch, a * b * ...)``.

    Args:
        data_format: ``None``, ``"channels_last"`` or ``"channels_first"``; kept, without a meaning for dense data.
    """

    _parameters = ("data_format",)
    _records_build = True

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        data_format = data_format or "channels_last"
        if data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "Flatten: `data_format` must be 'channels_last' or 'channels_first'. "
                f"Received: data_format={data_format!r}"
            )
        if data_format == "channels_first":
            raise NotImplementedError("Flatten: data_format='channels_first' is not there yet.")
        self.data_format = data_format
        super().__init__(**kwargs)
        self._create()
