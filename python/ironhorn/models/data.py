"""Arrays on their way to the engine: what is taken, what is refused, how it is split and weighted.

An ndarray of a numeric dtype goes to the engine as it is, whatever its strides; everything else becomes one.
"""

import dataclasses
import math
import operator
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers.structure import flatten, keys_of

Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Data:
    """Arrays of equal length: one an input, one an output, one of weights an output; ``None`` where there is none."""

    x: list[Array]
    y: list[Array | None]
    sample_weight: list[Array | None]

    def __len__(self) -> int:
        return int(self.x[0].shape[0])

    def rows(self, part: slice) -> "Data":
        """Views of some rows."""
        y, weights = ([None if a is None else a[part] for a in arrays] for arrays in (self.y, self.sample_weight))
        return Data([array[part] for array in self.x], y, weights)

    def unweighted(self) -> "Data":
        """The same without weights."""
        return Data(self.x, self.y, [None] * len(self.y))


def as_array(value: Any, argument: str) -> Array:
    """The value as an ndarray of booleans, integers or floats with a batch axis; ndarrays are not copied.

    Raises:
        TypeError: if it is no array-like of numbers.
        ValueError: if it is a scalar, or a list of rows of unequal lengths.
    """
    if isinstance(value, (list, tuple)) and len(value) == 1 and hasattr(value[0], "__array__") and np.ndim(value[0]):
        value = value[0]
    if isinstance(value, np.ndarray):
        array: Array = value
    elif isinstance(value, (Mapping, str, bytes)) or not (
        hasattr(value, "__array__") or isinstance(value, (list, tuple, range, int, float))
    ):
        hint = " Call its `toarray()` first." if hasattr(value, "toarray") else ""
        raise TypeError(
            f"`{argument}` must be a NumPy array, a list, a pandas frame or series, or have `__array__`.{hint} "
            f"Received: {type(value).__name__}"
        )
    else:
        array = _convert(value, argument)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"`{argument}` must hold numbers (booleans, integers or floats). Received: dtype {array.dtype}")
    if array.ndim == 0:
        raise ValueError(f"`{argument}` must have at least one dimension, the batch. Received: the scalar {value!r}")
    if array.dtype.char == "g":  # long double: wider than what the engine reads
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _convert(value: Any, argument: str) -> Array:
    columns = getattr(value, "dtypes", None)  # pandas: a frame has dtypes, a series has one dtype by that name
    if columns is not None and hasattr(value, "to_numpy"):
        dtypes = list(columns) if hasattr(columns, "__iter__") else [columns]
        kinds = [getattr(dtype, "kind", "O") for dtype in dtypes]
        if dtypes and all(kind in "biuf" for kind in kinds):
            plain = all(isinstance(dtype, np.dtype) for dtype in dtypes)
            common = np.result_type(*dtypes) if plain else np.dtype(np.float64)
            array: Array = value.to_numpy(dtype=common) if plain else value.to_numpy(dtype=common, na_value=np.nan)
            return array
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"`{argument}` does not form an array of numbers: {error}") from error


def pack(
    model: Any, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, prefix: str = ""
) -> Data:
    """Checks and converts what ``fit`` and ``evaluate`` take.

    Args:
        model: gives the names and the structures of inputs and outputs.
        x, y, sample_weight: arrays, or lists and dicts of them; ``y`` is ``None`` for predictions.
        class_weight: weights by class, for models of one output.
        prefix: what stands before the arguments' names in errors.

    Raises:
        ValueError: if lengths differ, there are no rows, or both kinds of weights are given.
        TypeError: for values that are no arrays of numbers.
    """
    inputs = spread_inputs(model, x, f"{prefix}x")
    outputs = model._outputs()
    targets: list[Array | None] = [None] * outputs.count
    if y is not None:
        targets = spread_targets(model, outputs, y, f"{prefix}y")
    weights: list[Array | None] = [None] * outputs.count
    if sample_weight is not None:
        weights = spread_weights(outputs, sample_weight, f"{prefix}sample_weight")
    sizes = {f"{prefix}x": inputs, f"{prefix}y": targets, f"{prefix}sample_weight": weights}
    lengths = {name: [len(a) for a in arrays if a is not None] for name, arrays in sizes.items()}
    if len({length for found in lengths.values() for length in found}) > 1:
        listed = "\n".join(f"'{name}' sizes: {', '.join(map(str, found))}" for name, found in lengths.items() if found)
        raise ValueError(
            "Data cardinality is ambiguous. Make sure all arrays contain the same number of samples.\n" + listed
        )
    n = len(inputs[0])
    if not n:
        raise ValueError(f"`{prefix}x` holds no samples. Received: shape {inputs[0].shape}")
    if sample_weight is not None and class_weight is not None:
        raise ValueError("You cannot `class_weight` and `sample_weight` at the same time.")
    for index, array in enumerate(weights):
        if array is None:
            continue
        if array.shape not in ((n,), (n, 1)):
            raise ValueError(
                f"`{prefix}sample_weight` must have one weight a sample, shape ({n},). Received: shape {array.shape}"
            )
        weights[index] = array.reshape(-1)
    if class_weight is not None:
        if outputs.count > 1:
            raise ValueError("`class_weight` is only supported for Models with a single output.")
        weights = [class_weights(targets[0], class_weight)]
    return Data(inputs, targets, weights)


