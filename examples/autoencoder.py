"""Lesson 9: an autoencoder squeezes digits through a few numbers, and notices what is no digit.

The network's target is its own input: 64 pixels in, 64 pixels out. In between it has only 2 or 16 numbers, the code, so
it must find out what digits have in common. Three things come of it:

    compression   the code, from which the decoder draws the digit again. Principal components (PCA) do the same with
                  straight lines, and are the measure to beat.
    a map         codes of 2 numbers are a plane. Nobody tells the network what the digits mean, yet each gets a
                  region of its own.
    an alarm      it only learnt to draw digits. What it draws badly is none.
"""

import argparse
import sys

import numpy as np

from ironhorn import Input, Model, Sequential
from ironhorn.datasets import digits
from ironhorn.layers import Dense
from ironhorn.utils import set_random_seed


def autoencoder(code: int) -> tuple[Model, Model]:
    """The whole, and the half that gives the code; they share their layers."""
    inputs = Input((64,))
    encoder = Sequential([Dense(128, activation="relu"), Dense(64, activation="relu"), Dense(code)], name="encoder")
    decoder = Sequential(
        [Dense(64, activation="relu"), Dense(128, activation="relu"), Dense(64, activation="sigmoid")], name="decoder"
    )
    codes = encoder(inputs)
    model = Model(inputs, decoder(codes))
    model.compile(optimizer="adam", loss="mse")
    return model, Model(inputs, codes)


def errors_of(model: Model, x: np.ndarray) -> np.ndarray:
    """The mean squared error of each row's reconstruction."""
    return np.mean((model.predict(x, verbose=0) - x) ** 2, axis=1)


def pca_error(x_train: np.ndarray, x_test: np.ndarray, size: int) -> float:
    mean = x_train.mean(axis=0)
    axes = np.linalg.svd(x_train - mean, full_matrices=False)[2][:size]
    return float(np.mean((x_test - mean - (x_test - mean) @ axes.T @ axes) ** 2))


def alarm(model: Model, x_held: np.ndarray, x_test: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """Precision and recall of the alarm on real digits, 40 inverted ones and 40 with their pixels shuffled."""
    limit = np.quantile(errors_of(model, x_held), 0.99)  # a false alarm in a hundred
    strange = np.concatenate([1 - x_test[:40], random.permuted(x_test[40:80], axis=1)])
    false, right = (errors_of(model, x_test) > limit).sum(), (errors_of(model, strange) > limit).sum()
    return float(right / (right + false)), float(right / len(strange))


def main(epochs: int = 50, seed: int = 0, plot: str | None = None) -> dict[str, float]:
    """Trains for codes of 2 and 16 numbers, prints errors, pictures and the alarm's figures; returns the figures."""
    (x_train, _), (x_test, y_test) = digits.load_data()
    x_train, x_test = (x.reshape(-1, 64) / 16 for x in (x_train, x_test))
    # The limit of the alarm comes from digits that are not trained on; those that are come out too well.
    x_train, x_held = x_train[:-300], x_train[-300:]
    numbers, drawn = {}, [x_test[:5]]
    print("mean squared error on digits not seen:\n\ncode     PCA   autoencoder")
    for code in (2, 16):
        set_random_seed(seed)
        model, encoder = autoencoder(code)
        model.fit(x_train, x_train, epochs=epochs, verbose=0)
        numbers[f"pca_{code}"] = pca_error(x_train, x_test, code)
        numbers[f"error_{code}"] = model.evaluate(x_test, x_test, verbose=0)
        print(f"{code:4d}{numbers[f'pca_{code}']:8.4f}{numbers[f'error_{code}']:14.4f}")
        drawn.append(model.predict(x_test[:5], verbose=0))
        if code == 2:
            codes = encoder.predict(x_test, verbose=0)
    # Is the plane a map? Then the nearest other point in it is most often the same digit.
    distances = np.linalg.norm(codes[:, None] - codes, axis=2) + np.diag(np.full(len(codes), np.inf))
    numbers["neighbours"] = float(np.mean(y_test[distances.argmin(axis=1)] == y_test))
    print(f"\nThe plane of 2 numbers; {numbers['neighbours']:.0%} of the digits have one of their kind next to them:\n")
    print(as_map(codes, y_test))
    for title, images in zip(("Five digits", "from 2 numbers each", "from 16 numbers each"), drawn, strict=True):
        print(f"\n{title}:\n{as_text(images)}")
    numbers["precision"], numbers["recall"] = alarm(model, x_held, x_test, np.random.default_rng(seed))
    print(f"\nThe alarm (16 numbers): of 80 inverted and shuffled digits among {len(x_test)} real ones it")
    print(f"finds {numbers['recall']:.1%}, and {numbers['precision']:.1%} of what it reports is strange indeed.")
    if plot is not None:
        draw(codes, y_test, plot)
    return numbers


def as_map(codes: np.ndarray, labels: np.ndarray, width: int = 76, height: int = 24) -> str:
    """Each digit at its place in the plane; by rank, so that crowded places get room."""
    ranks = codes.argsort(axis=0).argsort(axis=0) / len(codes)
    grid = np.full((height, width), " ")
    for (x, y), label in zip(ranks, labels, strict=True):
        grid[int(y * height), int(x * width)] = str(label)
    return "\n".join("    " + "".join(row) for row in grid)


def as_text(images: np.ndarray) -> str:
    shades = np.array(list(" .:-=+*#%@"))
    rows = np.rint(images.reshape(-1, 8, 8).swapaxes(0, 1) * 9).astype(int)
    return "\n".join("    " + "  ".join("".join(shades[line].repeat(2)) for line in row) for row in rows)


def draw(codes: np.ndarray, labels: np.ndarray, path: str) -> None:
    try:
        import matplotlib
    except ImportError:
        sys.exit("error: the picture needs matplotlib: pip install ironhorn[plot]")
    matplotlib.use("Agg")  # draws into files, needs no screen
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 6), layout="constrained")
    points = axis.scatter(*codes.T, c=labels, cmap="tab10", s=12)
    figure.colorbar(points, label="digit")
    figure.savefig(path)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An autoencoder of digits.")
    parser.add_argument("--plot", metavar="FILE", help="save a picture of the plane (needs matplotlib)")
    main(plot=parser.parse_args().plot)
