"""Lesson 11: a loss of one's own, in three lines: not the mean, but the range that most values fall in.

The squared error is lowest at the mean, the absolute error at the median. The pinball loss for a share q,

    q · (y − p)  where y is above the prediction p,  (1 − q) · (p − y)  where it is below

is lowest where a share q of the values lies below p: at the quantile. So a network with the outputs "low", trained for
q = 0.1, and "high", for q = 0.9, draws a band that four of five values fall in, narrow where the data are sure.

Written with ironhorn.ops the loss is traced once, differentiated and run in Rust like a built-in one. What ops cannot
say is a PythonLoss: NumPy, with its gradient written by hand. That is the slow way, since every step calls Python;
check_gradient tells whether the gradient is right.
"""

import time

import numpy as np

from ironhorn import Input, Model, ops
from ironhorn.layers import Dense
from ironhorn.losses import PythonLoss, check_gradient
from ironhorn.optimizers import Adam
from ironhorn.optimizers.schedules import CosineDecay
from ironhorn.utils import set_random_seed

LOW, HIGH = 0.1, 0.9
BATCH = 100
NORMAL_QUANTILE = 1.28155  # a tenth of all normal values is further above the mean, in standard deviations


def pinball(q):
    def loss(y_true, y_pred):
        above = y_true - y_pred
        return ops.mean(ops.maximum(q * above, (q - 1) * above), axis=-1)

    return loss


def pinball_in_numpy(q):
    def loss(y_true, y_pred):
        above = y_true - y_pred
        gradient = np.where(above > 0, -q, 1 - q) / y_pred.shape[-1]
        return np.maximum(q * above, (q - 1) * above).mean(axis=-1), gradient

    return PythonLoss(loss, name="pinball")


def spread(x: np.ndarray) -> np.ndarray:
    return 0.1 + 0.2 * x**2


def noisy_wave(rows: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Around a sine, with noise that grows to both sides."""
    x = random.uniform(-2, 2, (rows, 1))
    return x, np.sin(2 * x) + spread(x) * random.normal(size=x.shape)


def band(losses: dict, x: np.ndarray, y: np.ndarray, epochs: int, seed: int) -> tuple[Model, float]:
    """A trained model with two outputs, and the seconds it took."""
    set_random_seed(seed)
    inputs = Input((1,))
    hidden = Dense(32, activation="tanh")(Dense(32, activation="tanh")(inputs))
    model = Model(inputs, {name: Dense(1, name=name)(hidden) for name in losses})
    # Near its minimum this loss is all kinks; only steps that shrink come to rest there.
    rate = CosineDecay(0.01, epochs * len(x) // BATCH)
    model.compile(optimizer=Adam(rate), loss=losses)
    started = time.perf_counter()
    model.fit(x, dict.fromkeys(losses, y), batch_size=BATCH, epochs=epochs, verbose=0)
    return model, time.perf_counter() - started


def main(epochs: int = 60, seed: int = 0) -> dict[str, float]:
    """Trains the band with either loss, prints what it covers; returns the numbers."""
    random = np.random.default_rng(seed)
    x, y = noisy_wave(4000, random)
    x_new, y_new = noisy_wave(4000, random)

    beside = y[:5] + np.array([[-0.3], [0.2], [0.1], [-0.1], [0.5]])  # at the kink itself there is no gradient
    gradient_error = check_gradient(pinball_in_numpy(LOW), y[:5], beside)
    print(f"The gradient by hand differs from finite differences by {gradient_error:.1e} at most.\n")
    model, seconds = band({"low": pinball(LOW), "high": pinball(HIGH)}, x, y, epochs, seed)
    slow_model, slow = band({"low": pinball_in_numpy(LOW), "high": pinball_in_numpy(HIGH)}, x, y, epochs, seed)
    edges, slow_edges = model.predict(x_new, verbose=0), slow_model.predict(x_new, verbose=0)
    numbers = {
        "below": float((y_new < edges["low"]).mean()),
        "above": float((y_new > edges["high"]).mean()),
        "difference": max(float(np.abs(edges[name] - slow_edges[name]).max()) for name in edges),
        "gradient_error": gradient_error,
    }
    print(
        f"with ironhorn.ops {seconds:.2f} s, as a PythonLoss {slow:.2f} s; bands apart by {numbers['difference']:.1e}"
    )
    print(f"below the band {numbers['below']:.1%}, above it {numbers['above']:.1%} of 4000 new values\n")
    print("    x      low   high   width   true width")
    grid = np.linspace(-2, 2, 9)[:, None]
    low, high = (edge[:, 0] for edge in model.predict(grid, verbose=0).values())
    true = 2 * NORMAL_QUANTILE * spread(grid[:, 0])
    for row in zip(grid[:, 0], low, high, high - low, true, strict=True):
        print("{:5.1f}{:9.2f}{:7.2f}{:8.2f}{:13.2f}".format(*row))
    numbers["width_error"] = float(np.abs((high - low) / true - 1).max())
    return numbers


if __name__ == "__main__":
    main()
