"""Data sets that make their batches by number."""

import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import Any


class PyDataset:
    """Base class of a data set that makes its batches by number: ``fit(dataset)``.

    A subclass has ``__getitem__(index)``, which returns a whole batch, ``(x,)``, ``(x, y)``, ``(x, y, sample_weight)``
    or a dict of inputs, and ``__len__()``, the number of batches. A property ``num_batches`` that is ``None`` instead
    makes it endless. ``fit`` shuffles the order of the batches, not what is in them; ``on_epoch_begin`` and
    ``on_epoch_end`` are called around each epoch.

    Args:
        workers: threads that make batches; with 1 the thread that called ``fit`` makes them while the engine works.
        use_multiprocessing: accepted; batches are made by threads all the same, since the engine needs no GIL.
        max_queue_size: how many batches several workers make ahead at most.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self._workers = workers
        self._use_multiprocessing = use_multiprocessing
        self._max_queue_size = max_queue_size

    def _option(self, name: str, default: Any) -> Any:
        if name not in self.__dict__:
            warnings.warn(
                "Your `PyDataset` class should call `super().__init__(**kwargs)` in its constructor. `**kwargs` can "
                "include `workers`, `use_multiprocessing`, `max_queue_size`. Do not pass these arguments to `fit()`, "
                "as they will be ignored.",
                UserWarning,
                stacklevel=3,
            )
            self.__dict__.setdefault("_workers", 1)
            self.__dict__.setdefault("_use_multiprocessing", False)
            self.__dict__.setdefault("_max_queue_size", 10)
        return self.__dict__.get(name, default)

    @property
    def workers(self) -> int:
        """How many threads make batches."""
        return int(self._option("_workers", 1))

    @workers.setter
    def workers(self, value: int) -> None:
        self._workers = value

    @property
    def use_multiprocessing(self) -> bool:
        """What was asked for; batches are made by threads in any case."""
        return bool(self._option("_use_multiprocessing", False))

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        self._use_multiprocessing = value

    @property
    def max_queue_size(self) -> int:
        """How many batches several workers make ahead at most."""
        return int(self._option("_max_queue_size", 10))

    @max_queue_size.setter
    def max_queue_size(self, value: int) -> None:
        self._max_queue_size = value

    def __getitem__(self, index: int) -> Any:
        """The batch at ``index``; to be defined."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        """Every batch, in order."""
        try:
            count = self.num_batches
        except NotImplementedError:
            count = None
        indices: Iterable[int] = itertools.count() if count is None else range(count)
        for index in indices:
            yield self[index]

    @property
    def num_batches(self) -> int | None:
        """The number of batches: ``len(self)``; ``None`` where there is no end.

        Raises:
            NotImplementedError: if the class has neither.
        """
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            "You need to implement the `num_batches` property:\n\n@property\ndef num_batches(self):\n  return ..."
        )

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""
