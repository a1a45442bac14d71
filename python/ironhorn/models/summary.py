"""The text of ``summary()``, as Keras prints it: the table that the package rich would draw, without it."""

import dataclasses
import math
import os
import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from ..layers.structure import flatten, map_structure

_WORDS = re.compile(r"\s*\S+\s*")


def _memory(count: int) -> str:
    size = count * 4.0
    for unit in ("B", "KB", "MB", "GB", "TB", "PB"):
        if size / 1024 < 1:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


def _wrap(text: str, width: int) -> list[str]:
    """Breaks at spaces; words longer than the width end in an ellipsis."""
    lines: list[str] = [""]
    for match in _WORDS.finditer(text):
        word = match.group()
        length = len(word.rstrip())
        if len(lines[-1]) + length > width and lines[-1]:
            lines.append("")
        lines[-1] += word
    lines = [line.rstrip() for line in lines]
    return [line if len(line) <= width else line[: max(width - 1, 0)] + "…" for line in lines]


def _fold(text: str, width: int) -> list[str]:
    """Breaks at spaces, of which those within the width stay; words longer than the width are cut into pieces."""
    lines: list[str] = [""]
    for match in _WORDS.finditer(text):
        word = match.group()
        length = len(word.rstrip())
        if len(lines[-1]) + length > width:
            if length > width:
                word = lines.pop() + word if not lines[-1].strip() else word
                pieces = [word[start : start + width] for start in range(0, len(word), width)]
                lines += pieces
                continue
            if lines[-1]:
                lines.append("")
        lines[-1] += word
    return [line[: max(width, len(line.rstrip()))] for line in lines]


def _fit(widths: list[int], total: int) -> list[int]:
    """Content widths, with padding and borders, brought to the table's width as rich does it."""
    padded = [width + 2 for width in widths]
    remaining = sum(padded) + len(padded) + 1 - total
    spare, shares = -remaining, sum(padded)
    if spare > 0:
        for index, width in enumerate(padded):
            given = math.ceil(width * spare / shares)
            padded[index] += given
            spare, shares = spare - given, shares - width
    for index in range(len(padded)):
        if remaining > 0:
            taken = min(padded[index], round(remaining / (len(padded) - index)))
            padded[index] -= taken
            remaining -= taken
    return [max(width - 2, 1) for width in padded]


def _align(line: str, width: int, how: str) -> str:
    if how == "center":
        left = (width - len(line)) // 2
        return " " * left + line + " " * (width - len(line) - left)
    return line.rjust(width) if how == "right" else line.ljust(width)


