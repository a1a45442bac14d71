"""``predict``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import _resolve
from ..layers.base import build_lock
from . import data
from .data import Data
from .predictor import Predictor
from .running import Running
from .sources import Rows, is_stream, source_of
from .spread import adjust_ranks
from .streams import StreamSession, close


class Predicting(Running):
    """The part of a model that is asked."""

    _engine: Any
    _program: Any

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
            x: inputs, ``(n, ...)``, or what gives batches, of which all but the inputs is left; see ``fit``.
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
        if verbose == 0 and batch_size is steps is callbacks is device is None and type(x) is np.ndarray:
            results = self._predict_at_once(x)
            if results is not None:
                return results
        batch_size = data.optional_integer(batch_size, "batch_size")
        steps = data.optional_integer(steps, "steps")
        shown = data.verbosity(verbose)
        packed = None if is_stream(x) else data.pack(self, x, keep_sparse=True)
        size = rows = 0
        if packed is not None:
            rows = len(packed)
            size, steps = data.plan_batches(rows, batch_size, steps, "steps")
        session: Any = None
        try:
            with self._undone_on_error():
                if packed is None or packed.is_sparse:
                    session = self._predict_stream(
                        source_of(x) if packed is None else Rows(packed, size), steps, device
                    )
                else:
                    session = self._predict_session(packed, size, steps, device)
                calls = self._callbacks(callbacks, shown, 1, session.steps)
            self.stop_predicting = False
            calls.on_predict_begin()
            session.begin_epoch()
            if isinstance(session, StreamSession):
                streamed = session.predictions
                self._drive(session, "predict", calls, lambda _: streamed[-1])
                results = self._joined(streamed)
            else:
                outputs = session  # of a step: the outputs so far are made anew at each call
                self._drive(session, "predict", calls, lambda step: [o[step * size :][:size] for o in outputs.outputs])
                results = [output[: min(session.step * size, rows)] for output in session.outputs]
                del outputs
        finally:
            close(session)
            del session
        calls.on_predict_end()
        return self._packed(results)

    def _predict_at_once(self, x: NDArray[Any]) -> Any:
        """The outputs for a few rows, where nobody is to be told of them; ``None`` where that is not so simple."""
        with build_lock:
            engine = self._engine if self._program is not None and self._program.current else None
        result = None if engine is None else engine.predict_rows(x)
        if result is None:
            return None
        self.stop_predicting = False
        return self._packed([result])

    def predictor(self, precision: str = "f32", calibrate: Any = None, device: str | None = None) -> Predictor:
        """An immutable copy of the weights, to be called from any number of threads: ``predict = model.predictor()``.

        Quickest is a chain of ``Dense``, activations, ``BatchNormalization`` and the like on rows: a row of a small net
        costs less than a microsecond. Every other model works too. How it is called, ``Predictor`` says.

        With narrow weights W, a dense layer's x·W differs from that in float32, beside the rounding of sums, by at most

        - ``"f16"``: 2⁻¹¹ Σᵢ|xᵢWᵢⱼ| for weights that are 0 or at least 6.1e-5; smaller ones are off by up to 3e-8 each.
        - ``"bf16"``: (2⁻⁷ + 2⁻¹⁶) Σᵢ|xᵢWᵢⱼ|, since x is rounded too. Numbers below 1.2e-38 count as 0.
        - ``"int8"``: ½ Σᵢ(|Wᵢⱼ|s + |xᵢ|tⱼ + ½stⱼ) with tⱼ = maxᵢ|Wᵢⱼ|/127 and steps s of x, a 255th of the range that
          the layer's x had in the calibration, 0 included. What lies beyond the range is held at its ends, and a NaN
          becomes a number.

        Sums are of float32, in int8 of integers and exact. bf16 and int8 use the instructions that processors have for
        them (AVX-512 BF16 and VNNI); without, they give the same numbers, more slowly.

        Args:
            precision: how the weights of dense layers are stored: ``"f32"``, ``"f16"``, ``"bf16"`` or ``"int8"``.
            calibrate: for ``"int8"`` alone, which needs it: samples like those to come.
            device: where to compute: ``"cpu"``, which ``None`` means whatever ``config.device()`` is, or ``"gpu"``,
                ``"gpu:N"`` for many rows at a time. An adapter takes ``"f32"`` alone, and calls from several threads
                take turns there; its results differ from the CPU's by rounding.

        Raises:
            ValueError: for an unknown precision, another one than ``"f32"`` on a GPU and for a model that is no chain
                of layers on rows, weights beyond ±65504 with ``"f16"``, samples that do not fit or are not finite, and
                unknown devices and ``"auto"``.
            DeviceError: if there is no such device.
            RuntimeError: if the model is not built.
        """
        return Predictor(self, precision, calibrate, device)

    def _predict_session(self, packed: Data, size: int, steps: int | None, device: str | None) -> Any:
        self._ensure_built_for(packed.x)
        return self._engine_model().predict_session(adjust_ranks(self, packed.x), size, steps, _resolve(device))

    def _predict_stream(self, source: Any, steps: int | None, device: str | None) -> StreamSession:
        def convert(raw: Any) -> Data:
            return data.pack(self, data.unpack_batch(raw, source.kind)[0])

        def adjust(batch: Data) -> list[Any]:
            return adjust_ranks(self, batch.x)

        def begin(first: Data) -> Any:
            return self._predict_session(first, len(first), None, device)

        return StreamSession(source, steps, convert, adjust, begin, collects=True)

    def _joined(self, predictions: list[list[Any]]) -> list[Any]:
        """The outputs of all batches, one array an output."""
        shapes = self._engine_model().output_shapes
        if not predictions:
            return [np.zeros((0, *shape), np.float32) for shape in shapes]
        return [np.concatenate(parts) for parts in zip(*predictions, strict=True)]
