"""The native engine, as Python sees it: configurations and arrays in, plain numbers out.

Configurations cross the boundary as JSON text in Keras's nested form
(``{"class_name": "Dense", "config": {...}}``); the engine normalises and validates them. Keys such as
``module``, ``registered_name`` and ``build_config`` are accepted and ignored: nothing is ever imported by name.
Arrays are borrowed: the engine keeps a reference to the owner and reads the memory a batch at a time.

Errors: ``ValueError`` (a value or shape), ``TypeError`` (a type or dtype), ``RuntimeError`` (not built, not
compiled, already training), ``MemoryError``, ``DeviceError`` (no such device, lost, too small),
``NonFiniteError`` (a ``FloatingPointError``: the loss became NaN or infinite) and
``InternalError`` for a caught panic.
"""

from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

__all__ = [
    "DeviceError",
    "File",
    "InternalError",
    "Layer",
    "LoadError",
    "Model",
    "NonFiniteError",
    "Optimizer",
    "Predictor",
    "Session",
    "Variable",
    "__version__",
    "_inject_panic",
    "activation",
    "adapters",
    "compute_fans",
    "constrain",
    "cpu_level",
    "device",
    "devices",
    "gpu_counters",
    "initialize",
    "loss_gradient",
    "loss_values",
    "metric_add",
    "metric_result",
    "metric_values",
    "metric_variables",
    "names",
    "next_seed",
    "num_threads",
    "regularizer_gradient",
    "regularizer_value",
    "runs_on_gpu",
    "schedule_value",
    "set_device",
    "set_num_threads",
    "set_random_seed",
    "wgpu_version",
    "write_file",
]

__version__: str

class InternalError(RuntimeError): ...
class DeviceError(RuntimeError): ...
class LoadError(ValueError): ...
class NonFiniteError(FloatingPointError): ...

@final
class Variable:
    """A float32 array of trained numbers that lives in the engine; models share it by reference."""

    @property
    def id(self) -> int:
        """Unique in the process."""
    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def trainable(self) -> bool: ...
    @property
    def version(self) -> int:
        """Counts the changes; unequal versions mean that the numbers may differ."""
    @property
    def value(self) -> NDArray[np.float32]:
        """A copy of the numbers, as ``numpy()``."""
    @property
    def dtype(self) -> str: ...
    @property
    def ndim(self) -> int: ...
    def numpy(self) -> NDArray[np.float32]: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]: ...
    def assign(self, value: Any) -> None:
        """Replaces the numbers by anything that NumPy makes an array of this shape of."""
    def assign_add(self, value: Any) -> None: ...
    def assign_sub(self, value: Any) -> None: ...

@final
class Layer:
    """One layer: a validated configuration and, once built, its variables."""

    def __new__(cls, config: str) -> Layer: ...
    @property
    def config(self) -> str:
        """The canonical configuration, as JSON."""
    @property
    def name(self) -> str: ...
    trainable: bool
    """Read when a model is compiled."""
    @property
    def built(self) -> bool: ...
    @property
    def variables(self) -> list[Variable]: ...
    def compute_output_shape(self, input_shapes: Sequence[Sequence[int | None]]) -> tuple[int | None, ...]:
        """From the shape of each input. Shapes include the batch dimension, which is ``None``."""
    def build(self, input_shapes: Sequence[Sequence[int | None]], seed: int, path: str) -> None:
        """Creates and initialises the variables. ``path`` names the random stream, e.g. ``"1"`` for layer 1.

        A second call does nothing, or, where the variables do not serve those shapes, is a ``ValueError``."""

@final
class Optimizer:
    """An update rule with its slots and its step counter."""

    def __new__(cls, config: str) -> Optimizer: ...
    @property
    def config(self) -> str: ...
    learning_rate: float
    """Of the next step; setting it where there is a schedule is a ``TypeError``."""
    def replace_learning_rate(self, rate: str) -> None:
        """Puts a number or a schedule, as JSON, in its place."""
    iterations: int
    """Steps made, also those whose gradients are only summed up."""
    @property
    def slot_names(self) -> list[str]: ...
    def exclude(self, variables: Sequence[Variable]) -> None:
        """These variables, and no others, do not decay."""
    def build(self, sizes: Sequence[int]) -> None:
        """Makes slots for arrays of the caller's, known by their places."""
    def apply(
        self,
        weights: Sequence[NDArray[np.float32]],
        gradients: Sequence[NDArray[np.float32] | None],
        decays: Sequence[bool],
        variables: Sequence[Variable | None],
    ) -> None:
        """One step over arrays, in place. Where an array holds the numbers of a variable, its slots are those that
        training keeps."""
    def clip(self, gradients: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]: ...
    def slot(self, key: int, index: int) -> NDArray[np.float32]:
        """A slot of the array in this place, flat."""
    def set_slot(self, key: int, index: int, values: NDArray[Any]) -> None: ...
    def variable_slots(self, variable: Variable) -> int:
        """How many slots ``fit`` has made for a variable."""
    def variable_slot(self, variable: Variable, index: int) -> NDArray[np.float32]: ...
    def set_variable_slot(self, variable: Variable, index: int, values: NDArray[Any]) -> None: ...

