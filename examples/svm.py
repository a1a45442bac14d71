"""Lesson 8: a linear support vector machine is one Dense unit with the hinge loss and an L2 penalty.

Of all lines that separate two classes the SVM takes the one that keeps furthest away from both. With labels −1 and 1
and the score s = w·x + b it minimizes

    mean(max(1 − y·s, 0)) + λ |w|²

A row costs nothing once it lies on its side with a score of 1. The lines s = −1 and s = 1 are 2 / |w| apart: that is
the margin, and the penalty on |w|² widens it. Only rows on or inside of the margin pull at the line: the support
vectors. The rest might as well not be there. A few labels are wrong, so no line separates all: these are paid for.
"""

import numpy as np

from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential
from ironhorn.optimizers import SGD
from ironhorn.optimizers.schedules import InverseTimeDecay
from ironhorn.regularizers import L2
from ironhorn.utils import set_random_seed

NORMAL = np.array([0.8, -0.6])  # of the true line, w·x = 0.5, of length 1
GAP = 1.0  # no point is nearer to the line than half of this


def two_classes(rows: int, wrong: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = random.uniform(-3, 3, (3 * rows, 2))
    x = x[np.abs(x @ NORMAL - 0.5) >= GAP / 2][:rows]
    y = np.sign(x @ NORMAL - 0.5)
    y[random.random(rows) < wrong] *= -1
    return x, y


def objective(w: np.ndarray, b: float, x: np.ndarray, y: np.ndarray, penalty: float) -> float:
    return float(np.maximum(1 - y * (x @ w + b), 0).mean() + penalty * w @ w)


def main(rows: int = 400, wrong: float = 0.02, penalty: float = 0.01, seed: int = 0) -> dict[str, float]:
    """Trains, prints the line, its margin and a picture; returns the numbers."""
    set_random_seed(seed)
    x, y = two_classes(rows, wrong, np.random.default_rng(seed))
    model = Sequential([Input((2,)), Dense(1, kernel_regularizer=L2(penalty))])
    # The hinge has a kink, so steps of one length would dance around the minimum for ever: they have to shrink.
    model.compile(optimizer=SGD(InverseTimeDecay(0.5, decay_steps=100, decay_rate=1.0)), loss="hinge")
    model.fit(x, y, batch_size=rows, epochs=5000, verbose=0)

    kernel, bias = model.get_weights()
    w, b = kernel[:, 0].astype(float), float(bias[0])
    scores = model.predict(x, verbose=0)[:, 0]
    length = float(np.linalg.norm(w))
    numbers = {
        "objective": model.evaluate(x, y, verbose=0),
        "margin": 2 / length,
        "angle": float(np.degrees(np.arccos(w @ NORMAL / length))),
        "offset": -b / length,
        "support": int((y * scores <= 1.001).sum()),
        "accuracy": float(np.mean(np.sign(scores) == y)),
    }
    # The objective is convex: where no small change helps, nothing does.
    changes = np.random.default_rng(seed).normal(0, 0.02, (1000, 3))
    numbers["best_nearby"] = min(objective(w + change[:2], b + change[2], x, y, penalty) for change in changes)

    print(f"the line: {w[0] / length:+.3f} x₁ {w[1] / length:+.3f} x₂ = {-b / length:.3f}, drawn +0.800, -0.600, 0.500")
    print(
        f"it is {numbers['angle']:.1f}° off; margin 2 / |w| = {numbers['margin']:.3f}, the gap that was left is {GAP}"
    )
    print(f"{numbers['support']} of {rows} rows are support vectors; {numbers['accuracy']:.1%} are on their side")
    print(f"objective {numbers['objective']:.5f}; the lowest of 1000 lines nearby {numbers['best_nearby']:.5f}\n")
    print(picture(w, b))
    return numbers


def picture(w: np.ndarray, b: float) -> str:
    """The plane as text: the two sides, the line and its margin."""
    rows = []
    for height in np.linspace(3, -3, 19):
        scores = np.column_stack([np.linspace(-3, 3, 61), np.full(61, height)]) @ w + b
        sides = np.digitize(scores, [-1, -0.06, 0.06, 1])
        rows.append("    " + "".join("-.|.+"[side] for side in sides))
    return "\n".join(rows)


if __name__ == "__main__":
    main()
