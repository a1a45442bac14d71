"""The main job, end to end: a network learns to read handwritten digits.

    make demo        (or: python examples/demo.py)

The data are 1,797 real scans of 8×8 pixels that come with Ironhorn, so nothing is downloaded. The network sees 1,437
of them while it learns; how well it does is judged on the other 360.
"""

import sys
import time
from pathlib import Path

import numpy as np

from ironhorn.activations import relu, softmax
from ironhorn.datasets import digits
from ironhorn.layers import Dense, Dropout, Flatten
from ironhorn.models import Sequential
from ironhorn.utils import set_random_seed


def main(
    epochs: int = 30,
    required_accuracy: float = 0.97,
    output: str | Path = "demo-output",
    seed: int = 0,
    verbose: int = 1,
) -> float:
    """Trains, evaluates, prints and draws; returns the accuracy on the test set."""
    # The same seed gives the same weights, the same shuffling and the same dropout: the same run, bit for bit.
    set_random_seed(seed)

    # Pixels are whole numbers from 0 (paper) to 16 (ink). Networks learn best from inputs of about unit size.
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = x_train / 16, x_test / 16
    print(f"{len(x_train)} digits to learn from, {len(x_test)} to be judged on. The first one is a {y_train[0]}:\n")
    print(as_text(x_train[0]), "\n")

    # 64 pixels → 128 features → 10 probabilities. Dropout hides a fifth of the features at random in each step of
    # training, so that none of them can lean on another.
    model = Sequential(
        [
            Flatten(input_shape=(8, 8)),
            Dense(128, activation=relu),
            Dropout(0.2),
            Dense(10, activation=softmax),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.summary()

    # The last tenth of the training rows is held back: no weight is fitted to it, so it shows whether the network
    # learns digits or learns these digits by heart. (It does worse on them than on the test set: the rows stand in the
    # order of their writers, so the last tenth are hands that it has hardly seen.)
    started = time.perf_counter()
    history = model.fit(x_train, y_train, epochs=epochs, validation_split=0.1, verbose=verbose)
    print(f"\ntrained for {epochs} epochs in {time.perf_counter() - started:.2f} s")

    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test set: loss {loss:.4f}, accuracy {accuracy:.4f} (at least {required_accuracy} is required)\n")

    answers = np.argmax(model.predict(x_test, verbose=0), axis=1)
    print("What each digit was taken for (a row is the true digit):\n")
    print(confusion_table(y_test, answers))

    picture = draw(history.history, Path(output) / "learning-curve.png")
    print(f"\nlearning curve: {picture}")
    if accuracy < required_accuracy:
        sys.exit(f"error: the accuracy on the test set is {accuracy:.4f}, expected at least {required_accuracy}")
    return accuracy


def as_text(image: np.ndarray) -> str:
    """An image of values from 0 to 1 as characters, two a pixel."""
    shades = np.array(list(" .:-=+*#%@"))
    return "\n".join("    " + "".join(shades[np.rint(row * 9).astype(int)].repeat(2)) for row in image)


def confusion_table(truth: np.ndarray, answers: np.ndarray) -> str:
    """Counts of (true digit, answer) as aligned text; zeros are shown as dots, errors stand off the diagonal."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (truth, answers), 1)
    lines = ["      " + "".join(f"{digit:4d}" for digit in range(10)) + "   right"]
    for digit, row in enumerate(counts):
        cells = "".join(f"{count or '·':>4}" for count in row)
        lines.append(f"{digit:4d} |{cells}   {row[digit] / max(row.sum(), 1):5.1%}")
    return "\n".join(lines)


def draw(history: dict[str, list[float]], path: Path) -> Path:
    """Saves the curves of loss and accuracy."""
    try:
        import matplotlib
    except ImportError:
        sys.exit("error: the picture needs matplotlib: pip install ironhorn[plot]")
    matplotlib.use("Agg")  # draws into files, needs no screen
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        epochs = range(1, len(history[name]) + 1)
        axis.plot(epochs, history[name], label="training (with dropout)")
        axis.plot(epochs, history[f"val_{name}"], label="validation")
        axis.set(xlabel="epoch", ylabel=name)
        axis.legend()
        axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


if __name__ == "__main__":
    main()
