"""Arrays on their way to the engine: what is taken, what is refused, how it is split and weighted.

An ndarray of a numeric dtype goes to the engine as it is, whatever its strides; everything else becomes one.
"""

import dataclasses
import math
import operator
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Data:
    """Arrays of equal length."""

    x: Array
    y: Array | None = None
    sample_weight: Array | None = None

    def __len__(self) -> int:
        return int(self.x.shape[0])


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


def pack(x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, prefix: str = "") -> Data:
    """Checks and converts what ``fit`` and ``evaluate`` take.

    Raises:
        ValueError: if lengths differ, there are no rows, or both kinds of weights are given.
        TypeError: for values that are no arrays of numbers.
    """
    if x is None:
        raise ValueError(f"`{prefix}x` must be given. Received: None")
    inputs = as_array(x, f"{prefix}x")
    targets = None if y is None else as_array(y, f"{prefix}y")
    weights = None if sample_weight is None else as_array(sample_weight, f"{prefix}sample_weight")
    sizes = {f"{prefix}x": inputs, f"{prefix}y": targets, f"{prefix}sample_weight": weights}
    lengths = {name: array.shape[0] for name, array in sizes.items() if array is not None}
    if len(set(lengths.values())) > 1:
        listed = "\n".join(f"'{name}' sizes: {length}" for name, length in lengths.items())
        raise ValueError(
            "Data cardinality is ambiguous. Make sure all arrays contain the same number of samples.\n" + listed
        )
    if not len(inputs):
        raise ValueError(f"`{prefix}x` holds no samples. Received: shape {inputs.shape}")
    if weights is not None:
        if class_weight is not None:
            raise ValueError("You cannot `class_weight` and `sample_weight` at the same time.")
        if weights.shape not in ((len(inputs),), (len(inputs), 1)):
            raise ValueError(
                f"`{prefix}sample_weight` must have one weight a sample, shape ({len(inputs)},). "
                f"Received: shape {weights.shape}"
            )
        weights = weights.reshape(-1)
    if class_weight is not None:
        weights = class_weights(targets, class_weight)
    return Data(inputs, targets, weights)


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

    def rows(part: slice) -> Data:
        y, weights = data.y, data.sample_weight
        return Data(data.x[part], None if y is None else y[part], None if weights is None else weights[part])

    return rows(slice(None, at)), rows(slice(at, None))


def unpack_validation(validation_data: Any) -> Data:
    """``(x, y)`` or ``(x, y, sample_weight)`` checked and converted."""
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        size = f" of length {len(validation_data)}" if isinstance(validation_data, (tuple, list)) else ""
        raise ValueError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight). "
            f"Received: {type(validation_data).__name__}{size}"
        )
    weights = validation_data[2] if len(validation_data) == 3 else None
    return pack(validation_data[0], validation_data[1], weights, prefix="validation_data: ")


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


def refuse_symbolic(inputs: Any, owner: str) -> None:
    """Functional models are not there yet."""
    from ..layers.input import KerasTensor

    if isinstance(inputs, KerasTensor):
        raise NotImplementedError(f"'{owner}' takes arrays; functional models are not there yet. Received: {inputs!r}")


def refuse_training(layer: Any, training: bool | None) -> None:
    """Calls are inference; dropout at a call is not there yet."""
    if training and any(getattr(inner, "rate", 0) for inner in layer._flat_layers()):
        raise NotImplementedError(f"'{layer.name}': `training=True` is not there yet for layers that draw numbers.")
