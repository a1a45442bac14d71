"""The input of a model: its shape, which decides when the model is built."""

import warnings
from typing import Any

from ..naming import auto_name
from .base import Layer, Shape, standardize_shape
from .tensor import KerasTensor, Node


class InputLayer(Layer):
    """The shape of what a model takes; holds no weights and does nothing.

    Args:
        shape: without the batch, e.g. ``(28, 28)``.
        batch_size: kept in the configuration; batches of other sizes are taken too.
        dtype: the declared dtype; arrays of every numeric dtype are taken.
        batch_shape: the shape with the batch, instead of ``shape`` and ``batch_size``.
        input_tensor: a symbol whose shape and dtype the input takes; one that came from no layer becomes the input.
        name: the layer's name.

    Raises:
        ValueError: if neither ``shape`` nor ``batch_shape`` is given, or both, or one that ``input_tensor`` denies.
    """

    sparse = ragged = optional = False

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: KerasTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" in kwargs:
            warnings.warn("Argument `input_shape` is deprecated. Use `shape` instead.", UserWarning, stacklevel=2)
            shape = kwargs.pop("input_shape")
        if "batch_input_shape" in kwargs:
            batch_shape = kwargs.pop("batch_input_shape")
        if input_tensor is not None:
            _check_tensor(
                input_tensor, shape=shape, batch_shape=batch_shape, batch_size=batch_size, dtype=dtype, sparse=sparse
            )
            shape, batch_size, batch_shape, dtype = None, None, input_tensor.shape, input_tensor.dtype
        if sparse or ragged or optional:
            raise NotImplementedError("InputLayer: `sparse`, `ragged` and `optional` inputs are not there yet.")
        if batch_shape is not None:
            for argument, value in (("shape", shape), ("batch_size", batch_size)):
                if value is not None:
                    raise ValueError(f"You cannot pass both `{argument}` and `batch_shape` at the same time.")
            full = standardize_shape(batch_shape, "batch_shape", "InputLayer")
        elif shape is None:
            raise ValueError("You must pass a `shape` argument.")
        else:
            sizes = (shape,) if isinstance(shape, int) and not isinstance(shape, bool) else shape
            full = (batch_size, *standardize_shape(sizes, "shape", "InputLayer"))
        declared = None if dtype is None else str(getattr(dtype, "__name__", dtype))
        super().__init__(name=name or auto_name("input_layer"), **kwargs)
        self.dtype = declared or "float32"
        self.batch_shape: Shape = standardize_shape(full, "batch_shape", "InputLayer")
        self._built_shape = self.batch_shape
        if input_tensor is None or input_tensor.node is not None:  # a layer's result stays that layer's
            input_tensor = KerasTensor(self.batch_shape, self.dtype, name=self.name)
        Node(self, [], input_tensor, [])

    @property
    def built(self) -> bool:
        """Always true."""
        return True

    @property
    def variables(self) -> list[Any]:
        """None at all."""
        return []

    def build(self, input_shape: Any) -> None:
        """Does nothing."""

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The input shape."""
        return standardize_shape(input_shape)

    def _flat_layers(self) -> list[Layer]:
        return []

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Gives the input back."""
        return inputs

    def call(self) -> None:
        """Nothing, as in Keras."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": False,
        }


def _check_tensor(tensor: Any, **declared: Any) -> None:
    """Holds what is declared of an input against the symbol to be it."""
    if not isinstance(tensor, KerasTensor):
        raise ValueError(
            "Argument `input_tensor` must be a KerasTensor. "
            f"Received invalid type: input_tensor={tensor} (of type {type(tensor)})"
        )
    known = {
        "shape": tensor.shape[1:],
        "batch_shape": tensor.shape,
        "batch_size": tensor.shape[0] if tensor.shape else None,
        "dtype": tensor.dtype,
        "sparse": False,
    }
    for argument, value in declared.items():
        value = tuple(value) if isinstance(value, list) else value
        if value is not None and value != known[argument]:
            raise ValueError(
                "When providing the `input_tensor` argument, you cannot provide an incompatible "
                f"`{argument}` argument. Expected: {known[argument]!r}. Received: {argument}={value!r}"
            )


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: KerasTensor | None = None,
    optional: bool = False,
) -> KerasTensor:
    """The input of a model: a symbol to call layers on, or the first entry of a Sequential. See ``InputLayer``.

    Args:
        tensor: the layer's ``input_tensor``.
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    symbol: KerasTensor = layer.output
    return symbol
