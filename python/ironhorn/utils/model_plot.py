"""A model as a picture: boxes for layers and arrows between them, as SVG, which every browser shows."""

import dataclasses
import os
from collections.abc import Iterator
from html import escape
from typing import Any

from ..layers.structure import map_structure
from .layered import Point, arrange

_PADDING, _MARGIN, _LABEL = 10.0, 12.0, 20.0


class Picture:
    """An SVG; notebooks show it.

    Attributes:
        svg: its text.
    """

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Picture of {len(self.svg)} characters of SVG>"


@dataclasses.dataclass(frozen=True)
class Options:
    """What boxes show; see ``plot_model``."""

    shapes: bool = False
    dtype: bool = False
    names: bool = False
    nested: bool = False
    activations: bool = False
    trainable: bool = False
    rankdir: str = "TB"


@dataclasses.dataclass
class Box:
    """Something drawn: its size, and its parts relative to its corner."""

    width: float
    height: float
    parts: list[str]


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.svg",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Picture:
    """Draws a model as SVG and writes it to a file; needs no other program.

    Args:
        model: a built model.
        to_file: a path that ends in ``.svg``.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: what boxes tell besides the
            class.
        rankdir: ``"TB"`` from top to bottom, ``"LR"`` from left to right, or ``"BT"``, ``"RL"``.
        expand_nested: whether to draw the layers inside of models.
        dpi, splines: accepted; an SVG has no dots, and arrows are straight lines.

    Returns:
        The picture, which a notebook shows.

    Raises:
        ValueError: if the model is not built, ``rankdir`` is another, or the path ends otherwise.
        OSError: if the file cannot be written.
    """
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments: {kwargs}")
    path = os.fspath(to_file)
    if not path.lower().endswith(".svg"):
        raise ValueError(f"plot_model: `to_file` must end in '.svg', the format it writes. Received: to_file={path!r}")
    if rankdir not in ("TB", "BT", "LR", "RL"):
        raise ValueError(f"plot_model: `rankdir` must be 'TB', 'BT', 'LR' or 'RL'. Received: rankdir={rankdir!r}")
    options = Options(
        show_shapes, show_dtype, show_layer_names, expand_nested, show_layer_activations, show_trainable, rankdir
    )
    picture = Picture(draw(model, options))
    with open(path, "w", encoding="utf-8") as file:
        file.write(picture.svg)
    return picture


def draw(model: Any, options: Options) -> str:
    """The SVG of a model.

    Raises:
        ValueError: if the model is not built.
    """
    if not model.built:
        raise ValueError(
            "This model has not yet been built. Build the model first by calling `build()` or by calling the model on "
            "a batch of data."
        )
    box = _graph(model, options)
    width, height = box.width + 2 * _MARGIN, box.height + 2 * _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Helvetica, Arial, sans-serif">',
        f"<title>{escape(model.name)}</title>",
        f'<g transform="translate({_MARGIN:.0f},{_MARGIN:.0f})">',
        *box.parts,
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _is_model(layer: Any) -> bool:
    return hasattr(layer, "layers") and hasattr(layer, "get_layer")


def _edges(model: Any) -> Iterator[tuple[int, int]]:
    """From layer to layer, by their places in ``model.layers``."""
    places = {id(layer): place for place, layer in enumerate(model.layers)}
    graph = getattr(model, "_graph", None)
    if graph is None:
        yield from zip(range(len(places) - 1), range(1, len(places)), strict=True)
        return
    found = set()
    for node in graph.nodes:
        for tensor in node.input_tensors:
            edge = (places.get(id(tensor.layer), -1), places.get(id(node.operation), -1))
            if min(edge) >= 0 and edge not in found and edge[0] != edge[1]:
                found.add(edge)
                yield edge


def _graph(model: Any, options: Options) -> Box:
    """The layers of a model with their arrows."""
    boxes = [(_cluster if options.nested and _is_model(layer) else _table)(layer, options) for layer in model.layers]
    sideways, backwards = options.rankdir in ("LR", "RL"), options.rankdir in ("BT", "RL")
    sizes = [(box.height, box.width) if sideways else (box.width, box.height) for box in boxes]
    placed = arrange(sizes, list(_edges(model)))

    def turn(point: Point) -> Point:
        x, y = (point[0], placed.height - point[1]) if backwards else point
        return (y, x) if sideways else (x, y)

    parts = []
    for box, centre in zip(boxes, placed.centres, strict=True):
        x, y = turn(centre)
        parts.append(f'<g transform="translate({x - box.width / 2:.1f},{y - box.height / 2:.1f})">')
        parts += [*box.parts, "</g>"]
    for route in placed.routes:
        parts.append(_arrow([turn(point) for point in route]))
    width, height = (placed.height, placed.width) if sideways else (placed.width, placed.height)
    return Box(width, height, parts)


