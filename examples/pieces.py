"""Lesson 5: how a network draws a curve, piece by piece.

One hidden layer is enough for any curve, and the weights can be written down. Cut [0, 1] into n pieces:

    ReLU   relu(x − t) is flat up to t and rises from there: a kink. One unit for each piece bends the line at the
           piece's start by the change of slope. The result runs straight through the curve's points at the cuts, and
           its error is at most |f″| / 8n²: twice the units, a quarter of the error.
    tanh   tanh(k (x − c)) for a large k is a step at c. One unit for each piece climbs by what the curve climbs
           there: a staircase, whose error is about |f′| / 2n.

That is by hand. Then training moves the kinks to where the curve bends, and lets the steps melt into each other.
"""

import argparse
import sys

import numpy as np

from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential
from ironhorn.optimizers import Adam
from ironhorn.optimizers.schedules import CosineDecay
from ironhorn.utils import set_random_seed

X = np.linspace(0, 1, 401, dtype=np.float32)[:, None]


def curve(x: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * x)


def network(units: int, activation: str) -> Sequential:
    return Sequential([Input((1,)), Dense(units, activation=activation), Dense(1)])


def kinks_by_hand(pieces: int) -> Sequential:
    cuts = np.linspace(0, 1, pieces + 1)
    slopes = np.diff(curve(cuts)) / np.diff(cuts)
    model = network(pieces, "relu")
    bends = np.diff(slopes, prepend=0)[:, None]
    model.set_weights([np.ones((1, pieces)), -cuts[:-1], bends, curve(cuts[:1])])
    return model


def steps_by_hand(pieces: int) -> Sequential:
    cuts = np.linspace(0, 1, pieces + 1)
    centres, climbs = (cuts[1:] + cuts[:-1]) / 2, np.diff(curve(cuts))
    steepness = 4 * pieces
    model = network(pieces, "tanh")
    # A tanh climbs by 2, from −1 to 1, and starts at −1.
    start = curve(cuts[:1]) + climbs.sum() / 2
    model.set_weights([np.full((1, pieces), steepness), -steepness * centres, climbs[:, None] / 2, start])
    return model


BY_HAND = {"relu": kinks_by_hand, "tanh": steps_by_hand}


def train(model: Sequential, epochs: int) -> Sequential:
    # Steps that shrink to nothing: with steps of one length Adam would go on trembling about the best place.
    model.compile(optimizer=Adam(CosineDecay(0.01, epochs)), loss="mse")
    model.fit(X, curve(X), batch_size=len(X), epochs=epochs, verbose=0)
    return model


def error(model: Sequential) -> float:
    """The distance between the network and the curve, as the root of its mean square."""
    return float(np.sqrt(np.mean((model.predict(X, verbose=0) - curve(X)) ** 2)))


def kinks_of(model: Sequential) -> np.ndarray:
    """Where the ReLU units of a network begin to act, x = −b / w, as far as that is inside of (0, 1)."""
    kernel, bias = model.get_weights()[:2]
    places = np.sort(-bias / kernel[0])
    return places[(places > 0) & (places < 1)]


def main(epochs: int = 3000, seed: int = 0, plot: str | None = None) -> dict[str, dict[int, float]]:
    """Builds and trains networks of 4 to 32 units, prints their errors and pieces; returns the errors."""
    set_random_seed(seed)
    errors: dict[str, dict[int, float]] = {name: {} for name in ("relu", "relu_trained", "tanh", "tanh_trained")}
    print("Root mean square distance from sin 2πx:\n\nunits ReLU by hand      trained tanh by hand      trained")
    trained = {}
    for units in (4, 8, 16, 32):
        for name, by_hand in BY_HAND.items():
            model = by_hand(units)
            errors[name][units] = error(model)
            trained[name, units] = train(model, epochs)
            errors[f"{name}_trained"][units] = error(model)
        print(f"{units:5d}" + "".join(f"{by_units[units]:13.4f}" for by_units in errors.values()))

    model = trained["relu", 8]
    ends = np.array([0, *kinks_of(model), 1], np.float32)
    heights = model.predict(ends[:, None], verbose=0)[:, 0]
    print(f"\nThe {len(ends) - 1} pieces of the trained ReLU network of 8 units:")
    for left, right, low, high in zip(ends[:-1], ends[1:], heights[:-1], heights[1:], strict=True):
        print(f"   from {left:.3f} to {right:.3f}: slope {(high - low) / (right - left):+.2f}")
    if plot is not None:
        draw(trained, plot)
    return errors


def draw(models: dict[tuple[str, int], Sequential], path: str) -> None:
    try:
        import matplotlib
    except ImportError:
        sys.exit("error: the picture needs matplotlib: pip install ironhorn[plot]")
    matplotlib.use("Agg")  # draws into files, needs no screen
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, (name, by_hand) in zip(axes, BY_HAND.items(), strict=True):
        axis.plot(X, curve(X), color="grey", linestyle=":", label="sin 2πx")
        axis.plot(X, by_hand(8).predict(X, verbose=0), label=f"8 {name} units, by hand")
        axis.plot(X, models[name, 8].predict(X, verbose=0), label="trained")
        axis.legend()
    figure.savefig(path)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How a network draws a curve, piece by piece.")
    parser.add_argument("--plot", metavar="FILE", help="save a picture (needs matplotlib)")
    main(plot=parser.parse_args().plot)
