"""A stack of layers."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

from .. import _core, serialization
from ..layers.base import Layer, Shape, build_lock, standardize_shape
from ..layers.input import InputLayer, KerasTensor
from ..naming import auto_name
from .model import Model


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
        self._init_trainer()
        self._layers: list[Layer] = []
        self._seed: int | None = None
        self._engine: Any = None
        for layer in layers or ():
            self._append(layer)
        self._maybe_build()

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

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
        if isinstance(layer, KerasTensor):
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
        if layer is self or (isinstance(layer, Model) and self in _models_inside(layer)):
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
            self._build(standardize_shape(input_shape, owner=self.name), self._seed, "")
            self._engine_model()

    def _build(self, shape: Shape, seed: int, path: str) -> Shape:
        first = self._layers[0] if self._layers else None
        if isinstance(first, InputLayer):
            known = first.batch_shape
            if len(known) != len(shape) or any(
                a is not None and b is not None and a != b for a, b in zip(known[1:], shape[1:], strict=True)
            ):
                raise ValueError(
                    f"Sequential model '{self.name}' has already been configured to use input shape {known}. "
                    f"You cannot build it with input_shape {shape}"
                )
            shape = known if path == "" else shape
        if any(size is None for size in shape[1:]):
            raise ValueError(
                f"Sequential model '{self.name}': sizes other than the batch must be known. "
                f"Received: input_shape={shape}"
            )
        self.compute_output_shape(shape)
        x = (None, *shape[1:])
        for index, layer in enumerate(self.layers):
            x = layer._build(x, seed, f"{path}/{index}" if path else str(index))
        if not isinstance(first, InputLayer):
            self._layers.insert(0, InputLayer(batch_shape=shape))
        self._built_shape = shape
        return x

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape of the output, for an input shape; both with the batch."""
        shape = (None, *standardize_shape(input_shape, owner=self.name)[1:])
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def _flat_layers(self) -> list[Layer]:
        return [inner for layer in self.layers for inner in layer._flat_layers()]

    def _engine_model(self) -> Any:
        with build_lock:
            if self._engine is None:
                if not self.built:
                    raise RuntimeError(f"Sequential model '{self.name}' is not built: its input shape is unknown.")
                layers = self._flat_layers()
                nodes = [(layer._native, [index]) for index, layer in enumerate(layers)]
                if self._seed is None:
                    self._seed = _core.next_seed()
                self._engine = _core.Model(
                    nodes, [[size for size in self.input_shape[1:] if size is not None]], [len(nodes)], self._seed
                )
            return self._engine

    @contextlib.contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        """Gives the layers built inside back as unbuilt when an exception leaves the block."""
        with build_lock:
            models = [model for model in [self, *_models_inside(self)] if not model.built]
            kept = [(model, list(model._layers)) for model in models if isinstance(model, Sequential)]
            fresh = [layer for layer in self._flat_layers() if not layer.built]
        try:
            yield
        except BaseException:
            with build_lock:
                for model, layers in kept:
                    model._layers = layers
                    model._forget_build()
                for layer in fresh:
                    layer._create()
            raise

    @property
    def input_shape(self) -> Shape:
        """The shape of the input, with the batch; ``AttributeError`` before it is known."""
        if self._built_shape is None:
            raise AttributeError(f"Sequential model '{self.name}' has no defined input shape yet.")
        return self._built_shape

    @property
    def output_shape(self) -> Shape:
        """The shape of the output, with the batch; ``AttributeError`` before it is known."""
        if self._built_shape is None:
            raise AttributeError(f"Sequential model '{self.name}' has no defined output shape yet.")
        return self.compute_output_shape(self._built_shape)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The input's symbol; ``AttributeError`` before its shape is known."""
        if self._built_shape is None or not isinstance(self._layers[0], InputLayer):
            raise AttributeError(f"Sequential model '{self.name}' has no defined inputs yet.")
        return [self._layers[0].output]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.layers:
            layer.trainable = value
        self._trainable = bool(value)

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


def _models_inside(model: Model) -> list[Model]:
    inside = [layer for layer in model.layers if isinstance(layer, Model)]
    return inside + [inner for layer in inside for inner in _models_inside(layer)]
