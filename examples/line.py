"""Lesson 1: gradient descent finds a line.

The smallest network there is: one input, one output, y = w·x + b. It is shown four points and starts from a wrong
line. The error of a line is the sum of the squared distances, E(w, b) = Σ (w·x + b − y)². Each step walks downhill:

    w ← w − rate · ∂E/∂w        ∂E/∂w = Σ 2 (w·x + b − y) x
    b ← b − rate · ∂E/∂b        ∂E/∂b = Σ 2 (w·x + b − y)

All four points lie on y = −x + 1, so the error can fall to zero, and w and b must become −1 and 1.
"""

import numpy as np

from ironhorn.callbacks import Callback
from ironhorn.layers import Dense, Input
from ironhorn.losses import MeanSquaredError
from ironhorn.models import Sequential
from ironhorn.optimizers import SGD

X = np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
Y = np.array([[0.0], [-1.0], [-2.0], [-3.0]], np.float32)


class StopBelow(Callback):
    """Ends the training once the loss is below a value. Any method of Callback that is not overridden does nothing."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs is not None and logs["loss"] < self.value:
            self.model.stop_training = True


def wrong_line(rate: float) -> Sequential:
    """The model, with w = 0.3 and b = −0.3 to begin with."""
    model = Sequential([Input((1,)), Dense(1)])
    model.set_weights([np.array([[0.3]]), np.array([-0.3])])
    # Keras's squared error is a mean; reduction="sum" makes it the sum of the textbooks.
    model.compile(optimizer=SGD(rate), loss=MeanSquaredError(reduction="sum"))
    return model


def line_of(model: Sequential) -> tuple[float, float]:
    kernel, bias = model.get_weights()
    return float(kernel[0, 0]), float(bias[0])


def main(steps: int = 1000, rate: float = 0.025, good_enough: float = 1e-6) -> dict[str, float]:
    """Trains twice, prints both; returns the numbers."""
    # Full batch: all four points make one step, so an epoch is a step. (Should the rate be too large, the steps
    # overshoot and the error grows: try 0.03, beyond 2 / 66.8, the limit that the curvature of E sets.)
    print(f"1. {steps} steps of gradient descent, rate {rate}")
    model = wrong_line(rate)
    losses = model.fit(X, Y, batch_size=len(X), epochs=steps, shuffle=False, verbose=0).history["loss"]
    for step in (1, 2, 3, 10, 30, 100, 300, 1000):
        if step <= steps:
            print(f"   step {step:4d}: error before it {losses[step - 1]:.3e}")
    w, b = line_of(model)
    print(f"   the line: y = {w:.5f} x + {b:.5f}")

    print(f"2. the same, until the error is below {good_enough:g}")
    model = wrong_line(rate)
    stop = StopBelow(good_enough)
    history = model.fit(X, Y, batch_size=len(X), epochs=steps, shuffle=False, verbose=0, callbacks=[stop])
    w_early, b_early = line_of(model)
    steps_early = len(history.history["loss"])
    print(f"   {steps_early} steps were enough: y = {w_early:.5f} x + {b_early:.5f}")
    return {
        "first_loss": losses[0],
        "w": w,
        "b": b,
        "w_early": w_early,
        "b_early": b_early,
        "steps_early": steps_early,
        "loss_early": history.history["loss"][-1],
    }


if __name__ == "__main__":
    main()
