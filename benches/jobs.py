"""The jobs of the races: networks, data and first weights, the same for every peer."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Job:
    """A dense ReLU network and how it is trained."""

    name: str
    widths: tuple[int, ...]  # the input's width first, the output's last
    rows: int
    batch: int
    epochs: int  # timed ones, unless --epochs says otherwise
    optimizer: str = "adam"
    rate: float = 0.001
    dropout: float = 0.0  # after each hidden layer
    shuffled_tolerance: float | None = 0.02  # of the raced losses; the order of the rows moves those of small and wide

    @property
    def classes(self) -> bool:
        """Softmax and sparse crossentropy; otherwise one linear output and the mean squared error."""
        return self.widths[-1] > 1

    @property
    def steps(self) -> int:
        return self.rows // self.batch


JOBS = {
    job.name: job
    for job in (
        Job("mnist", (784, 128, 10), rows=60_000, batch=32, epochs=5, dropout=0.2),
        Job("small", (8, 64, 64, 1), rows=20_000, batch=32, epochs=20, shuffled_tolerance=0.2),
        Job("wide", (1024, 2048, 2048, 10), rows=5_120, batch=256, epochs=5, shuffled_tolerance=None),
        Job("wide-4096", (4096, 4096, 4096, 10), rows=8_192, batch=1024, epochs=3, shuffled_tolerance=None),
        Job("line", (1, 1), rows=5_000, batch=1, epochs=5, optimizer="sgd", rate=0.01),
        Job("predict", (784, 128, 10), rows=10_000, batch=10_000, epochs=0, dropout=0.2),
        Job("predict-small", (8, 64, 64, 1), rows=10_000, batch=10_000, epochs=0),
    )
}


def sized(job: Job, batch: int | None, rows: int | None) -> Job:
    """The same with other numbers of rows."""
    return replace(job, batch=batch or job.batch, rows=rows or job.rows)


CHECK_EPOCHS, CHECK_TOLERANCE = 3, 0.02  # trained in the rows' own order before a race: how far apart losses may be
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Adam as in Keras


def data(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """x as float32 (rows, width); y as int64 classes (rows,) or float32 (rows, 1)."""
    rng = np.random.default_rng(0)
    width = job.widths[0]
    if job.classes:
        centres = rng.standard_normal((job.widths[-1], width), dtype=np.float32)
        y = rng.integers(0, job.widths[-1], job.rows)
        x = centres[y]
        x *= np.float32(2 / np.sqrt(width))
        x += rng.standard_normal(x.shape, dtype=np.float32)
        return x, y
    x = rng.uniform(-1, 1, (job.rows, width)).astype(np.float32)
    w = rng.standard_normal((width, 1))
    y = x @ w + 0.5 + 0.01 * rng.standard_normal((job.rows, 1))
    return x, y.astype(np.float32)


def weights(job: Job, seed: int = 1) -> list[np.ndarray]:
    """Glorot-uniform kernels (fan_in, fan_out) and zero biases, in Keras's order."""
    rng = np.random.default_rng(seed)
    arrays = []
    for fan_in, fan_out in zip(job.widths, job.widths[1:], strict=False):
        limit = np.sqrt(6 / (fan_in + fan_out))
        arrays.append(rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32))
        arrays.append(np.zeros(fan_out, np.float32))
    return arrays


def forward(arrays: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """A prediction in plain NumPy, with softmax for more than one output: what every peer's answer is held against."""
    *hidden, kernel, bias = arrays
    for w, b in zip(hidden[::2], hidden[1::2], strict=True):
        x = np.maximum(x @ w + b, 0)
    z = x @ kernel + bias
    if z.shape[1] == 1:
        return z
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
