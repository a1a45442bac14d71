"""Lesson 3: one row a step, some rows a step, all rows a step.

Every step of training walks against the gradient of the loss on a batch of rows. All rows together (full batch) give
the true gradient, but only one step an epoch. A single row gives a step for each row, in a direction that is right
only on average. A mini-batch lies in between.

The model is a plane through noisy points, so least squares tells the lowest loss there is, and how far each run is
above it:

    batch size 1    is down within an epoch, and then never settles: each row pulls towards itself
    32 rows         takes a few epochs, and hovers closer to the bottom
    all rows        takes a hundred epochs, and arrives exactly

An epoch of 32 rows a step takes less time than one of single rows, since the rows of a step share the work of reading
and writing the weights, and use registers and cores side by side. So mini-batches are the rule.
"""

import math
import time

import numpy as np

from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential
from ironhorn.optimizers import SGD
from ironhorn.utils import set_random_seed

NOISE = 0.5


def noisy_plane(rows: int, features: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)).astype(np.float32)
    slopes = random.normal(size=(features, 1))
    y = x @ slopes + 2 + random.normal(0, NOISE, (rows, 1))
    return x, y.astype(np.float32)


def lowest_loss(x: np.ndarray, y: np.ndarray) -> float:
    """The mean squared error of the least-squares plane, in double precision."""
    columns = np.column_stack([x, np.ones(len(x))]).astype(np.float64)
    solution = np.linalg.lstsq(columns, y.astype(np.float64), rcond=None)[0]
    return float(np.mean((columns @ solution - y) ** 2))


def main(epochs: int = 200, rows: int = 512, rate: float = 0.02, seed: int = 0) -> dict[int, dict[str, float]]:
    """Trains the same model with three batch sizes, prints a table; returns the numbers by batch size."""
    x, y = noisy_plane(rows, 8, seed)
    lowest = lowest_loss(x, y)
    print(f"{rows} rows, SGD with rate {rate}, {epochs} epochs; the lowest loss there is: {lowest:.6f}\n")
    print("batch    steps  seconds   above the lowest after 1, 10, all epochs   within 1 % from epoch")
    runs = {}
    for batch_size in (1, 32, rows):
        set_random_seed(seed)  # the same first weights for all
        model = Sequential([Input((8,)), Dense(1)])
        model.compile(optimizer=SGD(rate), loss="mse")
        started = time.perf_counter()
        # The loss that fit reports is a mean over an epoch in which the weights change. Validating on the same rows
        # gives the loss at the end of each epoch, which is what the runs can be compared by.
        history = model.fit(
            x, y, batch_size=batch_size, epochs=epochs, validation_data=(x, y), validation_batch_size=rows, verbose=0
        ).history
        seconds = time.perf_counter() - started
        above = np.array(history["val_loss"]) / lowest - 1
        near = np.flatnonzero(above < 0.01)
        runs[batch_size] = {
            "steps": epochs * -(-rows // batch_size),
            "seconds": seconds,
            "first": float(above[0]),
            "last": float(above[-1]),
            "near": int(near[0]) + 1 if len(near) else math.inf,
        }
        tenth, first_near = above[min(9, epochs - 1)], runs[batch_size]["near"] if len(near) else "never"
        print(f"{batch_size:5d}{runs[batch_size]['steps']:9d}{seconds:9.3f}", end="")
        print(f"{above[0]:18.3%}{tenth:12.3%}{above[-1]:11.4%}{first_near:>25}")
    return runs


if __name__ == "__main__":
    main()
