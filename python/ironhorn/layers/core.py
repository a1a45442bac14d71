"""Dense, Embedding and Identity."""

import warnings
from typing import Any

import numpy as np

from .. import activations, constraints, initializers, regularizers
from .base import Layer
from .weights import Weight


def refuse_quantization(owner: str, **arguments: Any) -> None:
    """Raises for the arguments of Keras's low-rank and quantized layers."""
    for argument, value in arguments.items():
        if value is not None:
            raise NotImplementedError(f"{owner}: `{argument}` is not there yet; pass None. Received: {value!r}")


class Dense(Layer):
    """``activation(inputs @ kernel + bias)``.

    Input ``(batch, ..., n)``, output ``(batch, ..., units)``; weights ``kernel (n, units)`` and ``bias (units,)``.

    Args:
        units: the size of the output, at least 1.
        activation: a name, a function of ``ironhorn.activations`` or an activation layer; ``None`` is linear.
        use_bias: whether to add a bias.
        kernel_initializer: what the kernel starts from.
        bias_initializer: what the bias starts from.
        kernel_regularizer, bias_regularizer: what weights add to the loss.
        activity_regularizer: what the outputs add to the loss.
        kernel_constraint, bias_constraint: what weights are brought back to after each update.
        name: the layer's name.

    Raises:
        ValueError: for ``units`` below 1 and unknown names.
    """

    _parameters = ("units",)
    _records_build = True
    _min_ndim = 2
    kernel = Weight("The variable of shape ``(n, units)``; ``AttributeError`` before the layer is built.")
    bias = Weight("The variable of shape ``(units,)``, or ``None`` without one.", flag="use_bias")

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
        refuse_quantization(
            "Dense", lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config
        )
        self.units = int(units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._create()

    def _fixed_axes(self) -> dict[int, int]:
        return {-1: self.kernel.shape[0]} if self.built else {}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }


class Embedding(Layer):
    """A row of ``embeddings`` for each index: input ``(batch, ...)`` of integers, output ``(batch, ..., output_dim)``.

    Args:
        input_dim: how many rows there are; indices run from 0 to ``input_dim - 1``.
        output_dim: the length of a row.
        embeddings_initializer: what the rows start from.
        embeddings_regularizer: what they add to the loss.
        embeddings_constraint: what they are brought back to after each update.
        mask_zero: only ``False``.
        weights: an array ``(input_dim, output_dim)`` to start from instead.

    Raises:
        ValueError: for sizes below 1; at training and prediction for indices outside of the rows.
    """

    _parameters = ("input_dim", "output_dim")
    _records_build = True
    embeddings = Weight("The variable of shape ``(input_dim, output_dim)``.")

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        for argument, size in (("input_dim", input_dim), ("output_dim", output_dim)):
            if isinstance(size, bool) or not hasattr(size, "__index__") or size <= 0:
                raise ValueError(
                    f"`{argument}` must be a positive integer. Received: {argument}={size} "
                    f"(of type {type(size).__name__})."
                )
        if kwargs.pop("input_length", None) is not None:
            warnings.warn("Argument `input_length` is deprecated. Just remove it.", UserWarning, stacklevel=2)
        refuse_quantization(
            "Embedding", lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config
        )
        if mask_zero:
            raise NotImplementedError("Embedding: `mask_zero=True` is not there yet; no layer here takes a mask.")
        self.input_dim, self.output_dim = int(input_dim), int(output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = False
        super().__init__(**kwargs)
        self._create()
        if weights is not None:
            self.build((None,))
            alone = not (isinstance(weights, list) and len(weights) == 1)
            self.set_weights([np.asarray(weights)] if alone else weights)

    def build(self, input_shape: Any = None) -> None:
        """Creates the variable; it does not depend on the input's shape."""
        super().build((None,) if input_shape is None else input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "quantization_config": None,
        }


class Identity(Layer):
    """Gives its input back."""

    _built_at_once = True
    _keeps_dtype = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._create()
