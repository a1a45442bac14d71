"""Arrays larger than memory, mapped from files: read in runs of neighbours.

A uniform order of samples reads a disk at random. Where the mapped arrays of a data set have 4 GiB or more together,
``shuffle`` instead draws an order of runs of neighbouring samples, a run being about 1 MiB, and then shuffles the
samples of 256 runs at a time (so about 256 MiB). Smaller data, and data in memory, are shuffled uniformly.
"""

import mmap
from collections.abc import Iterable
from typing import Any

import numpy as np

BLOCKED_FROM = 4 << 30
RUN_BYTES = 1 << 20
MIXED_RUNS = 256


def is_mapped(array: Any) -> bool:
    """Whether an array's memory is that of a file."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return isinstance(array, mmap.mmap) or (isinstance(array, memoryview) and isinstance(array.obj, mmap.mmap))


def blocks_for(arrays: Iterable[Any]) -> tuple[int, int] | None:
    """The samples of a run and the runs that are mixed; ``None`` where a uniform order is as good."""
    mapped = [array for array in arrays if is_mapped(array)]
    total = sum(array.nbytes for array in mapped)
    if not mapped or total < BLOCKED_FROM:
        return None
    per_sample = max(total // len(mapped[0]), 1)
    return max(RUN_BYTES // per_sample, 1), MIXED_RUNS
