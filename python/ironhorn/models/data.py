"""Arrays on their way to the engine: checked together, split and weighted; and the numbers that ``fit`` takes."""

import dataclasses
import math
import operator
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Array
from .sparse import SparseRows
from .spread import spread_inputs, spread_targets, spread_weights


@dataclasses.dataclass(frozen=True)
class Data:
    """Arrays of equal length: one an input, one an output, one of weights an output; ``None`` where there is none.

    Inputs and targets may be ``SparseRows``.
    """

    x: list[Any]
    y: list[Any]
    sample_weight: list[Array | None]

    def __len__(self) -> int:
        return int(self.x[0].shape[0])

    def rows(self, part: slice) -> "Data":
        """Views of some rows."""
        y, weights = ([None if a is None else a[part] for a in arrays] for arrays in (self.y, self.sample_weight))
        return Data([array[part] for array in self.x], y, weights)

    def take(self, rows: NDArray[Any]) -> "Data":
        """Copies of some rows, dense."""
        y, weights = ([None if a is None else a[rows] for a in arrays] for arrays in (self.y, self.sample_weight))
        return Data([array[rows] for array in self.x], y, weights)

    @property
    def is_sparse(self) -> bool:
        """Whether any of it is."""
        return any(isinstance(array, SparseRows) for array in (*self.x, *self.y))

    def unweighted(self) -> "Data":
        """The same without weights."""
        return Data(self.x, self.y, [None] * len(self.y))


def pack(
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    prefix: str = "",
    keep_sparse: bool = False,
) -> Data:
    """Checks and converts what ``fit`` and ``evaluate`` take.

    Args:
        model: gives the names and the structures of inputs and outputs.
        x, y, sample_weight: arrays, or lists and dicts of them; ``y`` is ``None`` for predictions.
        class_weight: weights by class, for models of one output.
        prefix: what stands before the arguments' names in errors.
        keep_sparse: whether matrices of ``scipy.sparse`` stay sparse, rather than become dense.

    Raises:
        ValueError: if lengths differ, there are no rows, or both kinds of weights are given.
        TypeError: for values that are no arrays of numbers.
    """
    inputs = spread_inputs(model, x, f"{prefix}x", keep_sparse)
    outputs = model._outputs()
    targets: list[Array | None] = [None] * outputs.count
    if y is not None:
        targets = spread_targets(model, outputs, y, f"{prefix}y", keep_sparse)
    weights: list[Array | None] = [None] * outputs.count
    if sample_weight is not None:
        weights = spread_weights(outputs, sample_weight, f"{prefix}sample_weight")
    sizes: dict[str, Sequence[Array | None]] = {
        f"{prefix}x": inputs,
        f"{prefix}y": targets,
        f"{prefix}sample_weight": weights,
    }
    lengths = {name: [len(array) for array in arrays if array is not None] for name, arrays in sizes.items()}
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
        y = targets[0]
        weights = [class_weights(y.dense() if isinstance(y, SparseRows) else y, class_weight)]
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

    return data.rows(slice(None, at)), data.rows(slice(at, None))


def unpack_validation(validation_data: Any) -> tuple[Any, Any, Any]:
    """The inputs, targets and weights of ``(x, y)`` or ``(x, y, sample_weight)``."""
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        size = f" of length {len(validation_data)}" if isinstance(validation_data, (tuple, list)) else ""
        raise ValueError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight), or give batches of them. "
            f"Received: {type(validation_data).__name__}{size}"
        )
    x, y, weights = (*validation_data, None)[:3]
    return x, y, weights


def unpack_batch(batch: Any, kind: str) -> tuple[Any, Any, Any]:
    """The inputs, targets and weights of a batch: a tuple or list of one to three, or inputs alone.

    Raises:
        ValueError: for other tuples.
    """
    if not isinstance(batch, (tuple, list)):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            f"A {kind} must give tuples, either (input,) or (inputs, targets) or (inputs, targets, sample_weights). "
            f"Received: {type(batch).__name__} of length {len(batch)}"
        )
    x, y, weights = (*batch, None, None)[:3]
    return x, y, weights


def refuse_besides(kind: str, y: Any, sample_weight: Any, validation_split: float = 0.0, prefix: str = "") -> None:
    """Refuses what a source of batches brings itself.

    Raises:
        ValueError: if any of it is given.
    """
    for name, what, value in (("y", "the targets", y), ("sample_weights", "the sample weights", sample_weight)):
        if value is not None:
            raise ValueError(
                f"When providing `{prefix}x` as a {kind}, `{name}` should not be passed. Instead, {what} should be "
                f"included as part of the {kind}."
            )
    if validation_split:
        raise ValueError(
            f"Argument `validation_split` is only supported for arrays. Received: `x` as a {kind}, "
            f"validation_split={validation_split}"
        )


def require_targets(y: Any) -> Any:
    """``y``, which must be there."""
    if y is None:
        raise ValueError("`y` must be given: the loss compares the outputs with it. Received: None")
    return y


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
