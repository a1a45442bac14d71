"""Sparse matrices of SciPy: kept as they are, made dense a batch at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_sparse(value: Any) -> bool:
    """Whether it is a matrix or an array of ``scipy.sparse``; SciPy need not be there to know."""
    return type(value).__module__.startswith("scipy.sparse") and hasattr(value, "tocsr")


class SparseRows:
    """Rows of a sparse matrix, which is kept by rows (CSR; other forms are converted once, sparsely).

    A slice gives the rows it names, still sparse; an array of indices gives them as a dense array.

    Raises:
        ValueError: if it has not two axes.
    """

    def __init__(self, matrix: Any, argument: str = "x") -> None:
        if matrix.ndim != 2:
            raise ValueError(f"`{argument}`: a sparse array must have two axes. Received: shape {matrix.shape}")
        self._matrix = matrix.tocsr()
        self.shape: tuple[int, ...] = tuple(self._matrix.shape)
        self.dtype: np.dtype[Any] = self._matrix.dtype
        self.ndim = 2

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        part = self._matrix[rows]
        return SparseRows(part) if isinstance(rows, slice) else part.toarray()

    def dense(self) -> NDArray[Any]:
        """All of it as a dense array."""
        array: NDArray[Any] = self._matrix.toarray()
        return array
