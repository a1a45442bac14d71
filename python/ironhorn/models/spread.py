"""Arrays by the names and structures of a model's inputs and outputs: what goes where.

Lists go by order, dicts by names; one array alone serves a model of one input, and as weights all outputs.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..layers.structure import flatten, flatten_with_path, keys_of, map_structure, pack_as
from .arrays import Array, adjust_rank, as_array
from .outputs import Output


def spread_inputs(model: Any, x: Any, argument: str = "inputs", keep_sparse: bool = False) -> list[Any]:
    """One array an input, in their order; dicts go by the inputs' names, and so do the columns of a pandas frame for a
    model of several inputs.

    With ``keep_sparse``, matrices of ``scipy.sparse`` stay sparse.

    Raises:
        ValueError: if an input is missing, or there are too many.
    """
    if x is None:
        raise ValueError(f"`{argument}` must be given. Received: None")
    try:
        structure = model._structure()[0]
    except AttributeError:  # not built yet: one input
        return [as_array(x, argument, keep_sparse)]
    names = model.input_names
    if len(names) > 1 and hasattr(x, "columns") and all(name in x.columns for name in names):
        x = {name: x[name] for name in names}
    if isinstance(structure, Mapping):
        x = by_keys(structure, x)
    if isinstance(x, Mapping):
        keys = keys_of(structure) if isinstance(structure, Mapping) else names
        missing = [key for key in keys if key not in x]
        if missing:
            raise ValueError(
                f'Missing data for input "{missing[0]}". You passed a data dictionary with keys {list(x)}. '
                f"Expected the following keys in `{argument}`: {keys}"
            )
        values = flatten([x[key] for key in keys])
    elif len(names) == 1:
        values = [x]
    elif isinstance(structure, Mapping):
        raise wrong_inputs(model.name, keys_of(structure), len(x) if isinstance(x, (list, tuple)) else 1)
    else:
        values = flatten_to(structure, x)
        if len(values) != len(names):
            raise wrong_inputs(model.name, names, len(values))
    for name, value in zip(names, values, strict=True):
        if value is None or (isinstance(value, (list, tuple)) and len(value) == 1 and value[0] is None):
            raise ValueError(f"`{argument}`: input '{name}' is not optional. Received: None")
    if len(names) == 1:
        rank = len(model.inputs[0].shape)
        parts: Sequence[Any] = values[0] if isinstance(values[0], (list, tuple)) and len(values[0]) > 1 else [None]
        if all(hasattr(part, "__array__") and np.ndim(part) == rank for part in parts):  # whole batches, no rows
            raise ValueError(f'Layer "{model.name}" expects 1 input(s), but it received {len(parts)} input tensors.')
        return [as_array(values[0], argument, keep_sparse)]
    return [as_array(value, f"{argument}: '{name}'", keep_sparse) for name, value in zip(names, values, strict=True)]


def by_keys(structure: Mapping[Any, Any], x: Any) -> Any:
    """What is meant for inputs that have keys: of a dict the entries with these keys, a list by the keys' order.

    As in Keras there is a warning where there is more, or no keys.

    Raises:
        ValueError: for a list where the inputs were given in another order than that of the sorted keys.
    """
    keys = keys_of(structure)
    by_order = isinstance(x, (list, tuple)) and len(x) == len(keys) > 1
    if not by_order and not (isinstance(x, Mapping) and set(x) > set(keys)):
        return x
    text = (
        "The structure of `inputs` doesn't match the expected structure.\n"
        f"Expected: {map_structure(lambda tensor: tensor.name, structure)}\n"
        f"Received: inputs={map_structure(lambda value: f'Tensor(shape={np.shape(value)})', x)}"
    )
    if by_order and list(structure) != keys:
        raise ValueError(text)
    warnings.warn(text, UserWarning, stacklevel=4)
    return dict(zip(keys, x, strict=True)) if by_order else {key: x[key] for key in keys}


def wrong_inputs(name: str, keys: Sequence[Any], received: int) -> ValueError:
    """The error for inputs that are too few or too many."""
    example = ", ".join(f"'{key}': ..." for key in keys)
    return ValueError(
        f'Layer "{name}" expects {len(keys)} named input(s) with keys {list(keys)}, but it received {received} input '
        f"tensors. Pass inputs as a dict, e.g. `layer({{{example}}})`."
    )


def flatten_to(structure: Any, value: Any) -> list[Any]:
    """The entries of ``value`` that stand where ``structure`` has leaves; lists of numbers there stay whole."""
    if isinstance(structure, (list, tuple)) and isinstance(value, (list, tuple)):
        if len(structure) != len(value):
            return list(value)
        return [leaf for part, entry in zip(structure, value, strict=True) for leaf in flatten_to(part, entry)]
    if isinstance(structure, Mapping) and isinstance(value, Mapping) and set(structure) == set(value):
        return [leaf for key in keys_of(structure) for leaf in flatten_to(structure[key], value[key])]
    return [value]


def spread_targets(model: Any, outputs: Any, y: Any, argument: str, keep_sparse: bool = False) -> list[Array | None]:
    """One array an output; ``None`` for outputs without a loss.

    Raises:
        ValueError: if their number or names are not the outputs', or one that has a loss is missing.
    """
    compiled = model._compiled_outputs or [Output(name) for name in outputs.names]
    if isinstance(y, Mapping):
        values = outputs.by_name(dict(y), argument, True)
    elif outputs.count == 1:
        values = [y]
    elif isinstance(outputs.structure, Mapping) and isinstance(y, (list, tuple)) and len(y) == outputs.count:
        values = list(y)  # by the order of the keys
    else:
        values = flatten_to(outputs.structure, y)
        trained = [output.loss is not None for output in compiled]
        if isinstance(y, (list, tuple)) and len(y) == sum(trained) < outputs.count:
            given = iter(y)
            values = [next(given) if has_loss else None for has_loss in trained]
        if len(values) != outputs.count:
            shown = ["*"] * len(y) if isinstance(y, (list, tuple)) else "*"
            raise ValueError(
                f"y_true and y_pred have different structures.\ny_true: {shown}\ny_pred: {outputs.shown}\n"
            )
    arrays: list[Array | None] = []
    for name, value, output in zip(outputs.names, values, compiled, strict=True):
        where = argument if outputs.count == 1 else f"{argument}: '{name}'"
        if value is None and (output.loss is not None or output.metrics or output.weighted):
            raise ValueError(f"`{where}` must be given: the output has a loss or metrics. Received: None")
        arrays.append(None if value is None else as_array(value, where, keep_sparse))
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


def pack_outputs(structure: Any, results: Sequence[Array]) -> Any:
    """Results in the structure of the outputs; a list of one is the one."""
    exact = [
        result.astype(tensor.dtype) if np.dtype(tensor.dtype).kind in "iu" else result
        for result, tensor in zip(results, flatten(structure), strict=True)
    ]
    packed = pack_as(structure, exact)
    return packed[0] if isinstance(packed, (list, tuple)) and len(packed) == 1 else packed


def adjust_ranks(model: Any, arrays: Sequence[Array]) -> list[Array]:
    """The inputs with one axis of length 1 more, or less, at the end where the model has it so.

    Raises:
        ValueError: if a shape is not that of the model's input.
    """
    adjusted = []
    for index, (array, tensor) in enumerate(zip(arrays, model.inputs, strict=True)):
        x = adjust_rank(array, tensor.shape)
        if x.ndim != len(tensor.shape):
            path, _ = flatten_with_path(model.input)[index]
            raise ValueError(
                f"Invalid input shape for input {index} with name '{tensor.name}' and path "
                f"'{'.'.join(str(part) for part in path)}'. Expected shape {tensor.shape}, but input has incompatible "
                f"shape {x.shape}"
            )
        if x.shape[1:] != tensor.shape[1:]:
            raise ValueError(
                f"Input {index} with name '{tensor.name}' of layer '{model.name}' is incompatible with the layer: "
                f"expected shape={tensor.shape}, found shape={x.shape}"
            )
        adjusted.append(x)
    return adjusted