@final
class Session:
    """One pass over borrowed arrays, run in pieces so that Python can draw, call back and be interrupted."""

    @property
    def steps(self) -> int:
        """Steps in one epoch."""
    @property
    def step(self) -> int:
        """Steps done in this epoch."""
    @property
    def finished(self) -> bool: ...
    @property
    def outputs(self) -> list[NDArray[np.float32]]:
        """What has been predicted so far, an array an output; only of a prediction session."""
    def preview(self) -> tuple[NDArray[np.uint32], list[NDArray[np.float32]]]:
        """The samples of the next step and the outputs it will have, at the price of a forward pass."""
    def rebind(
        self,
        x: Sequence[NDArray[Any]],
        y: Sequence[NDArray[Any] | None],
        sample_weight: Sequence[NDArray[Any] | None] | None,
    ) -> None:
        """Makes another batch, of any size, the whole of what comes next: one step. Logs go on.

        A prediction takes ``x`` alone. When it is refused, nothing has changed."""
    def order(self, count: int) -> NDArray[np.uint32]:
        """The order that this epoch has for so many things, for a caller who brings the batches; only of training."""
    def shuffle_in_blocks(self, rows: int, mixed: int) -> None:
        """Makes later epochs shuffle runs of ``rows`` neighbours, then the samples of ``mixed`` runs at a time; only of
        training."""
    def set_check_finite(self, check: bool) -> None:
        """Whether a training step whose loss is NaN or infinite raises ``NonFiniteError`` before it changes anything.

        So it is at first; sessions without training ignore it."""
    def find_fault(self) -> tuple[tuple[str, str] | None, list[tuple[int, int] | None]]:
        """Where the next training step meets its first numbers that are not finite: the layer and ``"weights"`` or
        ``"output"``; and which input, target and array of weights has some, each with the row."""
    def begin_epoch(self) -> None:
        """Clears step and logs and, when shuffling, draws the next order of the rows."""
    def position(self) -> tuple[int, list[float]]:
        """Where a training epoch stands: steps done, and the sums behind the logs."""
    def resume(self, step: int, sums: Sequence[float]) -> None:
        """Goes on at a position within the epoch that the model counts as the last begun."""
    def run(self, max_steps: int | None = None, milliseconds: float = 50.0) -> None:
        """Runs whole steps without the GIL until the epoch ends, ``max_steps`` are done or the time is over."""
    def metric_states(self) -> list[NDArray[np.float64]]:
        """The state of each metric of each output, as ``metric_add`` keeps it."""
    def logs(self) -> dict[str, float]:
        """Running ``loss`` and metrics of this epoch so far, as Keras's trackers would show them."""

