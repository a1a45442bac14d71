"""What all models share: layers and weights, calls, the engine's model, their summary, their text form."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core, saving, serialization
from ..config import _resolve
from ..layers.base import Layer, build_lock
from ..layers.structure import flatten
from ..layers.tensor import KerasTensor
from ..saving.files import reduced
from .data import integer
from .graph import Program
from .memory import MemoryUse
from .spread import adjust_ranks, pack_outputs, spread_inputs
from .summary import print_summary
from .trainer import Trainer


class Model(Trainer, Layer):
    """A model of a graph between symbols: ``Model(inputs, outputs)``. See ``Functional``; ``Sequential`` is one too."""

    _keras_module = "keras"
    _records_build = True
    _takes_mask = True
    _seed: int | None
    _engine: Any
    _program: Program | None

    def __new__(cls, *args: Any, **kwargs: Any) -> "Model":
        """Makes a ``Functional`` of ``Model(inputs, outputs)``; other subclasses are refused."""
        from .functional import Functional

        if cls is Model and (args or kwargs):
            return super().__new__(Functional)
        if not issubclass(cls, Functional) and cls._structure is Model._structure:
            raise NotImplementedError(
                f"{cls.__name__}: subclassed models are not there, because the engine trains graphs of its own layers. "
                "Use Sequential or Model(inputs, outputs)."
            )
        return super().__new__(cls)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Builds a model, without trained weights, from ``get_config``'s result; see ``Functional``."""
        from .functional import Functional

        return Functional.from_config(config)

    def _init_model(self) -> None:
        self._init_trainer()
        self._seed = None
        self._engine = None
        self._program = None

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order."""
        raise NotImplementedError

    def _structure(self) -> tuple[Any, Any]:
        """The structures of symbols of the inputs and outputs; ``AttributeError`` before they are known."""
        raise NotImplementedError

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbols of the inputs; ``AttributeError`` before their shapes are known."""
        return flatten(self._structure()[0])

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbols of the outputs; ``AttributeError`` before their shapes are known."""
        return flatten(self._structure()[1])

    @property
    def input(self) -> Any:
        """The symbols of the inputs, in the structure they were given in."""
        return self._structure()[0]

    @property
    def output(self) -> Any:
        """The symbols of the outputs, in the structure they were given in."""
        return self._structure()[1]

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that the outputs come from."""
        return [tensor.layer.name for tensor in self.outputs]

    @property
    def input_shape(self) -> Any:
        """The shape of the input with the batch, or a list of them; ``AttributeError`` before it is known."""
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """The shape of the output with the batch, or a list of them; ``AttributeError`` before it is known."""
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets all layers'."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.layers:
            layer.trainable = value
        self._trainable = bool(value)

    @property
    def variables(self) -> list[Any]:
        """The variables of all layers, each once."""
        return [variable for layer in self._once() for variable in layer.variables]

    def _flat_layers(self) -> list[Layer]:
        return [inner for layer in self.layers for inner in layer._flat_layers()]

    def _engine_model(self) -> Any:
        """The engine's model of the graph, with the models inside of it spread out; made again where layers changed."""
        with build_lock:
            if self._engine is None or self._program is None or not self._program.current:
                if not self.built:
                    raise RuntimeError(f"Model '{self.name}' is not built: its input shape is unknown.")
                shapes = []
                for tensor in self.inputs:
                    if None in tensor.shape[1:]:
                        raise ValueError(
                            f"Model '{self.name}': sizes other than the batch must be known. Received: input "
                            f"'{tensor.name}' of shape {tensor.shape}"
                        )
                    shapes.append([size for size in tensor.shape[1:] if size is not None])
                if self._seed is None:
                    self._seed = _core.next_seed()
                program = Program(len(shapes))
                outputs = self._inline(program, list(range(len(shapes))))
                self._engine = program.model(shapes, outputs, self._seed)
                self._program = program
            return self._engine

    def _call_arrays(self, inputs: Any, training: bool | None) -> Any:
        """Applies the model to arrays at once.

        Safe from any thread, also while ``fit`` runs: it sees the weights between two steps.
        """
        return self._compute(spread_inputs(self, inputs), bool(training))

    def _compute(self, arrays: Sequence[NDArray[Any]], training: bool) -> Any:
        with self._undone_on_error():
            self._ensure_built_for(arrays)
            arrays = adjust_ranks(self, arrays)
            _resolve(None)
            results = self._engine_model().predict(arrays, training=training)
        return self._packed(results)

    def _packed(self, results: Sequence[NDArray[np.float32]]) -> Any:
        """Results in the structure of the outputs; a list of one is the one."""
        return pack_outputs(self._structure()[1], results)

    def _ensure_built_for(self, arrays: Sequence[NDArray[Any]]) -> None:
        with build_lock:
            if not self.built:
                self.build((None, *arrays[0].shape[1:]))

    @contextlib.contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        """Gives the layers built inside back as unbuilt when an exception leaves the block."""
        with build_lock:
            models = [model for model in [self, *models_inside(self)] if not model.built]
            kept = [(model, model._state()) for model in models]
            fresh = [layer for layer in self._flat_layers() if not layer._native.built]
        try:
            yield
        except BaseException:
            with build_lock:
                for model, state in kept:
                    model._restore(state)
                for layer in fresh:
                    layer._create()
            raise

    def _state(self) -> Any:
        """What ``build`` changes, where a model can be built later."""
        return None

    def _restore(self, state: Any) -> None:
        """Goes back to it."""

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name or an index.

        Raises:
            ValueError: if there is none, or both or none of the arguments are given.
        """
        if index is not None and name is not None:
            raise ValueError(f"Provide only a layer name or a layer index. Received: index={index}, name={name}.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(self.layers)} layers."
                )
            return self.layers[index]
        if name is None:
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in self.layers]}.")

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Prints the layers, their output shapes and their numbers of parameters.

        Args:
            line_length: the width of the table; by default up to 88, or 108 with connections, by the terminal.
            positions: where the columns end, as shares of the width.
            print_fn: receives the whole text instead of the terminal.
            expand_nested: whether to list the layers inside of models.
            show_trainable: whether to add a column for it.
            layer_range: two names, or regular expressions, of the first and the last layer to print.

        Raises:
            ValueError: if the width is too small, or the range names no layers.
        """
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def memory(self, batch_size: int, device: str | None = None, samples: int | None = None) -> MemoryUse:
        """What training in batches of ``batch_size`` and predicting need of a device's memory, by part.

        Nothing is allocated; the numbers are the sizes of the buffers that runs make there. Where fewer threads prove
        quicker, a run on the CPU takes less. On a GPU the weights and the optimizer's state are beside the host's.

        Args:
            batch_size: samples in a training step.
            device: where, see ``fit``.
            samples: samples in the data set, which a GPU holds as a whole, in float32, or in windows where it is too
                large for a buffer; by default a single batch.

        Returns:
            Bytes by part in the fields ``training`` and ``prediction``; printed it is a table.

        Raises:
            ValueError: if the model is not compiled, or for numbers that are not positive.
            RuntimeError: if the model is not built.
            DeviceError: where a batch cannot fit; the error names the largest one that does.
        """
        self._assert_compiled("memory")
        batch_size = integer(batch_size, "batch_size", 1)
        samples = None if samples is None else integer(samples, "samples", 1)
        place, training, prediction = self._compiled_model().memory(batch_size, samples, _resolve(device))
        count = batch_size if samples is None else samples
        return MemoryUse(place, min(batch_size, count), count, dict(training), dict(prediction))

    def _repr_html_(self) -> str:
        from ..utils.notebook import model_html

        return model_html(self)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture, and what it was compiled with, as JSON in Keras's form; ``kwargs`` go to ``json.dumps``."""
        return json.dumps(serialization.serialize(self), **kwargs)

    def save(self, filepath: Any, overwrite: bool = True) -> None:
        """Writes the model to a file, which ``ironhorn.load_model`` reads; see ``ironhorn.saving.save_model``."""
        saving.save_model(self, filepath, overwrite)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Writes the weights alone; see ``ironhorn.saving.save_weights``."""
        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False) -> None:
        """Reads weights from a file; see ``ironhorn.saving.load_weights``."""
        saving.load_weights(self, filepath, skip_mismatch)

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(self)

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape the model was built for."""
        return {"input_shape": self.input_shape} if self.built else None


def models_inside(model: Model) -> list[Model]:
    """The models among a model's layers, and theirs."""
    inside = [layer for layer in model.layers if isinstance(layer, Model)]
    return inside + [inner for layer in inside for inner in models_inside(layer)]
