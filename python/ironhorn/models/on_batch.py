"""One batch by itself: ``train_on_batch``, ``test_on_batch``, ``predict_on_batch``."""

from typing import Any

from ..callbacks.callback_list import plain_logs
from . import data
from .fitting import Fitting
from .spread import spread_inputs


class OnBatch(Fitting):
    """Steps that a loop of one's own takes. Each call starts the metrics anew, as Keras 3 does."""

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step on one batch; returns what ``evaluate`` does, of this batch before its update.

        Raises:
            ValueError: for values, shapes and lengths that do not fit, both kinds of weights, and a model that is not
                compiled.
            TypeError: for wrong types and dtypes.
        """
        self._assert_compiled("train_on_batch")
        if class_weight is not None and sample_weight is not None:
            raise ValueError(
                "Arguments `sample_weight` and `class_weight` cannot be specified at the same time. "
                f"Received: sample_weight={sample_weight}, class_weight={class_weight}"
            )
        batch = data.pack(self, x, data.require_targets(y), sample_weight, class_weight)
        with self._undone_on_error():
            session = self._training(batch, len(batch), None, False, None)
            session.set_check_finite(False)  # as in Keras, its caller sees the loss
        return self._one_batch(session, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """``evaluate`` on one batch."""
        self._assert_compiled("test_on_batch")
        batch = data.pack(self, x, data.require_targets(y), sample_weight)
        with self._undone_on_error():
            session = self._evaluation(batch, len(batch), None)
        return self._one_batch(session, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        return self._compute(spread_inputs(self, x, "x"), False)

    def reset_metrics(self) -> None:
        """Clears the states of the metric objects that the model is compiled with.

        ``fit``, ``evaluate`` and the methods on batches do so themselves.
        """
        for measure in self._compiled_metrics:
            if measure.metric is not None:
                measure.metric.reset_state()

    def _one_batch(self, session: Any, return_dict: bool) -> Any:
        session.begin_epoch()
        while not session.finished:
            session.run(max_steps=1)
        logs = plain_logs(session.logs())
        self._fill_metrics(session)
        return logs if return_dict else self._in_order(logs)
