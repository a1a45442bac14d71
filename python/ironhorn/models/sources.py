"""Where batches come from, if not from arrays: iterators, iterables, data sets by number, rows of sparse matrices.

A source gives batches in Python's own form, one after the other, epoch by epoch. It runs on the thread that called
``fit``, but for the threads that a ``PyDataset`` asks for.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data import Data

Order = Callable[[int], NDArray[Any]]


def is_stream(value: Any) -> bool:
    """Whether it gives batches, rather than being an array or a structure of arrays."""
    if value is None or isinstance(value, (np.ndarray, list, tuple, set, frozenset, Mapping, str, bytes, range)):
        return False
    if any(hasattr(value, name) for name in ("__array__", "toarray", "numpy", "to_numpy", "__float__")):
        return False
    return is_dataset(value) or hasattr(value, "__iter__") or hasattr(value, "__next__")


def is_dataset(value: Any) -> bool:
    """Whether it is like a ``PyDataset``, ours or Keras's."""
    return hasattr(value, "__getitem__") and hasattr(type(value), "num_batches") and hasattr(value, "on_epoch_end")


class Source:
    """The batches of an iterable, which each epoch goes through from the beginning.

    Attributes:
        kind: what errors call it.
        count: the batches of an epoch, ``None`` where unknown.
        restarts: whether it can begin again.
    """

    kind = "iterable"
    restarts = True

    def __init__(self, iterable: Any) -> None:
        self._iterable = iterable
        self._iterator: Iterator[Any] | None = None
        self._returned: list[Any] = []
        try:
            self.count: int | None = len(iterable)
        except (TypeError, NotImplementedError):
            self.count = None

    def first(self) -> Any:
        """The first batch, which ``take`` will give once more.

        Raises:
            ValueError: if there is none.
        """
        if not self._returned:
            try:
                self._returned.append(self.take())
            except StopIteration:
                raise ValueError(
                    f"When passing a Python {self.kind} to a model, it must yield at least one batch. "
                    f"Received an empty {self.kind}."
                ) from None
        return self._returned[0]

    def begin_epoch(self, order: Order | None, resume: bool) -> None:
        """Begins an epoch: where the last one ended if it is to ``resume``, else at the first batch."""
        if not self._returned and not resume:
            self._iterator = None

    def take(self) -> Any:
        """The next batch.

        Raises:
            StopIteration: if there is no more.
        """
        if self._returned:
            return self._returned.pop()
        if self._iterator is None:
            self._iterator = iter(self._iterable)
        return next(self._iterator)

    def end_epoch(self) -> None:
        """Ends an epoch."""

    def close(self) -> None:
        """Lets go of everything."""
        self._iterable = self._iterator = None
        self._returned = []


class Once(Source):
    """The batches of a generator or another iterator: they come once, epoch after epoch."""

    kind = "generator"
    restarts = False

    def __init__(self, iterator: Any) -> None:
        super().__init__(iterator)
        self._iterator = iterator
        self.count = None

    def begin_epoch(self, order: Order | None, resume: bool) -> None:
        """Goes on."""


class Dataset(Source):
    """The batches of a ``PyDataset``, in the order of the numbers or in one that each epoch draws."""

    kind = "PyDataset"

    def __init__(self, dataset: Any) -> None:
        super().__init__(())
        self._dataset = dataset
        self.count = dataset.num_batches
        self._open = False
        self._kept: dict[int, Any] = {}
        self._indices: Iterator[int] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._coming: deque[Future[Any]] = deque()

    def first(self) -> Any:
        """Batch 0; ``take`` does not make it again."""
        if self.count == 0:
            raise ValueError("The PyDataset has length 0")
        self._begin()
        if 0 not in self._kept:
            self._kept[0] = self._dataset[0]
        return self._kept[0]

    def _begin(self) -> None:
        if not self._open:
            self._dataset.on_epoch_begin()
            self._open = True

    def begin_epoch(self, order: Order | None, resume: bool) -> None:
        """Tells the data set, and draws the order."""
        self._begin()
        if resume and self._indices is not None:
            return
        self._stop()
        count = self._dataset.num_batches
        if count is None:
            self._indices = itertools.count() if self._indices is None else self._indices
        else:
            self.count = count
            self._indices = iter(range(count) if order is None else [int(i) for i in order(count)])

    def _make(self, index: int) -> Any:
        return self._kept.pop(index) if index in self._kept else self._dataset[index]

    def take(self) -> Any:
        """The next batch; several workers make more at the same time."""
        workers = self._dataset.workers
        assert self._indices is not None
        if workers <= 1:
            return self._make(next(self._indices))
        if self._pool is None:
            self._pool = ThreadPoolExecutor(workers, thread_name_prefix="ironhorn-data")
        for index in itertools.islice(self._indices, max(self._dataset.max_queue_size, 1) - len(self._coming)):
            self._coming.append(self._pool.submit(self._make, index))
        if not self._coming:
            raise StopIteration
        return self._coming.popleft().result()

    def end_epoch(self) -> None:
        """Tells the data set."""
        if self._open:
            self._open = False
            self._dataset.on_epoch_end()

    def _stop(self) -> None:
        pool, self._pool = self._pool, None
        self._coming.clear()
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """Ends the workers and the epoch."""
        self._stop()
        self._indices = None
        self._kept = {}
        try:
            self.end_epoch()
        finally:
            self._dataset = None


class Rows(Source):
    """Batches of so many rows of data that are not all arrays, in the order that arrays would be taken in."""

    kind = "sparse matrix"

    def __init__(self, data: Data, size: int) -> None:
        super().__init__(())
        self._data: Data | None = data
        self._size = size
        self._order: NDArray[Any] | None = None
        self._at = 0
        self.count = -(-len(data) // size)

    def first(self) -> Any:
        """The first rows."""
        return self._rows(np.arange(min(self._size, len(self._whole()))))

    def _whole(self) -> Data:
        assert self._data is not None
        return self._data

    def _rows(self, rows: NDArray[Any]) -> Data:
        return self._whole().take(rows)

    def begin_epoch(self, order: Order | None, resume: bool) -> None:
        """Begins at the first rows of the epoch's order."""
        self._order = None if order is None else order(len(self._whole()))
        self._at = 0

    def take(self) -> Any:
        """The next rows."""
        rows = np.arange(self._at, min(self._at + self._size, len(self._whole())))
        if not len(rows):
            raise StopIteration
        self._at += len(rows)
        return self._rows(rows if self._order is None else self._order[rows])

    def close(self) -> None:
        """Lets go of the data."""
        self._data = self._order = None


def source_of(value: Any) -> Source:
    """The source that a value of ``is_stream`` stands for."""
    if is_dataset(value):
        return Dataset(value)
    return Once(value) if hasattr(value, "__next__") else Source(value)
