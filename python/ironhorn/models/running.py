"""What ``fit``, ``evaluate`` and ``predict`` share: the loop around the engine, sessions over batches, callbacks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..callbacks.callback_list import CallbackList
from ..config import _resolve
from . import data
from .compilation import Compilation
from .data import Data
from .python_path import fill_metrics, open_session
from .sources import Source
from .spread import adjust_ranks
from .streams import StreamSession

MILLISECONDS = 50.0

#: Opens a session of the engine: of a model, over (x, y, sample_weight), with a batch size and steps.
Begin = Callable[[Any, tuple[Any, ...], int, int | None], Any]


class Running(Compilation):
    """The running half of a model."""

    def _compute(self, arrays: Sequence[NDArray[Any]], training: bool) -> Any:
        raise NotImplementedError

    def _packed(self, results: Sequence[NDArray[np.float32]]) -> Any:
        raise NotImplementedError

    @property
    def chosen_devices(self) -> dict[tuple[str, int], str]:
        """What the device ``"auto"`` has chosen so far, by kind of run and size: ``{("train", 256): "gpu:0"}``.

        The kinds are ``"train"``, ``"train_on_batch"`` (where the data are one batch) and ``"evaluate"`` with the rows
        of a batch, and ``"predict"`` with the rows of a call, rounded up to a power of two. Files keep it; ``compile``
        forgets it.
        """
        engine = getattr(self, "_engine", None)
        choices = [] if engine is None else engine.choices
        return {(task, size): device for task, size, device in choices}

    def _fill_metrics(self, session: Any) -> None:
        fill_metrics(self._compiled_outputs, session, self._engine_model().output_shapes)

    def _fit_session(self, shuffle: bool, device: str | None) -> Begin:
        return lambda engine, arrays, size, steps: engine.fit_session(*arrays, size, steps, shuffle, _resolve(device))

    def _evaluate_session(self, device: str | None) -> Begin:
        return lambda engine, arrays, size, steps: engine.evaluate_session(*arrays, size, steps, _resolve(device))

    def _stream(
        self,
        source: Source,
        steps: int | None,
        begin: Begin,
        training: bool,
        class_weight: Any = None,
        shuffle: bool = False,
    ) -> StreamSession:
        """A session that trains or measures on the batches of a source."""

        def convert(raw: Any) -> Data:
            x, y, weights = data.unpack_batch(raw, source.kind)
            return data.pack(self, x, data.require_targets(y), weights, class_weight)

        def adjust(batch: Data) -> list[Any]:
            return adjust_ranks(self, batch.x)

        def open_engine(first: Data) -> Any:
            engine = self._ready(first.x)
            size = len(first)
            return open_session(self, first, adjust(first), lambda *arrays: begin(engine, arrays, size, None), training)

        return StreamSession(source, steps, convert, adjust, open_engine, shuffle, resumes=training)

    def _callbacks(
        self, callbacks: Any, verbose: int, epochs: int, steps: int | None, add_history: bool = False
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

    def _drive(
        self, session: Any, mode: str, calls: CallbackList, outputs: Callable[[int], list[Any]] | None = None
    ) -> None:
        """Runs a session to its end, or until somebody stops it; Python handles signals at each return."""
        stop = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}[mode]
        one_by_one = calls.wants_batches(mode)
        begin, end = getattr(calls, f"on_{mode}_batch_begin"), getattr(calls, f"on_{mode}_batch_end")
        try:
            while not session.finished:
                if one_by_one:
                    step = session.step
                    begin(step)
                    while session.step == step and not session.finished:
                        session.run(max_steps=1)
                    if session.step == step:  # the data ended here
                        break
                    end(step, session.logs() if outputs is None else {"outputs": self._packed(outputs(step))})
                else:
                    session.run(milliseconds=MILLISECONDS)
                    calls.on_progress(mode, session.step - 1, session.logs() if outputs is None else None)
                if getattr(self, stop):
                    break
        finally:
            del session, outputs