def _arrow(points: list[Point]) -> str:
    """A line with a head; the head is drawn, because marks of SVG are known by names and names meet in one page."""
    (x0, y0), (x, y) = points[-2:]
    length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1e-9)
    dx, dy = (x - x0) / length, (y - y0) / length
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in [*points[:-1], (x - 7 * dx, y - 7 * dy)])
    corners = [(x, y), (x - 8 * dx + 4 * dy, y - 8 * dy - 4 * dx), (x - 8 * dx - 4 * dy, y - 8 * dy + 4 * dx)]
    head = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
    stroke = 'fill="none" stroke="#444" stroke-width="1.5"'
    return f'<polyline points="{line}" {stroke}/><polygon points="{head}" fill="#444"/>'


def _cluster(model: Any, options: Options) -> Box:
    """A model inside: its layers in a dashed frame."""
    inner = _graph(model, options)
    width = max(inner.width, _text_width(model.name, 13)) + 2 * _PADDING
    height = inner.height + 2 * _PADDING + _LABEL
    parts = [
        f'<rect width="{width:.1f}" height="{height:.1f}" fill="none" stroke="#666" stroke-dasharray="5,4"/>',
        _text(_PADDING, _LABEL - 4, escape(model.name), 13, "#333"),
        f'<g transform="translate({(width - inner.width) / 2:.1f},{_PADDING + _LABEL:.1f})">',
        *inner.parts,
        "</g>",
    ]
    return Box(width, height, parts)


def _text_width(text: str, size: float) -> float:
    return 0.6 * size * len(text)


def _text(x: float, y: float, content: str, size: int, colour: str, middle: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{anchor}>{content}</text>'


def _symbols(layer: Any, attribute: str, which: str) -> str:
    """Shape or dtype of a layer's symbols, or a question mark."""
    try:
        found = map_structure(lambda tensor: getattr(tensor, attribute), getattr(layer, which))
    except (AttributeError, ValueError):
        return "?"
    if isinstance(found, dict):
        return ", ".join(f"{key}: {value}" for key, value in found.items())
    return str(found)


def _cells(layer: Any, options: Options) -> list[tuple[str, str, str, str]]:
    """The cells of a box's last row: title, text, background, colour."""
    cells = []
    if options.shapes:
        if type(layer).__name__ != "InputLayer":
            cells.append(("Input shape: ", _symbols(layer, "shape", "input"), "white", "black"))
        cells.append(("Output shape: ", _symbols(layer, "shape", "output"), "white", "black"))
    if options.dtype:
        cells.append(("Output dtype: ", _symbols(layer, "dtype", "output"), "white", "black"))
    if options.trainable and layer.variables:
        cells.append(("", "Trainable", "forestgreen", "white"))
        if not layer.trainable:
            cells[-1] = ("", "Non-trainable", "firebrick", "white")
    return cells


def _table(layer: Any, options: Options) -> Box:
    """A layer's box, with the rows that Keras's has."""
    kind = type(layer).__name__
    title = [(layer.name, True), (f" ({kind})", False)] if options.names else [(kind, True)]
    rows: list[list[tuple[list[tuple[str, bool]], int, str, str]]] = [[(title, 16, "black", "white")]]
    activation = getattr(layer, "activation", None)
    if options.activations and activation is not None:
        name = getattr(activation, "name", None) or getattr(activation, "__name__", None) or str(activation)
        rows.append([([("Activation: ", False), (name, True)], 14, "white", "black")])
    cells = _cells(layer, options)
    if cells:
        rows.append([([(head, False), (text, True)], 14, back, colour) for head, text, back, colour in cells])

    def wide(cell: tuple[list[tuple[str, bool]], int, str, str]) -> float:
        return _text_width("".join(text for text, _ in cell[0]), cell[1]) + 2 * _PADDING

    width = max(sum(wide(cell) for cell in row) for row in rows)
    parts, y = [], 0.0
    for row in rows:
        height, x, spare = row[0][1] + 2 * _PADDING, 0.0, width - sum(wide(cell) for cell in row)
        for cell in row:
            texts, size, back, colour = cell
            own = wide(cell) + spare / len(row)
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{own:.1f}" height="{height:.1f}" fill="{back}" stroke="black"/>'
            )
            spans = [f'<tspan font-weight="bold">{escape(t)}</tspan>' if bold else escape(t) for t, bold in texts]
            parts.append(_text(x + own / 2, y + height / 2 + size * 0.35, "".join(spans), size, colour, middle=True))
            x += own
        y += height
    return Box(width, y, parts)
