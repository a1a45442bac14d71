"""Runs over batches that come one at a time: the engine takes a step while Python makes the next batch.

The source, a user's generator say, always runs on the thread that called ``fit``, so it may do there whatever it could
do anywhere else; it is the engine's step, which calls no Python and holds no lock of the interpreter's, that
runs on a thread beside it. One batch is made ahead, but none beyond the steps of an epoch where their number is known.
"""

import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from .data import Data
from .sources import Source

RAN_OUT = (
    "Your input ran out of data; interrupting training. Make sure that your dataset or generator can generate at least "
    "`steps_per_epoch * epochs` batches. You may need to use the `.repeat()` function when building your dataset."
)


class StreamSession:
    """The engine's session, given one batch after the other; its interface is the engine's.

    Args:
        source: where batches come from.
        steps: the steps of an epoch, ``None`` for as many as the source has.
        convert: makes ``Data`` of a batch.
        adjust: makes the engine's inputs of them.
        open_engine: opens a session of the engine over the first batch.
        shuffle: whether the source is to follow an order drawn by the engine.
        resumes: whether an epoch that ended by ``steps`` goes on in the next one.
        collects: whether to keep the outputs of every step, in ``predictions``.
    """

    def __init__(
        self,
        source: Source,
        steps: int | None,
        convert: Callable[[Any], Data],
        adjust: Callable[[Data], list[Any]],
        open_engine: Callable[[Data], Any],
        shuffle: bool = False,
        resumes: bool = False,
        collects: bool = False,
    ) -> None:
        self._source = source
        self._asked = steps
        self._convert = convert
        self._adjust = adjust
        self._shuffle = shuffle
        self._resumes = resumes
        self._collects = collects
        self._worker: ThreadPoolExecutor | None = None
        self._ahead: Any = None
        self._failure: Exception | None = None
        self._ended = True
        self._within = False
        self._taken = 0
        self.step = 0
        self.predictions: list[list[Any]] = []
        try:
            self._session: Any = open_engine(self._converted(source.first()))
        except BaseException:
            source.close()
            raise
        self._alone = not hasattr(self._session, "calls_python")

    @property
    def steps(self) -> int | None:
        """Steps in one epoch, ``None`` where unknown."""
        return self._source.count if self._asked is None else self._asked

    @property
    def finished(self) -> bool:
        """Whether the epoch is over."""
        return self._ended or (self._asked is not None and self.step >= self._asked)

    def exhausted(self) -> bool:
        """Whether there is no batch for another epoch: iterators come to an end. Warns where it is so."""
        if self._source.restarts:
            return False
        try:
            self._source.first()
        except ValueError:
            self._warn()
            return True
        return False

    def begin_epoch(self) -> None:
        """Clears steps and logs, and makes the first batch."""
        self._session.begin_epoch()
        self.step = 0
        self.predictions = []
        order = self._session.order if self._shuffle else None
        resume = self._resumes and self._asked is not None and self._taken > 0
        self._source.begin_epoch(order, resume)
        self._within, self._ended = True, False
        self._make_ahead()
        if self._ended and resume and self._source.restarts:
            self._ended = False
            self._source.begin_epoch(order, False)
            self._make_ahead()
        if self.finished:
            self._end()

    def run(self, max_steps: int | None = None, milliseconds: float = 50.0) -> None:
        """Runs whole steps until the epoch ends, ``max_steps`` are done or the time is over; at least one.

        Raises:
            Exception: what the source raised, as it was; the steps before are done.
        """
        deadline = time.monotonic() + milliseconds / 1000.0
        done = 0
        while not self.finished:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                self._ended = True
                raise failure
            self._advance()
            done += 1
            if done == max_steps or time.monotonic() >= deadline:
                break
        if self.finished:
            self._end()

    def _advance(self) -> None:
        """One step on the batch that is there, while the next one is made."""
        data, self._ahead = self._ahead, None
        try:
            self._session.rebind(self._adjust(data), data.y, data.sample_weight)
        except (ValueError, TypeError) as error:
            raise self._told(error, self._taken) from None
        finally:
            del data
        last = self._asked is not None and self.step + 1 >= self._asked
        if self._alone and not last:
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, thread_name_prefix="ironhorn-step")
            running = self._worker.submit(_run, self._session)
            try:
                self._make_ahead()
            finally:
                wait([running])
                self.step += running.exception() is None
            running.result()
        else:
            _run(self._session)
            self.step += 1
            if not last:
                self._make_ahead()
        if self._collects:
            self.predictions.append(self._session.outputs)

    def _make_ahead(self) -> None:
        """Makes the next batch. What goes wrong is kept for the step that wants it."""
        try:
            raw = self._source.take()
        except StopIteration:
            self._ended = True
            return
        except Exception as error:
            self._failure = error
            return
        self._taken += 1
        try:
            self._ahead = self._converted(raw)
        except Exception as error:
            self._failure = self._told(error, self._taken)

    def _converted(self, raw: Any) -> Data:
        return raw if isinstance(raw, Data) else self._convert(raw)

    def _told(self, error: Exception, number: int) -> Exception:
        error.add_note(f"This was batch {number} of the {self._source.kind}.")
        return error

    def _end(self) -> None:
        if not self._within:
            return
        self._within = False
        if self._asked is not None and self.step < self._asked:
            self._warn()
            self._taken = 0
        self._source.end_epoch()

    def _warn(self) -> None:
        warnings.warn(RAN_OUT, UserWarning, stacklevel=4)

    def set_check_finite(self, check: bool) -> None:
        """Whether a step whose loss is not finite raises."""
        self._session.set_check_finite(check)

    def find_fault(self) -> Any:
        """Where the step met its first numbers that are not finite."""
        return self._session.find_fault()

    def metric_states(self) -> Any:
        """The states of the metrics that the engine computes."""
        return [] if self._session is None else self._session.metric_states()

    def logs(self) -> dict[str, float]:
        """Running loss and metrics of this epoch."""
        logs: dict[str, float] = self._session.logs()
        return logs

    def close(self) -> None:
        """Ends the thread and lets go of the data."""
        if self._worker is not None:
            self._worker.shutdown(wait=True)
        self._session = self._ahead = self._failure = self._worker = None
        self._source.close()


def _run(session: Any) -> None:
    """One batch to its end."""
    try:
        while not session.finished:
            session.run(max_steps=1)
    finally:
        del session  # a kept traceback must not keep the batch


def close(*sessions: Any) -> None:
    """Closes what is to be closed among sessions."""
    for session in sessions:
        if isinstance(session, StreamSession):
            session.close()


def is_exhausted(session: Any) -> bool:
    """Whether a session has no data for another epoch."""
    return isinstance(session, StreamSession) and session.exhausted()
