"""The input of a model: its shape, which decides when the model is built."""

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
        name: the layer's name.

    Raises:
        ValueError: if neither ``shape`` nor ``batch_shape`` is given, or both.
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if sparse or ragged or optional:
            raise NotImplementedError("InputLayer: `sparse`, `ragged` and `optional` inputs are not there yet.")
        if "input_shape" in kwargs:
            shape = kwargs.pop("input_shape")
        if batch_shape is not None:
            if shape is not None or batch_size is not None:
                raise ValueError("You cannot pass `batch_shape` together with `shape` or `batch_size`.")
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
        Node(self, [], KerasTensor(self.batch_shape, self.dtype, name=self.name), [])

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
        tensor: a symbol whose shape and dtype the input takes.
    """
    if tensor is not None:
        if shape is not None or batch_shape is not None or batch_size is not None:
            raise ValueError("Input: give `tensor` or a shape, not both.")
        batch_shape, dtype = tensor.shape, dtype or tensor.dtype
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        optional=optional,
        name=name,
    )
    symbol: KerasTensor = layer.output
    return symbol
