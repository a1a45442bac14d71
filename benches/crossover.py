"""From which width and batch on a GPU trains faster than the CPU: a table for this machine.

    python benches/crossover.py                              # the first adapter, training
    python benches/crossover.py --device gpu:1 --what predict --widths 64,512 --batches 32,1024 --json

A net of two hidden layers as wide as its input, ReLU, Adam, ten classes. CPU and GPU take turns; of each cell the best
of three rounds counts, after one that compiles. Numbers are the GPU's speed over the CPU's: above 1 the GPU is ahead.
The column `auto` says what the device "auto" chooses.
"""

import argparse
import json
import sys
import time

import numpy as np

import ironhorn
from ironhorn.layers import Dense

ROUNDS = 3
SECONDS = 0.1  # that a round should take on the CPU
MAX_ROWS = 1 << 16
MAX_NUMBERS = 1 << 26  # of the data set


def net(width: int):
    ironhorn.utils.clear_session()
    ironhorn.utils.set_random_seed(1)
    hidden = [Dense(width, activation="relu"), Dense(width, activation="relu")]
    model = ironhorn.Sequential([ironhorn.Input((width,)), *hidden, Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def data(width: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(0)
    return draws.standard_normal((rows, width), np.float32), draws.integers(0, 10, rows)


def rates(width: int, batch: int, device: str, what: str) -> dict:
    """Samples a second on both, and what "auto" chooses."""
    model = net(width)
    few = max(2, min(16, MAX_NUMBERS // (width * batch))) * batch
    x, y = data(width, min(few, max(MAX_ROWS, 2 * batch)))

    def seconds(where: str, repeat: int) -> float:
        begin = time.perf_counter()
        if what == "train":
            model.fit(x, y, batch_size=batch, epochs=repeat, verbose=0, device=where)
        else:
            for _ in range(repeat):
                model.predict(x[:batch], batch_size=batch, verbose=0, device=where)
        return time.perf_counter() - begin

    repeat = {}
    for where in ("cpu", device):
        seconds(where, 1)
        repeat[where] = min(max(1, int(SECONDS / seconds(where, 1))), 1000)
    best = dict.fromkeys(repeat, float("inf"))
    for _ in range(ROUNDS):
        for where, count in repeat.items():
            best[where] = min(best[where], seconds(where, count) / count)
    seconds("auto", 1)
    task = "train" if what == "train" else "predict"
    choices = [chosen for (kind, _), chosen in model.chosen_devices.items() if kind == task]
    rows = len(x) if what == "train" else batch
    return {
        "width": width,
        "batch": batch,
        "cpu": rows / best["cpu"],
        "gpu": rows / best[device],
        "auto": choices[0] if choices else "cpu",
    }


def table(cells: list[dict], batches: list[int]) -> str:
    """Markdown: a row a width, a column a batch; samples a second on the CPU, and the GPU's share of it."""
    lines = ["| width | " + " | ".join(f"batch {batch:,}" for batch in batches) + " | `auto` |"]
    lines.append("|" + "---|" * (len(batches) + 2))
    for width in dict.fromkeys(cell["width"] for cell in cells):
        row = [cell for cell in cells if cell["width"] == width]
        shown = " | ".join(f"{cell['gpu'] / cell['cpu']:.2f} ({cell['cpu']:,.0f})" for cell in row)
        lines.append(f"| {width:,} | {shown} | {', '.join(dict.fromkeys(cell['auto'] for cell in row))} |")
    return "\n".join(lines)


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--what", choices=["train", "predict"], default="train")
    parser.add_argument("--widths", type=numbers, default=[32, 128, 512, 2048], metavar="W,W")
    parser.add_argument("--batches", type=numbers, default=[32, 256, 2048], metavar="B,B")
    parser.add_argument("--json", action="store_true", help="the cells as JSON instead of the table")
    given = parser.parse_args()
    names = ironhorn.config.device_names()
    known = {"gpu": "gpu:0"}.get(given.device, given.device)
    if known not in names:
        sys.exit(f"error: there is no {given.device}; see python -m ironhorn info")
    cells = []
    for width in given.widths:
        for batch in given.batches:
            cells.append(cell := rates(width, batch, known, given.what))
            print(json.dumps(cell), file=sys.stderr, flush=True)
    about = f"{names[known]} against {names['cpu']}, {ironhorn.config.num_threads()} threads"
    if given.json:
        print(json.dumps({"what": given.what, "about": about, "cells": cells}, indent=2))
    else:
        print(
            f"{given.what}: speed of {about}; in brackets the CPU's samples a second\n\n{table(cells, given.batches)}"
        )


if __name__ == "__main__":
    main()