@final
class Model:
    """A graph of layers.

    ``nodes[i]`` is ``(layer, inputs)``; values are numbered: the model's inputs first, then one value a node.
    ``input_shapes`` leave the batch dimension out. ``outputs`` are value numbers. Every layer must be built.
    """

    def __new__(
        cls,
        nodes: Sequence[tuple[Layer, Sequence[int]]],
        input_shapes: Sequence[Sequence[int]],
        outputs: Sequence[int],
        seed: int,
    ) -> Model: ...
    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """Without the batch dimension."""
    def compile(self, optimizer: Optimizer, config: str) -> None:
        """``config``: ``{"outputs": [{"loss": …, "loss_weight": 1.0, "loss_key": …, "metrics": […]}]}``, one an output.

        A loss is ``{"class_name": …, "config": …}``, a name or null; ``loss_key`` is what the logs call it, or null. A
        metric is ``{"name": "accuracy", "metric": …, "weighted": false}``. The strings ``"accuracy"`` and
        ``"crossentropy"`` are resolved by the shapes of the output and the target as Keras does."""
    def describe(self, variables: Sequence[Variable]) -> str:
        """The graph as the model file has it, its variables numbered in this order."""
    @property
    def seed(self) -> int: ...
    position: tuple[int, int]
    """Epochs begun, and calls as in training: with seed and steps, where the random streams stand."""
    choices: list[tuple[str, int, str]]
    """What the device ``"auto"`` has chosen: tasks, sizes, devices."""
    def slot_count(self) -> int:
        """How many numbers the optimizer keeps for this model's variables, besides step counter and learning rate."""
    def memory(
        self, batch_size: int, samples: int | None, device: str | None = None
    ) -> tuple[str, list[tuple[str, int]], list[tuple[str, int]]]:
        """The device, and the bytes of each part that training and a prediction take there."""
    def fit_session(
        self,
        x: Sequence[NDArray[Any]],
        y: Sequence[NDArray[Any] | None],
        sample_weight: Sequence[NDArray[Any] | None] | None,
        batch_size: int,
        steps: int | None,
        shuffle: bool,
        device: str | None = None,
    ) -> Session:
        """Checks everything, borrows the arrays, changes nothing yet. ``steps`` cuts the epoch short.

        An array an input, and an array or ``None`` an output."""
    def evaluate_session(
        self,
        x: Sequence[NDArray[Any]],
        y: Sequence[NDArray[Any] | None],
        sample_weight: Sequence[NDArray[Any] | None] | None,
        batch_size: int,
        steps: int | None,
        device: str | None = None,
    ) -> Session: ...
    def predict_session(
        self, x: Sequence[NDArray[Any]], batch_size: int, steps: int | None, device: str | None = None
    ) -> Session: ...
    def predict(self, x: Sequence[NDArray[Any]], training: bool = False) -> list[NDArray[np.float32]]:
        """All samples at once, on an immutable snapshot of the weights; safe from any thread.

        ``training``: as a training step computes them, with noise, and with the statistics of the batch, which then
        move the moving ones."""
    def predict_rows(self, x: NDArray[Any]) -> NDArray[np.float32] | None:
        """The output for one array of a few samples; ``None`` where that takes more than a look at the weights, or for
        samples that do not fit."""
    def gradients(
        self,
        x: Sequence[NDArray[Any]],
        y: Sequence[NDArray[Any] | None],
        sample_weight: Sequence[NDArray[Any] | None] | None,
    ) -> tuple[dict[str, float], list[NDArray[np.float32] | None], list[NDArray[np.float32] | None]]:
        """Logs of one batch, its gradients by ``variables``, ``None`` where not trained, and by the inputs."""
    @property
    def variables(self) -> list[Variable]:
        """Every variable once, in the order of the layers."""

