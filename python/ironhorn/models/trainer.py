"""Training, evaluation and prediction: checks, the loop around the engine, callbacks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..callbacks.callback_list import CallbackList, plain_logs
from ..config import _resolve
from . import data
from .compilation import Compilation
from .data import Data
from .gradients import Gradients, gradients
from .python_path import fill_metrics, open_session
from .spread import adjust_ranks, spread_inputs

MILLISECONDS = 50.0


class Trainer(Compilation):
    """The training half of a model."""

    history: Any

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        device: str | None = None,
    ) -> Any:
        """Trains the model.

        Ctrl-C ends it between two steps; the model stays usable, and ``model.history`` holds the finished epochs.
        Arguments that are refused change nothing.

        Args:
            x: inputs, ``(n, ...)``: a NumPy array of any numeric dtype, which is read a batch at a time and never
                copied, or a list, a pandas frame, anything with ``__array__``; of several inputs a list in their
                order or a dict by their names.
            y: targets, ``(n,)`` or ``(n, ...)``; of several outputs a list or a dict, with ``None`` for outputs
                without a loss.
            batch_size: rows a step; 32 by default, or what ``steps_per_epoch`` asks for.
            epochs: the number of the last epoch.
            verbose: 0 silent, 1 a bar, 2 a line an epoch; ``"auto"`` is 1.
            callbacks: objects with methods of ``ironhorn.callbacks.Callback``.
            validation_split: the share of the last rows to validate with.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)``; overrides ``validation_split``.
            shuffle: whether each epoch draws a new order.
            class_weight: a dict from class to weight, for models of one output.
            sample_weight: one weight a row; of several outputs one array for all, a list or a dict.
            initial_epoch: the number of the first epoch.
            steps_per_epoch: ends an epoch early.
            validation_steps: ends a validation early.
            validation_batch_size: rows a step of validation; by default ``batch_size``.
            validation_freq: validate every so many epochs, or a list of epochs, counted from 1.
            device: where to train and validate, e.g. ``"gpu"``; by default ``config.device()``. Weights and the
                optimizer's state go along, so it may change from call to call.

        Returns:
            A ``History``: ``history.history["loss"]`` and so on.

        Raises:
            ValueError: for values, shapes and lengths that do not fit, and a model that is not compiled.
            TypeError: for wrong types and dtypes.
            DeviceError: if there is no such device, or it is lost or too small.
        """
        self._assert_compiled("fit")
        epochs = data.integer(epochs, "epochs", 0)
        initial_epoch = data.integer(initial_epoch, "initial_epoch", 0)
        batch_size = data.optional_integer(batch_size, "batch_size")
        steps = data.optional_integer(steps_per_epoch, "steps_per_epoch")
        validation_steps = data.optional_integer(validation_steps, "validation_steps")
        validation_batch_size = data.optional_integer(validation_batch_size, "validation_batch_size") or batch_size
        share = data.fraction(validation_split, "validation_split")
        shown = data.verbosity(verbose)
        _should_validate(0, validation_freq)
        if isinstance(shuffle, str) or shuffle is None:
            raise ValueError(f"`shuffle` must be True or False. Received: shuffle={shuffle!r}")
        train, held_out = self._training_data(x, y, sample_weight, class_weight, share, validation_data)
        size, steps = data.plan_batches(len(train), batch_size, steps, "steps_per_epoch")
        with self._undone_on_error():
            engine = self._ready(train.x)
            session = self._training(engine, train, size, steps, bool(shuffle), device)
            validation: Any = None
            if held_out is not None:
                validation = self._evaluation(held_out, validation_batch_size, validation_steps, device)
            calls = self._callbacks(callbacks, shown, epochs, session.steps, add_history=True)
        self.stop_training = False
        logs: dict[str, Any] = {}
        try:
            calls.on_train_begin()
            for epoch in range(self._initial_epoch or initial_epoch, epochs):
                calls.on_epoch_begin(epoch)
                session.begin_epoch()
                self._drive(session, "train", calls)
                logs = dict(session.logs())
                self._fill_metrics(session)
                if validation is not None and _should_validate(epoch, validation_freq):
                    tested = self._test(validation, calls)
                    logs |= {f"val_{name}": value for name, value in tested.items()}
                calls.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            if epochs > 0 and self.optimizer is not None:
                self.optimizer.finalize_variable_values(self._trained())
            calls.on_train_end(logs)
        finally:
            del session, validation  # a kept traceback must not keep the arrays
        return self.history

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
        """The loss and the metrics on data; see ``fit`` for the arguments.

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
        packed = data.pack(self, x, data.require_targets(y), sample_weight)
        with self._undone_on_error():
            session = self._evaluation(packed, batch_size, steps, device)
            calls = self._callbacks(callbacks, shown, 1, session.steps)
        try:
            logs = self._test(session, calls)
        finally:
            del session
        return logs if return_dict else self._in_order(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        device: str | None = None,
    ) -> Any:
        """The outputs for ``x``, a batch at a time.

        Safe from any number of threads, also while ``fit`` runs: then it sees the weights between two steps.

        Args:
            x: inputs, ``(n, ...)``; see ``fit``.
            batch_size: rows a step; 32 by default, or what ``steps`` asks for.
            verbose: 0 silent, 1 a bar, 2 a line; ``"auto"`` is 1.
            steps: ends early.
            callbacks: see ``fit``.
            device: where to compute; see ``fit``.

        Returns:
            A float32 array ``(n, ...)``; of several outputs their list, tuple or dict.

        Raises:
            ValueError: for values and shapes that do not fit.
            TypeError: for wrong types and dtypes.
        """
        batch_size = data.optional_integer(batch_size, "batch_size")
        steps = data.optional_integer(steps, "steps")
        shown = data.verbosity(verbose)
        packed = data.pack(self, x)
        size, steps = data.plan_batches(len(packed), batch_size, steps, "steps")
        with self._undone_on_error():
            self._ensure_built_for(packed.x)
            inputs = adjust_ranks(self, packed.x)
            session = self._engine_model().predict_session(inputs, size, steps, _resolve(device))
            calls = self._callbacks(callbacks, shown, 1, session.steps)
        self.stop_predicting = False
        try:
            calls.on_predict_begin()
            session.begin_epoch()
            self._drive(session, "predict", calls, size)
            rows = min(session.step * size, len(packed))
            results = [output[:rows] for output in session.outputs]
        finally:
            del session
        calls.on_predict_end()
        return self._packed(results)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step on one batch; returns what ``evaluate`` does, of this batch before its update."""
        self._assert_compiled("train_on_batch")
        if class_weight is not None and sample_weight is not None:
            raise ValueError(
                "Arguments `sample_weight` and `class_weight` cannot be specified at the same time. "
                f"Received: sample_weight={sample_weight}, class_weight={class_weight}"
            )
        batch = data.pack(self, x, data.require_targets(y), sample_weight, class_weight)
        with self._undone_on_error():
            session = self._training(self._ready(batch.x), batch, len(batch), None, False, None)
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

    def gradients(self, x: Any, y: Any, sample_weight: Any = None) -> Gradients:
        """The loss on one batch and its gradients, as a training step would have them; nothing is changed.

        ``g = model.gradients(x, y); optimizer.apply(g.variables, model.trainable_variables)`` is a step.

        Args:
            x, y, sample_weight: see ``fit``.

        Raises:
            ValueError: for values, shapes and lengths that do not fit, and a model that is not compiled.
            TypeError: for wrong types and dtypes.
        """
        self._assert_compiled("gradients")
        return gradients(self, x, y, sample_weight)

    def _arrays_of(self, packed: Data) -> tuple[Any, Any, Any]:
        return adjust_ranks(self, packed.x), packed.y, packed.sample_weight

    def _evaluation(self, packed: Data, batch_size: int | None, steps: int | None, device: str | None = None) -> Any:
        size, steps = data.plan_batches(len(packed), batch_size, steps, "steps")
        engine = self._ready(packed.x)

        def begin(x: Any, y: Any, weights: Any) -> Any:
            return engine.evaluate_session(x, y, weights, size, steps, _resolve(device))

        return open_session(self, packed, adjust_ranks(self, packed.x), begin, training=False)

    def _training(
        self, engine: Any, packed: Data, size: int, steps: int | None, shuffle: bool, device: str | None
    ) -> Any:
        def begin(x: Any, y: Any, weights: Any) -> Any:
            return engine.fit_session(x, y, weights, size, steps, shuffle, _resolve(device))

        session = open_session(self, packed, adjust_ranks(self, packed.x), begin, training=True)
        self._bind_optimizer()
        return session

    def _training_data(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any, share: float, validation_data: Any
    ) -> tuple[Data, Data | None]:
        held_out = None if validation_data is None else data.unpack_validation(self, validation_data)
        packed = data.pack(self, x, data.require_targets(y), sample_weight, class_weight)
        if held_out is not None or not share:
            return packed, held_out
        train, held_out = data.split(packed, share)
        # Class weights belong to training alone; weights of samples go along with them.
        return train, held_out if class_weight is None else held_out.unweighted()

    def _compute(self, arrays: Sequence[NDArray[Any]], training: bool) -> Any:
        raise NotImplementedError

    def _fill_metrics(self, session: Any) -> None:
        fill_metrics(self._compiled_outputs, session, self._engine_model().output_shapes)

    def _packed(self, results: Sequence[NDArray[np.float32]]) -> Any:
        raise NotImplementedError

    def _callbacks(
        self, callbacks: Any, verbose: int, epochs: int, steps: int, add_history: bool = False
    ) -> CallbackList:
        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(
            callbacks,
            add_history=add_history,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
        )

    def _drive(self, session: Any, mode: str, calls: CallbackList, size: int = 0) -> None:
        """Runs a session to its end, or until somebody stops it; Python handles signals at each return."""
        stop = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}[mode]
        one_by_one = calls.wants_batches(mode)
        begin, end = getattr(calls, f"on_{mode}_batch_begin"), getattr(calls, f"on_{mode}_batch_end")
        try:
            while not session.finished:
                if one_by_one:
                    step = session.step
                    begin(step)
                    session.run(max_steps=1)
                    end(step, session.logs() if size == 0 else {"outputs": self._of_batch(session, step * size, size)})
                else:
                    session.run(milliseconds=MILLISECONDS)
                    calls.on_progress(mode, session.step - 1, session.logs() if size == 0 else None)
                if getattr(self, stop):
                    break
        finally:
            del session

    def _of_batch(self, session: Any, start: int, size: int) -> Any:
        return self._packed([output[start:][:size] for output in session.outputs])

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

    def _one_batch(self, session: Any, return_dict: bool) -> Any:
        session.begin_epoch()
        while not session.finished:
            session.run(max_steps=1)
        logs = plain_logs(session.logs())
        self._fill_metrics(session)
        return logs if return_dict else self._in_order(logs)


def _should_validate(epoch: int, validation_freq: Any) -> bool:
    if isinstance(validation_freq, bool) or not isinstance(validation_freq, (int, list, tuple, set, range)):
        raise ValueError(
            f"Expected `validation_freq` to be a list or int. Received: validation_freq={validation_freq} of the type "
            f"{type(validation_freq)}."
        )
    if not isinstance(validation_freq, int):
        return epoch + 1 in validation_freq
    if validation_freq < 1:
        raise ValueError(f"`validation_freq` must be at least 1. Received: validation_freq={validation_freq}")
    return (epoch + 1) % validation_freq == 0
