"""``evaluate``, and validation inside ``fit``."""

from typing import Any

from ..callbacks.callback_list import CallbackList, plain_logs
from . import data
from .data import Data
from .python_path import open_session
from .running import Running
from .sources import Rows, is_stream, source_of
from .spread import adjust_ranks
from .streams import close


class Evaluating(Running):
    """The part of a model that is measured."""

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        device: str | None = None,
    ) -> Any:
        """The loss and the metrics on data, arrays or what gives batches; see ``fit`` for the arguments.

        Returns:
            The loss, or a list of the loss and the metrics, or, with ``return_dict``, a dict of them.

        Raises:
            ValueError: for values, shapes and lengths that do not fit, and a model that is not compiled.
            TypeError: for wrong types and dtypes.
        """
        self._assert_compiled("evaluate")
        batch_size = data.optional_integer(batch_size, "batch_size")
        steps = data.optional_integer(steps, "steps")
        shown = data.verbosity(verbose)
        given: Any = x
        if is_stream(x):
            data.refuse_besides(source_of(x).kind, y, sample_weight)
        else:
            given = data.pack(self, x, data.require_targets(y), sample_weight, keep_sparse=True)
        session: Any = None
        try:
            with self._undone_on_error():
                session = self._evaluation(given, batch_size, steps, device)
                calls = self._callbacks(callbacks, shown, 1, session.steps)
            logs = self._test(session, calls)
        finally:
            close(session)
            del session
        return logs if return_dict else self._in_order(logs)

    def _evaluation(self, given: Any, batch_size: int | None, steps: int | None, device: str | None = None) -> Any:
        """A session that measures on arrays or batches."""
        begin = self._evaluate_session(device)
        if not isinstance(given, Data):
            return self._stream(source_of(given), steps, begin, training=False)
        size, steps = data.plan_batches(len(given), batch_size, steps, "steps")
        if given.is_sparse:
            return self._stream(Rows(given, size), steps, begin, training=False)
        engine = self._ready(given.x)
        x = adjust_ranks(self, given.x)
        return open_session(self, given, x, lambda *arrays: begin(engine, arrays, size, steps), training=False)

    def _test(self, session: Any, calls: CallbackList) -> dict[str, float]:
        self.stop_evaluating = False
        calls.on_test_begin()
        session.begin_epoch()
        try:
            self._drive(session, "test", calls)
            logs = plain_logs(session.logs())
            self._fill_metrics(session)
        finally:
            del session
        calls.on_test_end(logs)
        return logs
