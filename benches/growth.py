"""How the time grows with the batch, the width, and the number of rows. In one process; prints one line of JSON.

    python benches/growth.py [--quick]

Work that grows by a factor may take so many times as long; a cliff is a step between neighbouring sizes that costs more
than 1.5 times its share (`report.cliffs`).
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential

BATCHES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 33, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096]
WIDTHS = [16, 24, 32, 48, 64, 96, 100, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096]
ROWS = [10**3, 10**4, 10**5, 10**6, 10**7]
POINT_SECONDS, PASSES = 0.1, 5


@dataclass
class Point:
    """A size, the work it means, and what to time: by name a call and how often it does the work."""

    size: int
    work: float
    calls: dict[str, tuple[Callable[[], object], int]]


def net(inputs: int, *units: int) -> Sequential:
    layers = [Input((inputs,)), *(Dense(n, activation="relu") for n in units), Dense(1)]
    model = Sequential(layers)
    model.compile("adam", "mse")
    return model


def timed(call: Callable[[], object], seconds: float) -> float:
    """Seconds a call, over as many calls as fit into `seconds`, at least one."""
    count, began = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - began < seconds:
        call()
        count += 1
    return (time.perf_counter() - began) / count


def measured(points: list[Point], seconds: float, passes: int) -> list[dict]:
    """The best of several passes over all points: neighbours are timed at about the same moments."""
    found: list[dict] = [{"size": point.size, "work": point.work} for point in points]
    for turn in range(passes + 1):
        for point, result in zip(points, found, strict=True):
            for name, (call, share) in point.calls.items():
                took = timed(call, seconds if turn else 0.0) / share  # the first pass warms up
                if turn:
                    result[name] = min(result.get(name, took), took)
    return found


def trained(model: Sequential, x, y, batch: int) -> Callable[[], object]:
    return lambda: model.fit(x, y, batch_size=batch, epochs=1, verbose=0)


def asked(model: Sequential, x) -> Callable[[], object]:
    predict = model.predictor() if hasattr(model, "predictor") else model.predict_on_batch
    return lambda: predict(x)


def batches(rng) -> list[Point]:
    """A step of 64-128-128-1 and a prediction, by the rows in a batch; work: the rows."""
    points, model = [], net(64, 128, 128)
    x, y = rng.random((4096, 64), np.float32), rng.random((4096, 1), np.float32)
    for batch in BATCHES:
        steps = min(4096 // batch, 256)
        calls = {
            "fit": (trained(model, x[: steps * batch], y[: steps * batch], batch), steps),
            "predict": (asked(model, x[:batch]), 1),
        }
        points.append(Point(batch, batch, calls))
    return points


def flops(inputs: int, *units: int) -> float:
    """Of a training step, a row: forward, the kernels' gradients, the inputs' but for the first layer's."""
    ends = [inputs, *units, 1]
    products = [2.0 * a * b for a, b in pairwise(ends)]
    return 3 * sum(products) - products[0]


def widths(rng) -> list[Point]:
    """A step of 64-w-w-1 with batch 32, and a prediction of 32 rows; work: floating-point operations."""
    points = []
    x, y = rng.random((4096, 64), np.float32), rng.random((4096, 1), np.float32)
    for width in WIDTHS:
        model = net(64, width, width)
        steps = 128 if width <= 256 else max(2, 128 * 256 // width**2 * 16)
        calls = {
            "fit": (trained(model, x[: steps * 32], y[: steps * 32], 32), steps),
            "predict": (asked(model, x[:32]), 1),
        }
        points.append(Point(width, flops(64, width, width), calls))
    return points


def rows(rng, most: int, folder: Path) -> list[Point]:
    """An epoch of 8-64-64-1 with batch 32 over memory-mapped files, shuffled; work: the rows."""
    model = net(8, 64, 64)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (most, 8))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.float32, (most, 1))
    for start in range(0, most, 10**6):
        x[start : start + 10**6] = rng.random((min(10**6, most), 8), np.float32)
        y[start : start + 10**6] = x[start : start + 10**6, :1]
    return [Point(n, n, {"fit": (trained(model, x[:n], y[:n], 32), 1)}) for n in ROWS if n <= most]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter points, and up to 10⁶ rows")
    args = parser.parse_args()
    seconds, passes = (0.02, 3) if args.quick else (POINT_SECONDS, PASSES)
    rng = np.random.default_rng(0)
    found = {"batch": measured(batches(rng), seconds, passes), "width": measured(widths(rng), seconds, passes)}
    with tempfile.TemporaryDirectory() as folder:
        most = 10**6 if args.quick else 10**7
        found["rows"] = measured(rows(rng, most, Path(folder)), seconds, 1 if args.quick else 2)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