def _pad(lines: list[str], height: int, bottom: bool) -> list[str]:
    empty = [""] * (height - len(lines))
    return empty + lines if bottom else lines + empty


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], alignment: Sequence[str], widths: list[int]) -> str:
    def rule(left: str, fill: str, middle: str, right: str) -> str:
        return left + middle.join(fill * (width + 2) for width in widths) + right

    def row(cells: Sequence[str], bar: str, bottom: bool = False) -> list[str]:
        wrapped = [_wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
        height = max(len(lines) for lines in wrapped)
        columns = [
            [_align(line, width, how) for line in _pad(lines, height, bottom)]
            for lines, width, how in zip(wrapped, widths, alignment, strict=True)
        ]
        return [f"{bar} " + f" {bar} ".join(parts) + f" {bar}" for parts in zip(*columns, strict=True)]

    lines = [rule("┏", "━", "┳", "┓"), *row(header, "┃", bottom=True), rule("┡", "━", "╇", "┩")]
    for index, cells in enumerate(rows):
        lines += [*([rule("├", "─", "┼", "┤")] if index else []), *row(cells, "│")]
    return "\n".join([*lines, rule("└", "─", "┴", "┘")])


def _shape_text(shape: Any) -> str:
    return "(" + ", ".join(str(size) for size in shape) + ")"


def _output_shape(layer: Any) -> str:
    """The shape of the results of the layer's last call, else of what it was built for."""
    if layer._inbound_nodes:
        shapes = map_structure(lambda tensor: _shape_text(tensor.shape), layer._inbound_nodes[-1].outputs)
        flat = flatten(shapes)
        return flat[0] if len(flat) == 1 else str(shapes).replace("'", "")
    if layer.built and layer._built_shape is not None:
        return _shape_text(layer.compute_output_shape(layer._built_shape))
    return "?"


def _connections(layer: Any, nodes: set[int]) -> str:
    found = []
    for node in layer._inbound_nodes:
        if id(node) in nodes:
            for tensor in node.input_tensors:
                history = tensor._keras_history
                found.append(f"{history.operation.name}[{history.node_index}][{history.tensor_index}]")
    return ", ".join(found) or "-"


def _fields(layer: Any, prefix: str, show_trainable: bool, nodes: set[int] | None) -> list[str]:
    count = f"{layer.count_params():,}" if layer.built else "0 (unbuilt)" if layer._records_build else "0"
    fields = [f"{prefix}{layer.name} ({type(layer).__name__})", _output_shape(layer), count]
    if nodes is not None:
        fields.append(_connections(layer, nodes))
    if show_trainable:
        fields.append(("Y" if layer.trainable else "N") if layer.built and layer.variables else "-")
    return fields


def _rows(layer: Any, expand: bool, show_trainable: bool, nodes: set[int] | None, level: int = 0) -> list[list[str]]:
    rows = [_fields(layer, "   " * level + "└ " if level else "", show_trainable, nodes)]
    if expand:
        for inner in getattr(layer, "layers", ()):
            rows += _rows(inner, expand, show_trainable, nodes, level + 1)
    return rows


def _in_range(layers: list[Any], layer_range: Sequence[str] | None) -> list[Any]:
    if layer_range is None:
        return layers
    if len(layer_range) != 2:
        raise ValueError(
            "layer_range must be a list or tuple of length 2. "
            f"Received: layer_range = {layer_range} of length {len(layer_range)}"
        )
    if not all(isinstance(name, str) for name in layer_range):
        raise ValueError(f"layer_range should contain string type only. Received: {layer_range}")
    first, last = (
        [index for index, layer in enumerate(layers) if re.match(pattern, layer.name)] for pattern in layer_range
    )
    if not first or not last:
        raise ValueError(f"Passed layer_names do not match the layer names in the model. Received: {layer_range}")
    if min(first) > max(last):
        first, last = last, first
    return layers[min(first) : max(last) + 1]


def _is_branched(model: Any) -> bool:
    """Whether the table tells what is connected to what."""
    graph = getattr(model, "_graph", None)
    return graph is not None and not graph.sequential


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a summary tells: a table, and the counts below it by their names."""

    header: list[str]
    alignment: list[str]
    rows: list[list[str]]
    counts: dict[str, int]


def contents(
    model: Any, expand_nested: bool = False, show_trainable: bool = False, layer_range: Sequence[str] | None = None
) -> Contents:
    """Collects what ``summary()`` prints."""
    header, alignment = ["Layer (type)", "Output Shape", "Param #"], ["left", "left", "right"]
    nodes: set[int] | None = None
    if _is_branched(model):
        nodes = {id(node) for node in model._graph.nodes}
        header, alignment = [*header, "Connected to"], [*alignment, "left"]
    if show_trainable:
        header, alignment = [*header, "Trainable"], [*alignment, "center"]
    rows = [
        row
        for layer in _in_range(model.layers, layer_range)
        for row in _rows(layer, expand_nested, show_trainable, nodes)
    ]
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    fixed = sum(math.prod(variable.shape) for variable in model.non_trainable_variables)
    counts = {"Total": trainable + fixed, "Trainable": trainable, "Non-trainable": fixed}
    if model.optimizer is not None and model.optimizer.built and model.built:
        slots = model._engine_model().slot_count() + 2  # and the step counter and the learning rate
        counts |= {"Total": counts["Total"] + slots, "Optimizer": slots}
    return Contents(header, alignment, rows, counts)


def count_line(name: str, count: int) -> str:
    """A line below the table."""
    return f"{name} params: {count:,} ({_memory(count)})"


def _console_width() -> int:
    """The width beyond which lines are cut, as rich finds it."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit():
        return int(columns)
    for stream in (0, 1, 2):
        try:
            return os.get_terminal_size(stream).columns or 80
        except (AttributeError, ValueError, OSError):
            continue
    return 80


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Prints the summary of a model; the arguments are those of ``Model.summary``."""
    connected = _is_branched(model)
    ends = list(positions or ([0.3, 0.56, 0.74, 1.0] if connected else [0.45, 0.80, 1.0]))
    default_length = 108 if connected else 88
    if show_trainable:
        default_length += 12
        ends = [end * 0.90 for end in ends] + [1.0]
    line_length = line_length or min(default_length, shutil.get_terminal_size().columns - 4)
    widths: list[int] = []
    for end in ends:
        widths.append(int(end * line_length) - sum(widths))
        if widths[-1] < 4:
            raise ValueError("Insufficient console width to print summary.")
    told = contents(model, expand_nested, show_trainable, layer_range)
    if len(widths) < len(told.header):
        raise ValueError(f"`positions` must have one number a column, {told.header}. Received: positions={positions}")
    width = _console_width()
    table = _table(told.header, told.rows, told.alignment, _fit(widths[: len(told.header)], line_length))
    lines = [
        *_fold(f'Model: "{model.name}"', width),
        *(line[:width] for line in table.split("\n")),
        *(line for name, count in told.counts.items() for line in _fold(" " + count_line(name, count), width)),
    ]
    text = "\n".join(lines) + "\n"
    if print_fn is not None:
        print_fn(text)
    else:
        from ..utils.progbar import print_msg

        print_msg(text, line_break=False)