def spread_inputs(model: Any, x: Any, argument: str = "inputs") -> list[Array]:
    """One array an input, in their order; dicts go by the inputs' names.

    Raises:
        ValueError: if an input is missing, or there are too many.
    """
    if x is None:
        raise ValueError(f"`{argument}` must be given. Received: None")
    try:
        structure = model._structure()[0]
    except AttributeError:  # not built yet: one input
        return [as_array(x, argument)]
    names = model.input_names
    if isinstance(x, Mapping):
        keys = keys_of(structure) if isinstance(structure, Mapping) else names
        missing = [key for key in keys if key not in x]
        if missing:
            raise ValueError(
                f'Missing data for input "{missing[0]}". You passed a data dictionary with keys {list(x)}. '
                f"Expected the following keys: {keys}"
            )
        values = flatten([x[key] for key in keys])
    elif len(names) == 1:
        values = [x]
    elif isinstance(structure, Mapping):
        raise ValueError(
            f'Layer "{model.name}" expects {len(names)} named input(s) with keys {keys_of(structure)}, but it received '
            f"{len(x) if isinstance(x, (list, tuple)) else 1} input tensors. Pass inputs as a dict."
        )
    else:
        values = flatten_to(structure, x)
        if len(values) != len(names):
            raise ValueError(
                f'Layer "{model.name}" expects {len(names)} input(s), but it received {len(values)} input tensors.'
            )
    if len(names) == 1:
        return [as_array(values[0], argument)]
    return [as_array(value, f"{argument}: '{name}'") for name, value in zip(names, values, strict=True)]


def flatten_to(structure: Any, value: Any) -> list[Any]:
    """The entries of ``value`` that stand where ``structure`` has leaves; lists of numbers there stay whole."""
    if isinstance(structure, (list, tuple)) and isinstance(value, (list, tuple)):
        if len(structure) != len(value):
            return list(value)
        return [leaf for part, entry in zip(structure, value, strict=True) for leaf in flatten_to(part, entry)]
    if isinstance(structure, Mapping) and isinstance(value, Mapping) and set(structure) == set(value):
        return [leaf for key in keys_of(structure) for leaf in flatten_to(structure[key], value[key])]
    return [value]


def spread_targets(model: Any, outputs: Any, y: Any, argument: str) -> list[Array | None]:
    """One array an output; ``None`` for outputs without a loss.

    Raises:
        ValueError: if their number or names are not the outputs', or one that has a loss is missing.
    """
    if isinstance(y, Mapping):
        values = outputs.by_name(dict(y), argument, True)
    elif outputs.count == 1:
        values = [y]
    else:
        values = flatten_to(outputs.structure, y)
        trained = [output.loss is not None for output in model._compiled_outputs]
        if isinstance(y, (list, tuple)) and len(y) == sum(trained) < outputs.count:
            given = iter(y)
            values = [next(given) if has_loss else None for has_loss in trained]
        if len(values) != outputs.count:
            shown = ["*"] * len(y) if isinstance(y, (list, tuple)) else "*"
            raise ValueError(
                f"y_true and y_pred have different structures.\ny_true: {shown}\ny_pred: {outputs.shown}\n"
            )
    arrays: list[Array | None] = []
    for name, value, output in zip(outputs.names, values, model._compiled_outputs, strict=True):
        where = argument if outputs.count == 1 else f"{argument}: '{name}'"
        if value is None and (output.loss is not None or output.metrics or output.weighted):
            raise ValueError(f"`{where}` must be given: the output has a loss or metrics. Received: None")
        arrays.append(None if value is None else as_array(value, where))
    return arrays


def spread_weights(outputs: Any, weights: Any, argument: str) -> list[Array | None]:
    """One array of weights an output; one array alone serves all of them."""
    if isinstance(weights, Mapping):
        values = outputs.by_name(dict(weights), argument, True)
    elif outputs.count == 1:
        values = [weights]
    elif isinstance(weights, (list, tuple)) and any(one is None or np.ndim(one) for one in weights):
        values = flatten_to(outputs.structure, weights)
        if len(values) != outputs.count:
            raise ValueError(
                f"`{argument}` must be one array, or one for each of the {outputs.count} outputs. "
                f"Received: {len(values)} entries"
            )
    else:
        values = [weights] * outputs.count
    return [None if value is None else as_array(value, argument) for value in values]


