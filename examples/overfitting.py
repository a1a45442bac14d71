"""Lesson 2: a network that learns its few examples by heart, and how to stop it.

A handful of noisy points of a sine, and a network with thousands of times more weights than points. It can draw a
curve through every point, noise and all. Then it is wrong everywhere else: its error on the points it trains on
goes on falling while its error on points it has never seen rises again. That is over-fitting.

So the points are dealt into three heaps, each with one use:

    training     the weights are fitted to these
    validation   never trained on; they decide when to stop
    test         looked at once, at the end: the judgement. The validation points cannot give it, since the stopping
                 was chosen to suit them.

EarlyStopping watches the validation loss. When it has not fallen for `patience` epochs, training ends, and
`restore_best_weights` takes the weights back to the epoch in which it was lowest.
"""

import sys
from pathlib import Path

import numpy as np

from ironhorn.callbacks import EarlyStopping
from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential
from ironhorn.optimizers import Adam
from ironhorn.utils import set_random_seed

NOISE = 0.4
Heap = tuple[np.ndarray, np.ndarray]


def noisy_sine(rows: int, random: np.random.Generator) -> Heap:
    x = random.uniform(-3, 3, (rows, 1)).astype(np.float32)
    y = np.sin(1.5 * x) + random.normal(0, NOISE, x.shape)
    return x, y.astype(np.float32)


def too_large_a_network(units: int) -> Sequential:
    model = Sequential([Input((1,)), Dense(units, activation="relu"), Dense(units, activation="relu"), Dense(1)])
    model.compile(optimizer=Adam(0.003), loss="mse")
    return model


def main(
    epochs: int = 1500,
    patience: int = 100,
    units: int = 256,
    points: int = 16,
    output: str | Path = "demo-output",
    seed: int = 1,
) -> dict[str, dict[str, float]]:
    """Trains the same network with and without early stopping, prints and draws; returns the numbers."""
    # One draw of points, dealt into three heaps. (They are independent, so dealing them in order is fair; rows that
    # come in an order, by date or by person, must be dealt with more care.)
    x, y = noisy_sine(2 * points + 400, np.random.default_rng(seed))
    train = x[:points], y[:points]
    validation = x[points : 2 * points], y[points : 2 * points]
    test = x[2 * points :], y[2 * points :]
    heaps = train, validation, test

    runs = {}
    for name, callbacks in (
        ("to the end", []),
        ("early stopping", [EarlyStopping(patience=patience, restore_best_weights=True)]),
    ):
        set_random_seed(seed)  # the same first weights and the same shuffling for both
        model = too_large_a_network(units)
        history = model.fit(*train, epochs=epochs, validation_data=validation, callbacks=callbacks, verbose=0).history
        runs[name] = {
            "epochs": len(history["loss"]),
            "best_epoch": int(np.argmin(history["val_loss"])) + 1,
            **{part: model.evaluate(*heap, verbose=0) for part, heap in zip(PARTS, heaps, strict=True)},
            "history": history,
            "model": model,
        }

    weights = runs["to the end"]["model"].count_params()
    print(f"{weights} weights, {points} points to train on; the noise alone costs {NOISE**2:.3f}\n")
    print(f"{'mean squared error':20}{'epochs':>8}" + "".join(f"{part:>12}" for part in PARTS))
    for name, run in runs.items():
        print(f"{name:20}{run['epochs']:8d}" + "".join(f"{run[part]:12.4f}" for part in PARTS))
    print(f"\nlowest validation loss: epoch {runs['to the end']['best_epoch']} of the run to the end")
    print(f"curves: {draw(runs, train, Path(output) / 'overfitting.png')}")
    return {name: {key: run[key] for key in ("epochs", "best_epoch", *PARTS)} for name, run in runs.items()}


PARTS = ("training", "validation", "test")


def draw(runs: dict, train: Heap, path: Path) -> Path:
    """Saves two pictures side by side: the losses over the epochs, and the curves that the networks drew."""
    try:
        import matplotlib
    except ImportError:
        sys.exit("error: the picture needs matplotlib: pip install ironhorn[plot]")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    history = runs["to the end"]["history"]
    epochs = range(1, len(history["loss"]) + 1)
    left.plot(epochs, history["loss"], label="training")
    left.plot(epochs, history["val_loss"], label="validation")
    left.axvline(runs["early stopping"]["best_epoch"], color="grey", linestyle=":", label="restored by early stopping")
    left.set(xlabel="epoch", ylabel="mean squared error", yscale="log")
    left.legend()

    grid = np.linspace(-3, 3, 400, dtype=np.float32)[:, None]
    right.plot(grid, np.sin(1.5 * grid), color="grey", linestyle=":", label="the sine behind the points")
    for name, run in runs.items():
        right.plot(grid, run["model"].predict(grid, verbose=0), label=name)
    right.plot(*train, "k.", label="training points")
    right.set(xlabel="x", ylabel="y")
    right.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


if __name__ == "__main__":
    main()
