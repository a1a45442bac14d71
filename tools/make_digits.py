"""Makes ``python/ironhorn/datasets/digits.npz`` from the copy of the UCI digits inside scikit-learn.

Run once by hand (``python tools/make_digits.py``, with scikit-learn installed); the result is committed. It is
deterministic and asks no random generator: within each class the rows are ranked by the SHA-256 of their row number
in the source, and the first ones of each class become the test set. How many is the class's share of 360, rounded by
largest remainder. Both parts keep the order of the source, in which the rows of one writer stand together.
"""

import hashlib
from pathlib import Path

import numpy as np

TEST_ROWS = 360
TARGET = Path(__file__).parents[1] / "python" / "ironhorn" / "datasets" / "digits.npz"


def shares(counts: np.ndarray, total: int) -> np.ndarray:
    """Splits ``total`` in proportion to ``counts``: whole numbers that sum to it (largest remainder)."""
    exact = counts * total
    floor = exact // counts.sum()
    remainder = exact % counts.sum()
    largest = np.argsort(-remainder, kind="stable")[: total - floor.sum()]
    floor[largest] += 1
    return floor


def choose_test_rows(labels: np.ndarray) -> np.ndarray:
    """True for the rows of the test set."""
    mask = np.zeros(len(labels), bool)
    for digit, take in enumerate(shares(np.bincount(labels), TEST_ROWS)):
        rows = np.flatnonzero(labels == digit)
        ranked = sorted(rows, key=lambda row: hashlib.sha256(str(row).encode()).digest())
        mask[ranked[:take]] = True
    return mask


def main() -> None:
    from sklearn.datasets import load_digits

    source = load_digits()
    x = source.images.astype(np.uint8)
    y = source.target.astype(np.uint8)
    assert x.shape == (1797, 8, 8) and x.max() == 16 and (x == source.images).all()
    test = choose_test_rows(y)
    np.savez_compressed(TARGET, x_train=x[~test], y_train=y[~test], x_test=x[test], y_test=y[test])
    print(f"{TARGET.name}: {(~test).sum()} + {test.sum()} rows, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