def adjust_ranks(model: Any, arrays: Sequence[Array]) -> list[Array]:
    """The inputs with one axis of length 1 more, or less, at the end where the model has it so.

    Raises:
        ValueError: if a shape is not that of the model's input.
    """
    adjusted = []
    for index, (array, tensor) in enumerate(zip(arrays, model.inputs, strict=True)):
        x = adjust_rank(array, tensor.shape)
        if len(arrays) > 1 and (x.ndim != len(tensor.shape) or x.shape[1:] != tensor.shape[1:]):
            raise ValueError(
                f"Input {index} with name '{tensor.name}' of layer '{model.name}' is incompatible with the layer: "
                f"expected shape={tensor.shape}, found shape={x.shape}"
            )
        adjusted.append(x)
    return adjusted


def class_weights(y: Array | None, class_weight: Any) -> NDArray[np.float32]:
    """One weight a sample by its class; 1 for classes that are not named."""
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"`class_weight` must be a dict from class to weight. Received: {class_weight!r}")
    if y is None:
        raise ValueError("`class_weight` needs `y`. Received: y=None")
    if y.ndim > 1:
        y = y[..., 0] if y.shape[-1] == 1 else np.argmax(y, axis=-1)
    if y.ndim != 1:
        raise ValueError(f"`class_weight` needs one class a sample. Received: y whose classes have shape {y.shape}")
    with np.errstate(invalid="ignore"):
        classes = np.round(y).astype(np.int64)
    weights = np.ones(len(classes), np.float32)
    for index, weight in class_weight.items():
        if isinstance(weight, str) or not hasattr(weight, "__float__"):
            raise TypeError(f"`class_weight` must hold numbers. Received: {index!r}: {weight!r}")
        weights[classes == index] = float(weight)
    return weights


def split(data: Data, validation_split: float) -> tuple[Data, Data]:
    """Views of the first rows, to train on, and of the last, to validate with.

    Raises:
        ValueError: if the share is outside of [0, 1), or one side would be empty.
    """
    n = len(data)
    at = math.floor(n * (1.0 - validation_split))
    if at in (0, n):
        raise ValueError(
            f"Training data contains {n} samples, which is not sufficient to split it into a validation and training "
            f"set as specified by `validation_split={validation_split}`. Either provide more data, or a different "
            "value for the `validation_split` argument."
        )

    return data.rows(slice(None, at)), data.rows(slice(at, None))


def unpack_validation(model: Any, validation_data: Any) -> Data:
    """``(x, y)`` or ``(x, y, sample_weight)`` checked and converted."""
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        size = f" of length {len(validation_data)}" if isinstance(validation_data, (tuple, list)) else ""
        raise ValueError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight). "
            f"Received: {type(validation_data).__name__}{size}"
        )
    x, y, weights = (*validation_data, None)[:3]
    return pack(model, x, require_targets(y), weights, prefix="validation_data: ")


def require_targets(y: Any) -> Any:
    """``y``, which must be there."""
    if y is None:
        raise ValueError("`y` must be given: the loss compares the outputs with it. Received: None")
    return y


def adjust_rank(x: Array, input_shape: tuple[int | None, ...]) -> Array:
    """A view with one axis of length 1 more, or less, at its end where the model's input has it so."""
    if x.ndim == len(input_shape) - 1 and input_shape[-1] == 1:
        return x[..., None]
    if x.ndim == len(input_shape) + 1 and x.shape[-1] == 1:
        return x[..., 0]
    return x


def plan_batches(n: int, batch_size: int | None, steps: int | None, argument: str) -> tuple[int, int | None]:
    """The batch size, 32 or what ``steps`` asks for by default, and the steps where they cut the epoch short."""
    if batch_size is None:
        batch_size = math.ceil(n / steps) if steps else 32
    batches = math.ceil(n / batch_size)
    if steps is not None and steps > batches:
        warnings.warn(
            f"Your input ran out of data: `{argument}` asks for {steps} batches, and {n} samples make {batches} of "
            f"{batch_size}.",
            UserWarning,
            stacklevel=3,
        )
    return batch_size, None if steps is None or steps >= batches else steps


def integer(value: Any, argument: str, lowest: int) -> int:
    """An integer of at least ``lowest``.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is smaller.
    """
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"`{argument}` must be an integer. Received: {argument}={value!r}") from None
    if number < lowest:
        raise ValueError(f"`{argument}` must be at least {lowest}. Received: {argument}={number}")
    return number


def optional_integer(value: Any, argument: str) -> int | None:
    """``None`` or an integer of at least 1."""
    return None if value is None else integer(value, argument, 1)


def fraction(value: Any, argument: str) -> float:
    """A number in [0, 1)."""
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise TypeError(f"`{argument}` must be a number. Received: {argument}={value!r}")
    number = float(value)
    if not 0 <= number < 1:
        raise ValueError(f"`{argument}` must be at least 0 and below 1. Received: {argument}={value!r}")
    return number


def verbosity(value: Any) -> int:
    """0, 1 or 2; ``"auto"`` is 1."""
    if isinstance(value, str):
        if value == "auto":
            return 1
    elif value in (0, 1, 2):
        return int(value)
    raise ValueError(f"`verbose` must be 'auto', 0, 1 or 2. Received: verbose={value!r}")
