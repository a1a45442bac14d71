"""A stack of layers."""

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, Self

from .. import _core, serialization
from ..layers.base import Layer, Shape, build_lock, standardize_shape
from ..layers.input import InputLayer
from ..layers.tensor import KerasTensor, Node
from ..naming import auto_name
from .model import Model, models_inside


class Sequential(Model):
    """Layers one after the other; each has one input and one output.

    With an ``Input``, or ``input_shape=`` on the first layer, it is built as layers are added; without, at the first
    data or by ``build``. Models may stand among the layers, and layers may be shared between models: they train the
    same weights.

    Args:
        layers: the layers, in order.
        trainable: whether training changes the weights.
        name: the model's name.

    Raises:
        ValueError: for things that are no layers, names used twice and layers that do not fit each other.
    """

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        Layer.__init__(self, trainable=trainable, name=name or auto_name("sequential"))
        self._init_model()
        self._layers: list[Layer] = []
        self._calls: list[Node] = []
        for layer in layers or ():
            self._append(layer)
        self._maybe_build()

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    @layers.setter
    def layers(self, _: Any) -> NoReturn:
        raise AttributeError(
            "`Sequential.layers` attribute is reserved and should not be used. Use `add()` and `pop()` to change the "
            "layers in this model."
        )

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self._built_shape is not None

    def add(self, layer: Any) -> None:
        """Adds a layer at the end; builds the model where its input is known.

        Raises:
            ValueError: if it is no layer, its name is taken, or it does not fit; the model stays as it was.
        """
        before = list(self._layers), self._built_shape, self._engine
        try:
            self._append(layer)
            self._maybe_build()
        except BaseException:
            self._layers, self._built_shape, self._engine = before
            if self.built:
                self._connect()
            raise

    def pop(self) -> Layer:
        """Removes the last layer and returns it.

        Raises:
            IndexError: if there is none.
        """
        if not self.layers:
            raise IndexError(f"Sequential model '{self.name}' has no layers to remove.")
        layer = self._layers.pop()
        self._forget_build()
        self._maybe_build()
        return layer

    def _append(self, layer: Any) -> None:
        if isinstance(layer, KerasTensor) and isinstance(layer.layer, InputLayer):
            layer = layer.layer
        if not isinstance(layer, Layer):
            raise ValueError(
                "Only instances of `ironhorn.layers.Layer` can be added to a Sequential model. "
                f"Received: {layer} (of type {type(layer)})"
            )
        if not self._layers and layer._input_shape_arg is not None and not isinstance(layer, InputLayer):
            self._layers.append(InputLayer(shape=layer._input_shape_arg))
        if any(layer.name == other.name and layer is not other for other in self._layers):
            raise ValueError(
                "All layers added to a Sequential model should have unique names. "
                f"Name '{layer.name}' is already the name of a layer in this model. Update the `name` argument to pass "
                "a unique name."
            )
        if isinstance(layer, InputLayer) and self._layers:
            first = self._layers[0]
            if isinstance(first, InputLayer):
                raise ValueError(
                    f"Sequential model '{self.name}' has already been configured to use input shape "
                    f"{first.batch_shape}. You cannot add a different Input layer to it."
                )
            raise ValueError(f"Sequential model '{self.name}': an Input must be the first layer.")
        if layer is self or (isinstance(layer, Model) and self in models_inside(layer)):
            raise ValueError(f"Sequential model '{self.name}' cannot contain itself.")
        if not self._trainable:
            layer.trainable = False
        self._layers.append(layer)
        self._forget_build()

    def _forget_build(self) -> None:
        self._built_shape = None
        self._engine = None

    def _maybe_build(self) -> None:
        if not self.layers:
            return
        first = self._layers[0]
        if isinstance(first, InputLayer):
            self.build(first.batch_shape)
        elif isinstance(first, Model) and first.built:
            self.build(first.input_shape)

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights.

        Args:
            input_shape: with the batch, e.g. ``(None, 28, 28)``; not needed where the model has an input.

        Raises:
            ValueError: if there are no layers, no shape, another shape than the input's, or layers do not fit.
        """
        if not self.layers:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. Call `model.add(layer)`."
            )
        if input_shape is None:
            if not isinstance(self._layers[0], InputLayer):
                raise ValueError(f"Sequential model '{self.name}': `build` needs an `input_shape`. Received: None")
            input_shape = self._layers[0].batch_shape
        with build_lock, self._undone_on_error():
            if self._seed is None:
                self._seed = _core.next_seed()
            self._build([standardize_shape(input_shape, owner=self.name)], self._seed, "")
            self._engine_model()

    def _ensure_built(self, shapes: list[Shape]) -> None:
        with build_lock:
            if self.built:
                self._check_shapes(shapes)
            else:
                self.build(shapes[0])

    def _check_shapes(self, shapes: list[Shape]) -> None:
        first = self._layers[0] if self._layers else None
        if isinstance(first, InputLayer):
            known = first.batch_shape
            if len(known) != len(shapes[0]) or any(
                a is not None and b is not None and a != b for a, b in zip(known[1:], shapes[0][1:], strict=True)
            ):
                raise ValueError(
                    f"Sequential model '{self.name}' has already been configured to use input shape {known}. "
                    f"You cannot build it with input_shape {shapes[0]}"
                )

    def _build(self, shapes: list[Shape], seed: int, path: str) -> Any:
        self._check_shapes(shapes)
        first = self._layers[0] if self._layers else None
        shape = first.batch_shape if isinstance(first, InputLayer) and path == "" else shapes[0]
        if any(size is None for size in shape[1:]):
            raise ValueError(
                f"Sequential model '{self.name}': sizes other than the batch must be known. "
                f"Received: input_shape={shape}"
            )
        self._output_shape([shape])
        x: Any = (None, *shape[1:])
        for index, layer in enumerate(self.layers):
            x = _single(layer._build([x], seed, f"{path}/{index}" if path else str(index)), layer)
        if not isinstance(first, InputLayer):
            self._layers.insert(0, InputLayer(batch_shape=shape))
        self._built_shape = shape
        self._connect()
        return x

    def _connect(self) -> None:
        """Notes the calls from layer to layer, so that their results can be used as symbols; keeps those that stay."""
        layers = self.layers
        start = self._layers[0].output
        kept = 0
        while (
            kept < min(len(self._calls), len(layers))
            and self._calls[kept].operation is layers[kept]
            and self._calls[kept].input_tensors[0] is (self._calls[kept - 1].output_tensors[0] if kept else start)
        ):
            kept += 1
        self._disconnect(kept)
        for layer in layers[kept:]:
            x = self._calls[-1].output_tensors[0] if self._calls else start
            result = layer._record(x, [x])
            tensor = result[0] if isinstance(result, (list, tuple)) else result
            self._calls.append(tensor.node)

    def _disconnect(self, kept: int = 0) -> None:
        for node in self._calls[kept:]:
            node.operation._inbound_nodes.remove(node)
        del self._calls[kept:]

    def _output_shape(self, shapes: list[Shape]) -> Any:
        shape: Any = (None, *shapes[0][1:])
        for layer in self.layers:
            shape = _single(layer._output_shape([shape]), layer)
        return (shapes[0][0], *shape[1:])

    def _inline(self, program: Any, values: list[int]) -> list[int]:
        for layer in self.layers:
            values = layer._inline(program, values)
        return values

    def _state(self) -> Any:
        return list(self._layers)

    def _restore(self, state: Any) -> None:
        self._layers = state
        self._forget_build()
        self._disconnect()

    def _structure(self) -> tuple[Any, Any]:
        if self._built_shape is None:
            raise AttributeError(f"Sequential model '{self.name}' has no defined inputs and outputs yet.")
        return self._layers[0].output, self._calls[-1].output_tensors[0]

    @property
    def input_shape(self) -> Any:
        """The shape of the input, with the batch; ``AttributeError`` before it is known."""
        if self._built_shape is None:
            raise AttributeError(f"Sequential model '{self.name}' has no defined input shape yet.")
        return self._built_shape

    @property
    def output_shape(self) -> Any:
        """The shape of the output, with the batch; ``AttributeError`` before it is known."""
        if self._built_shape is None:
            raise AttributeError(f"Sequential model '{self.name}' has no defined output shape yet.")
        return super().output_shape

    def get_config(self) -> dict[str, Any]:
        """Name and layers, in Keras's form."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": serialization.DTYPE_CONFIG,
            "layers": [serialization.serialize(layer) for layer in self._layers],
        }
        if self.built:
            config["build_input_shape"] = self.input_shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a model, without trained weights, from ``get_config``'s result.

        Raises:
            ValueError: if name or layers are missing, or a layer is unknown.
        """
        from ..layers import deserialize

        if "name" not in config or not isinstance(config.get("layers"), Iterable):
            raise ValueError(
                "A Sequential model configuration must be a dictionary containing the 'name' and 'layers' keys. "
                f"Received: config={config}"
            )
        model = cls([deserialize(form) for form in config["layers"]], config.get("trainable", True), config["name"])
        shape = config.get("build_input_shape")
        if not model.built and shape:
            model.build(shape)
        return model


def _single(shape: Any, layer: Layer) -> Shape:
    """The shape of a layer's only output."""
    if isinstance(shape, list) and len(shape) == 1:
        shape = shape[0]
    if not isinstance(shape, tuple) or any(isinstance(size, (list, tuple)) for size in shape):
        raise ValueError(
            f"Layers of a Sequential model have one output. Received: layer '{layer.name}' with outputs of {shape}"
        )
    return shape