@disjoint_base
class Predictor:
    """A snapshot of a model's weights.

    ``plain``: whether the answer is the one output as it is. ``precision``: ``"f32"``, ``"f16"``, ``"bf16"`` or
    ``"int8"``, which alone takes ``calibrate``, samples like those to come."""

    def __new__(
        cls, model: Model, plain: bool, precision: str, calibrate: NDArray[Any] | None, device: str
    ) -> Self: ...
    def __call__(self, x: Any, out: Any = None) -> Any:
        """Answers contiguous float32 rows for one input at once; calls ``_general(x, out)`` for everything else."""
    def _run(self, x: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """The outputs for arrays of any dtype and layout, one an input."""
    @property
    def device(self) -> str:
        """Where it runs."""
    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """Without the batch dimension."""

@final
class File:
    """A model file that has been read; whatever the bytes are, it is one, or a ``LoadError``."""

    @staticmethod
    def open(path: str) -> File: ...
    @staticmethod
    def parse(data: bytes, name: str) -> File:
        """``name`` is what errors call the file."""
    @property
    def kind(self) -> str:
        """``"model"``, ``"weights"`` or ``"state"``."""
    def text(self, key: str) -> str | None:
        """One of its texts, which is JSON that nests no deeper than a parser allows."""
    @property
    def weights(self) -> list[tuple[str, tuple[int, ...]]]:
        """Path and shape of each variable."""
    def values(self, index: int) -> NDArray[np.float32]: ...
    @property
    def has_optimizer(self) -> bool: ...
    @property
    def random(self) -> tuple[int, int, int] | None:
        """A model's seed, and its ``position``."""
    @property
    def choices(self) -> list[tuple[str, int, str]]:
        """What the device ``"auto"`` had chosen, see ``Model.choices``."""
    def check(self) -> None:
        """Builds the engine's model of a file that has one, and forgets it."""
    def ration(self, on: bool) -> None:
        """While on, this thread makes no more variables than the file has, and draws no numbers for them."""
    def restore(self, variables: Sequence[Variable], optimizer: Optimizer | None) -> None:
        """Puts variables and state in place; where anything does not fit, nothing is changed."""

def write_file(
    path: str | None,
    kind: str,
    texts: Sequence[tuple[str, str]],
    variables: Sequence[Variable],
    optimizer: Optimizer | None,
    random: tuple[int, int, int] | None,
) -> bytes | None:
    """Writes a model file, whole or not at all; without a path, gives its bytes. A failure is an ``OSError``."""

def activation(config: str, x: NDArray[Any]) -> NDArray[np.float32]:
    """Applies an activation (its name, or a ``class_name`` form with parameters) along the last axis."""

def loss_values(config: str, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[np.float32]:
    """The loss of each row (the last axis reduced), before weights and reduction."""

def loss_gradient(config: str, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[np.float32]:
    """The derivative of each row's loss by ``y_pred``, of its shape."""

def metric_values(config: str, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[np.float32]:
    """The metric of each row (the last axis reduced), before weights and averaging."""

def metric_variables(config: str, columns: int) -> list[tuple[str, list[int]]]:
    """Name and shape of each of Keras's variables of a metric, for predictions of so many columns. A state holds them
    one after the other, and starts at 0."""

def metric_add(
    config: str,
    state: NDArray[np.float64],
    y_true: NDArray[Any],
    y_pred: NDArray[Any],
    sample_weight: NDArray[Any] | None = None,
) -> None:
    """Takes rows into a state, in place. ``y_true`` is like ``y_pred``, ``(rows, columns)``, or a class id a row, as
    the metric wants; ``sample_weight`` has a number a row, or one for each prediction."""

def metric_result(config: str, state: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers that a state stands for: one, or one a threshold, class or column where Keras gives an array."""

def initialize(config: str, shape: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Draws one array from an initializer."""

def compute_fans(shape: Sequence[int]) -> tuple[int, int]:
    """Inputs and outputs of a weight of this shape."""

def regularizer_value(config: str, x: NDArray[Any]) -> float:
    """The penalty on an array of at least one axis, summed in double precision."""

def regularizer_gradient(config: str, x: NDArray[Any]) -> NDArray[np.float32]:
    """Its gradient, of the shape of ``x``."""

def constrain(config: str, w: NDArray[Any]) -> NDArray[np.float32]:
    """The projection of weights of at least one axis, as a new array."""

def names(kind: str) -> list[str]:
    """Every name the engine knows of a kind: layers, activations, losses, metrics, optimizers, initializers,
    regularizers, constraints."""

def runs_on_gpu(kind: str, config: str) -> bool:
    """Whether the GPU backend can do what a configuration of a kind (layers, losses, metrics, optimizers, activations)
    asks for; if not, it refuses it by name."""

def schedule_value(config: str, step: float) -> float:
    """A learning rate schedule at a step."""

def set_random_seed(seed: int) -> None:
    """Makes the seeds that ``next_seed`` gives, and so every model built from now on, reproducible."""

def next_seed() -> int:
    """The seed of the next model; from the operating system's entropy until a seed is set."""

def num_threads() -> int: ...
def set_num_threads(count: int | None) -> None:
    """``None`` goes back to the default: the cores this process may use, bounded by the environment."""

def devices() -> list[tuple[str, str]]:
    """Every device and what it is: ``("cpu", …)``, ``("gpu:0", …)``, …."""

def gpu_counters(index: int) -> tuple[int, int]:
    """Dispatches and submissions so far on ``"gpu:index"``, of the whole process."""

def adapters() -> list[dict[str, Any]]:
    """What the drivers say of ``"gpu:0"`` and so on; nothing is opened.

    ``device``, ``name``, ``type``, ``interface``, ``driver``, and dicts of ``limits`` and ``features``."""

def wgpu_version() -> str | None:
    """The version of wgpu; ``None`` in a build without GPUs."""

def device() -> str:
    """The device of sessions that name none."""

def set_device(name: str | None) -> None:
    """Opens a device and makes it the one of sessions that name none; ``None`` goes back to ``IRONHORN_DEVICE``'s."""

def cpu_level() -> str:
    """``"avx512"``, ``"avx2"`` or ``"portable"``: the kernels in use."""

def _inject_panic(site: str) -> None:
    """For the tests: the next visit to a site (``"worker"``, ``"caller"``) panics, once."""
