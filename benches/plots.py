"""The pictures of docs/benchmarks.md, as SVG: steps of the races, and how time grows."""

from pathlib import Path

import matplotlib
import report
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from peers import TRAINING

# The same bytes for the same numbers.
matplotlib.rcParams["svg.hashsalt"] = "ironhorn"
GROWTH = {
    "batch": ("rows in a batch", "µs a row", lambda p: 1e6 / p["size"]),
    "width": ("width", "ns a kFLOP of training", lambda p: 1e12 / p["work"] / 32),
    "rows": ("rows, memory-mapped", "µs a row", lambda p: 1e6 / p["size"]),
}


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None}, bbox_inches="tight")


def plain(axis: Axis) -> None:
    """Numbers as one writes them, on a logarithmic axis: 1, 2, 5, 10, …"""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def races(result: dict, path: Path) -> None:
    """Each peer's time a step as a multiple of Ironhorn's, with the interval."""
    names = [name for name in TRAINING if name in result["races"]]
    figure = Figure(figsize=(4 * len(names), 3.2))
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        summary = result["races"][name]["summary"]
        peers = sorted(summary, key=lambda p: summary[p]["us_per_step"], reverse=True)
        ratios = [summary[p]["ratio"]["us_per_step"] for p in peers]
        middle = [r["median"] for r in ratios]
        around = [[m - r["low"] for m, r in zip(middle, ratios, strict=True)]]
        around.append([r["high"] - m for m, r in zip(middle, ratios, strict=True)])
        axes.errorbar(middle, peers, xerr=around, fmt="o", color="tab:gray")
        axes.axvline(1, color="tab:orange", linewidth=0.8)
        axes.set_xscale("log")
        axes.grid(axis="x", alpha=0.3)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(f"{name}: time a step ÷ Ironhorn's")
    figure.tight_layout()
    save(figure, path)


def growth(result: dict, path: Path) -> None:
    """Time for the same work against the size; where a line climbs into a mark there is a cliff."""
    kinds = [kind for kind in GROWTH if kind in result["growth"]]
    figure = Figure(figsize=(4 * len(kinds), 3.2))
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        points, (label, unit, scale) = result["growth"][kind], GROWTH[kind]
        for what in ("fit", "predict"):
            if what not in points[0]:
                continue
            sizes, values = [p["size"] for p in points], [p[what] * scale(p) for p in points]
            axes.loglog(sizes, values, marker=".", label=what)
            high = {to for _, to, _ in report.cliffs(points, what)}
            at = [(s, v) for s, v in zip(sizes, values, strict=True) if s in high]
            if at:
                axes.plot(*zip(*at, strict=True), "o", color="red", fillstyle="none")
        axes.set(xlabel=label, ylabel=unit)
        low, high = axes.get_ylim()
        axes.set_ylim(low / 1.5, high * 1.5)  # so that noise does not fill the picture
        plain(axes.yaxis)
        axes.legend()
    figure.tight_layout()
    save(figure, path)
