"""Prints the SIMD levels of this machine, the best one first: the values that IRONHORN_CPU may take here."""

import os

os.environ.pop("IRONHORN_CPU", None)

from ironhorn import _core

LEVELS = ["avx512", "avx2", "portable"]  # each machine has its best one and all that follow

print(*LEVELS[LEVELS.index(_core.cpu_level()) :])
