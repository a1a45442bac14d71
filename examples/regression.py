"""Lesson 4: polynomial and logistic regression, two models from before neural networks, are one Dense unit each.

Polynomial: y = b + w₁x + w₂x² + w₃x³ is linear in its weights. Given the powers as features, Dense(1) with the squared
error is that model, and least squares says what it must find.

Logistic: the probability of class 1 is sigmoid(b + w·x). Dense(1, activation="sigmoid") with binary crossentropy is
that model. It has no closed form, but the loss is convex, and Newton's method finds the one minimum in a few steps.
"""

import numpy as np

from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential
from ironhorn.optimizers import SGD


def polynomial(random: np.random.Generator, rows: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The true, the least-squares and the trained coefficients of 1, x, x², x³."""
    truth = np.array([0.5, -1.0, 0.3, 2.0])
    x = random.uniform(-1, 1, rows)
    powers = x[:, None] ** [1, 2, 3]
    y = truth[0] + powers @ truth[1:] + random.normal(0, 0.1, rows)

    model = Sequential([Input((3,)), Dense(1)])
    model.compile(optimizer=SGD(0.3, momentum=0.9), loss="mse")
    model.fit(powers, y, batch_size=rows, epochs=1000, verbose=0)
    exact = np.linalg.lstsq(np.column_stack([np.ones(rows), powers]), y, rcond=None)[0]
    return truth, exact, coefficients(model)


def logistic(random: np.random.Generator, rows: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The true, Newton's and the trained b, w₁, w₂, and the share of rows that the model classifies rightly."""
    truth = np.array([-0.5, 2.0, -3.0])
    x = random.normal(size=(rows, 2))
    columns = np.column_stack([np.ones(rows), x])
    y = (random.random(rows) < 1 / (1 + np.exp(-columns @ truth))).astype(int)

    model = Sequential([Input((2,)), Dense(1, activation="sigmoid")])
    model.compile(optimizer=SGD(1.0, momentum=0.9), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=rows, epochs=1000, verbose=0)
    accuracy = model.evaluate(x, y, verbose=0)[1]
    return truth, newton(columns, y), coefficients(model), accuracy


def newton(columns: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where the gradient of the crossentropy, Σ (p − y) x, is zero; its derivative is Σ p (1 − p) x xᵀ."""
    w = np.zeros(columns.shape[1])
    for _ in range(20):
        p = 1 / (1 + np.exp(-columns @ w))
        w -= np.linalg.solve((columns * (p * (1 - p))[:, None]).T @ columns, columns.T @ (p - y))
    return w


def coefficients(model: Sequential) -> np.ndarray:
    kernel, bias = model.get_weights()
    return np.concatenate([bias, kernel[:, 0]])


def main(seed: int = 0) -> dict[str, np.ndarray | float]:
    """Fits both, prints the coefficients beside the exact ones; returns them."""
    random = np.random.default_rng(seed)
    truth, exact, trained = polynomial(random)
    print("Polynomial regression           1         x        x²        x³")
    rows = {"behind the points": truth, "least squares": exact, "Dense(1), squared error": trained}
    for name, values in rows.items():
        print(f"   {name:24}" + "".join(f"{value:10.5f}" for value in values))

    truth, optimum, learned, accuracy = logistic(random)
    print("\nLogistic regression             b        w₁        w₂")
    rows = {"behind the classes": truth, "Newton's method": optimum, "Dense(1), crossentropy": learned}
    for name, values in rows.items():
        print(f"   {name:24}" + "".join(f"{value:10.5f}" for value in values))
    print(f"   {accuracy:.1%} of the rows are classified rightly; the classes overlap, so no line does much better.")
    return {
        "polynomial_error": float(np.abs(trained - exact).max()),
        "logistic_error": float(np.abs(learned - optimum).max()),
        "accuracy": accuracy,
    }


if __name__ == "__main__":
    main()
