"""Lesson 12: a training loop of one's own.

fit is a loop around two calls, and both can be had alone:

    g = model.gradients(x, y)                               the loss and its derivatives, by variable and by input
    optimizer.apply(g.variables, model.trainable_variables) one step

First the loop of fit, written out: it ends with the same weights. Then something that fit cannot do. The gradient by
the input tells how each pixel would have to change to raise the loss. A small change of all pixels in that direction
fools the network, though nobody would read another digit (I. Goodfellow and others, Explaining and Harnessing
Adversarial Examples, 2015). A loop that trains on such images along with the real ones makes it harder to fool.
"""

import numpy as np

from ironhorn.datasets import digits
from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential
from ironhorn.optimizers import Adam
from ironhorn.utils import set_random_seed

BATCH = 32


def network(seed: int) -> Sequential:
    set_random_seed(seed)
    model = Sequential([Input((64,)), Dense(64, activation="relu"), Dense(10, activation="softmax")])
    model.compile(optimizer=Adam(0.003), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fooled(model: Sequential, x: np.ndarray, y: np.ndarray, size: float) -> np.ndarray:
    """The images, each pixel moved by ``size`` to where the loss grows."""
    return np.clip(x + size * np.sign(model.gradients(x, y).inputs), 0, 1)


def train(model: Sequential, x: np.ndarray, y: np.ndarray, epochs: int, size: float = 0.0) -> None:
    optimizer = Adam(0.003)
    for _ in range(epochs):
        for start in range(0, len(x), BATCH):
            images, labels = x[start : start + BATCH], y[start : start + BATCH]
            if size > 0:
                images = np.concatenate([images, fooled(model, images, labels, size)])
                labels = np.concatenate([labels, labels])
            g = model.gradients(images, labels)
            optimizer.apply(g.variables, model.trainable_variables)


def accuracy(model: Sequential, x: np.ndarray, y: np.ndarray) -> float:
    return model.evaluate(x, y, verbose=0)[1]


def main(epochs: int = 20, size: float = 0.1, seed: int = 0) -> dict[str, float]:
    """Trains three times, prints the accuracies on real and on treacherous images; returns them."""
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = (x.reshape(-1, 64) / 16 for x in (x_train, x_test))

    by_fit, by_loop, hardened = network(seed), network(seed), network(seed)
    by_fit.fit(x_train, y_train, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0)
    train(by_loop, x_train, y_train, epochs)
    train(hardened, x_train, y_train, epochs, size)

    pairs = zip(by_fit.get_weights(), by_loop.get_weights(), strict=True)
    numbers = {"difference": max(float(np.abs(a - b).max()) for a, b in pairs)}
    print(f"The weights of fit and of the loop differ by {numbers['difference']:.1e} at most.\n")
    print(f"accuracy on {len(x_test)} digits   as they are   each pixel moved by {size}")
    for name, model in (("fit", by_fit), ("loop", by_loop), ("hardened", hardened)):
        numbers[name] = accuracy(model, x_test, y_test)
        numbers[f"{name}_fooled"] = accuracy(model, fooled(model, x_test, y_test, size), y_test)
        print(f"   {name:22}{numbers[name]:12.1%}{numbers[f'{name}_fooled']:26.1%}")
    return numbers


if __name__ == "__main__":
    main()
