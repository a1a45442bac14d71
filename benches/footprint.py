"""What Ironhorn costs to import, and how much memory training takes beyond the data. Linux only.

    python benches/footprint.py import    # seconds, and MiB resident above NumPy
    python benches/footprint.py memory    # MiB at the peak of fit and predict above the arrays, against the size of x

Each mode is meant for a fresh process; prints one line of JSON.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS, WIDTH = 100_000, 1024  # x takes 391 MiB
SMALL_ROWS = 2_000


def status_mib(field: str) -> float:
    """`VmRSS`, the memory resident now; `VmHWM`, the most so far; `RssAnon`, without the pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def importing() -> dict:
    before, began = status_mib("VmRSS"), time.perf_counter()
    import ironhorn.layers
    import ironhorn.models

    return {
        "seconds": time.perf_counter() - began,
        "mib": status_mib("VmRSS") - before,
        "version": ironhorn._core.__version__,
    }


def above(body) -> float:
    """MiB at the peak of the body above what there was before it."""
    forget_peak()
    before = status_mib("VmRSS")
    body()
    return status_mib("VmHWM") - before


def memory() -> dict:
    from ironhorn.layers import Dense, Input
    from ironhorn.models import Sequential

    rng = np.random.default_rng(0)
    x, y = rng.random((ROWS, WIDTH), np.float32), rng.integers(0, 10, ROWS)
    model = Sequential([Input((WIDTH,)), Dense(64, activation="relu"), Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"batch_size": 256, "epochs": 1, "verbose": 0}
    model.fit(x[:SMALL_ROWS], y[:SMALL_ROWS], **options)  # threads, compiled plans, code paged in
    found = {"fit": above(lambda: model.fit(x, y, **options))}
    found["fit, validation_split"] = above(lambda: model.fit(x, y, validation_split=0.1, **options))
    pixels = (x * 255).astype(np.uint8)
    found["fit, uint8"] = above(lambda: model.fit(pixels, y, **options))
    found["fit, every second row"] = above(lambda: model.fit(x[::2], y[::2], **options))
    found["evaluate"] = above(lambda: model.evaluate(x, y, verbose=0))
    found["predict"] = above(lambda: model.predict(x, batch_size=256, verbose=0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        np.save(path, x)
        mapped = np.load(path, mmap_mode="r")
        size, x = x.nbytes / 2**20, None
        before = status_mib("RssAnon")
        model.fit(mapped, y, **options)
        found["fit, memory-mapped (anonymous memory)"] = status_mib("RssAnon") - before
    return {"x_mib": size, "above_mib": found}


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("import", "memory"):
        sys.exit(__doc__)
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    print(json.dumps(importing() if sys.argv[1] == "import" else memory()))
