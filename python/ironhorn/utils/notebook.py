"""Models and histories as notebooks show them: plain HTML with inline SVG, no scripts, no styles of the page."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

_COLOURS = ("#1f77b4", "#d62728")  # of training and of validation
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 320.0, 200.0, 56.0, 26.0, 28.0


def model_html(model: Any) -> str:
    """A model: the table of ``summary()`` and, where it is built, its picture."""
    from ..models.summary import contents, count_line
    from .model_plot import Options, draw

    told = contents(model)
    aligned = [f'style="text-align:{how}"' for how in told.alignment]
    rows = [_row("td", row, aligned) for row in told.rows]
    counts = "".join(f"<div>{escape(count_line(name, count))}</div>" for name, count in told.counts.items())
    picture = ""
    if model.built:
        svg = draw(model, Options(shapes=True, names=True))
        picture = f"<details><summary>Picture</summary>{svg}</details>"
    return (
        f"<div><div><b>Model: {escape(repr(model.name))}</b></div>"
        f"<table><thead>{_row('th', told.header, aligned)}</thead><tbody>{''.join(rows)}</tbody></table>"
        f"{counts}{picture}</div>"
    )


def history_html(history: Any) -> str:
    """A history: a chart for each value with that of validation, and the last epoch's numbers."""
    values: dict[str, list[Any]] = history.history
    if not history.epoch:
        return "<div>History: no epoch yet</div>"
    charts = "".join(
        chart(title, history.epoch, [(name, values[name]) for name in names]) for title, names in groups(values)
    )
    aligned = ['style="text-align:left"', 'style="text-align:right"']
    last = [_row("td", [name, _number(column[-1])], aligned) for name, column in values.items() if column]
    head = _row("th", ["value", f"epoch {history.epoch[-1] + 1}"], aligned)
    table = f"<table><thead>{head}</thead><tbody>{''.join(last)}</tbody></table>"
    return f"<div><div>{charts}</div>{table}</div>"


def epochs_of(epochs: Sequence[int], count: int) -> list[int]:
    """The epochs that ``count`` values belong to: all, or every so many, as ``validation_freq`` has it."""
    every = max(len(epochs) // max(count, 1), 1)
    return list(epochs[every - 1 :: every])[:count]


def groups(values: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The names of a history, each with its ``val_`` name: what one chart shows."""
    titles = list(dict.fromkeys(name.removeprefix("val_") for name in values))
    return [(title, [name for name in (title, f"val_{title}") if name in values]) for title in titles]


def chart(title: str, epochs: Sequence[int], curves: Sequence[tuple[str, Sequence[Any]]]) -> str:
    """Curves over epochs, counted from 1, as SVG; what is no finite number is left out."""
    numbers = [[_float(value) for value in values] for _, values in curves]
    finite = [value for values in numbers for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    span = (high - low) or 1.0
    first, last = epochs[0], max(epochs[-1], epochs[0] + 1)

    def place(epoch: int, value: float) -> str:
        x = _LEFT + (epoch - first) / (last - first) * (_WIDTH - _LEFT - 10)
        y = _TOP + (high - value) / span * (_HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    base, right = _HEIGHT - _BOTTOM, _WIDTH - 10
    size = f'width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}"'
    frame = f'x="{_LEFT}" y="{_TOP}" width="{right - _LEFT}" height="{base - _TOP}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        f'<rect {frame} fill="none" stroke="#bbb"/>',
        f'<text x="{_LEFT}" y="14" font-weight="bold">{escape(title)}</text>',
        f'<text x="{_LEFT - 4}" y="{_TOP + 8}" text-anchor="end">{_number(high)}</text>',
        f'<text x="{_LEFT - 4}" y="{base}" text-anchor="end">{_number(low)}</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 10}">{first + 1}</text>',
        f'<text x="{right}" y="{_HEIGHT - 10}" text-anchor="end">{last + 1}</text>',
    ]
    for index, ((name, _), values) in enumerate(zip(curves, numbers, strict=True)):
        colour = _COLOURS[name.startswith("val_")]
        for run in _runs(list(zip(epochs_of(epochs, len(values)), values, strict=False))):
            points = [place(*point) for point in run]
            if len(points) == 1:
                x, y = points[0].split(",")
                parts.append(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>')
            else:
                stroke = f'fill="none" stroke="{colour}" stroke-width="1.5"'
                parts.append(f'<polyline points="{" ".join(points)}" {stroke}/>')
        parts.append(f'<text x="{right}" y="{12 + 12 * index}" text-anchor="end" fill="{colour}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def _runs(points: list[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Stretches of finite numbers."""
    runs: list[list[tuple[int, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _number(value: Any) -> str:
    number = _float(value)
    return f"{number:.4g}" if math.isfinite(number) else escape(str(value))


def _row(tag: str, cells: Sequence[str], attributes: Sequence[str]) -> str:
    texts = (f"<{tag} {more}>{escape(cell)}</{tag}>" for cell, more in zip(cells, attributes, strict=True))
    return f"<tr>{''.join(texts)}</tr>"
