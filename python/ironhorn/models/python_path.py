"""Steps that need Python: losses, metrics and learning rates that are written in it.

The engine calls no Python. Where a model is compiled with a ``PythonLoss``, with a metric of one's own or with an own
schedule, ``GuidedSession`` takes one step at a time: it asks for the outputs that the step will have, gives them to the
Python code, puts the gradient where the engine finds it, and lets the engine do the rest. This costs a second forward
pass and the crossings; what ``ironhorn.ops`` can say runs in the engine instead.

The engine's loss ``given`` has the value 0 and the gradient y/n, for n columns: so y is set to n·dL/dp.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import losses, metrics
from ..losses import PythonLoss
from .data import Data
from .outputs import Measure, Output


def needs_python(outputs: list[Output], optimizer: Any, training: bool) -> bool:
    """Whether a step of a model compiled like this calls Python."""
    own = any(isinstance(output.loss, PythonLoss) or output.python_metrics for output in outputs)
    return own or (training and optimizer.uses_python_schedule)


def open_session(model: Any, data: Data, x: list[Any], begin: Any, training: bool) -> Any:
    """A session over ``data``, guided where Python takes part; ``begin(x, y, sample_weight)`` opens the engine's."""
    outputs = model._compiled_outputs
    if not needs_python(outputs, model.optimizer, training):
        return begin(x, data.y, data.sample_weight)
    shapes = model._engine_model().output_shapes
    given: list[NDArray[np.float32] | None] = [
        np.zeros((len(data), *shape), np.float32) if isinstance(output.loss, PythonLoss) else None
        for output, shape in zip(outputs, shapes, strict=True)
    ]
    targets = [y if buffer is None else buffer for y, buffer in zip(data.y, given, strict=True)]
    session = begin(x, targets, data.sample_weight)
    return GuidedSession(session, outputs, data, given, shapes, model.optimizer, training)


def fill_metrics(outputs: list[Output], session: Any, shapes: Sequence[tuple[int, ...]]) -> None:
    """Gives the metric objects of ``compile`` the state that the engine came to: their ``result()`` is then that of the
    last epoch or evaluation."""
    states = iter(session.metric_states())
    for output, shape in zip(outputs, shapes, strict=True):
        for measure in output.engine_metrics:
            state, take = next(states), getattr(measure.metric, "_take_state", None)
            if take is not None:
                take(state, shape[-1] if shape else 1)


class GuidedSession:
    """The engine's session, led through its steps one by one; its interface is the engine's.

    Args:
        session: the engine's, whose targets are ``given`` for the outputs with a ``PythonLoss``.
        outputs: what the model is compiled with.
        data: the true targets and the weights.
        given: an array an output to write gradients into, or ``None``.
        shapes: the shape of one sample of each output.
        optimizer: whose learning rate is to be kept up to date.
        training: whether steps update weights.
    """

    def __init__(
        self,
        session: Any,
        outputs: list[Output],
        data: Data,
        given: list[NDArray[np.float32] | None],
        shapes: list[tuple[int, ...]],
        optimizer: Any,
        training: bool,
    ) -> None:
        self._session = session
        self._outputs = outputs
        self._data = data
        self._given = given
        self._optimizer = optimizer
        self._training = training
        self._sums = [0.0] * len(outputs)
        self._samples = 0
        self._metrics = [
            [(measure, _object(measure, shape, y), weighted) for measure, weighted in output.python_metrics]
            for output, shape, y in zip(outputs, shapes, data.y, strict=True)
        ]

    @property
    def steps(self) -> int:
        """Steps in one epoch."""
        return int(self._session.steps)

    @property
    def step(self) -> int:
        """Steps done in this epoch."""
        return int(self._session.step)

    @property
    def finished(self) -> bool:
        """Whether the epoch is over."""
        return bool(self._session.finished)

    def begin_epoch(self) -> None:
        """Clears steps, sums and metrics."""
        self._session.begin_epoch()
        self._sums = [0.0] * len(self._outputs)
        self._samples = 0
        for measured in self._metrics:
            for _, metric, _ in measured:
                metric.reset_state()

    def run(self, max_steps: int | None = None, milliseconds: float = 50.0) -> None:
        """Runs whole steps until the epoch ends, ``max_steps`` are done or the time is over; at least one."""
        deadline = time.monotonic() + milliseconds / 1000.0
        done = 0
        while not self.finished:
            self._prepare()
            self._session.run(max_steps=1)
            done += 1
            if done == max_steps or time.monotonic() >= deadline:
                break

    def _prepare(self) -> None:
        """Python's part of the next step. Sums and states change only when all of it has succeeded."""
        if self._training:
            self._optimizer.refresh_learning_rate()
        if not any(isinstance(output.loss, PythonLoss) or output.python_metrics for output in self._outputs):
            return
        rows, predictions = self._session.preview()
        losses = [self._lose(i, rows, predictions[i]) for i in range(len(self._outputs))]
        for i, measured in enumerate(self._metrics):
            for _, metric, weighted in measured:
                weight = self._data.sample_weight[i] if weighted else None
                metric.update_state(self._true(i)[rows], predictions[i], None if weight is None else weight[rows])
        self._sums = [total + loss * len(rows) for total, loss in zip(self._sums, losses, strict=True)]
        self._samples += len(rows)

    def _true(self, output: int) -> NDArray[Any]:
        y = self._data.y[output]
        assert y is not None
        return y

    def _lose(self, i: int, rows: NDArray[np.uint32], predictions: NDArray[np.float32]) -> float:
        """The batch's loss of an output that has a ``PythonLoss``, whose gradient goes to the engine; else 0."""
        loss, into = self._outputs[i].loss, self._given[i]
        if into is None:
            return 0.0
        true = self._true(i)[rows]
        if true.ndim == predictions.ndim - 1 and predictions.shape[-1] == 1:
            true = true[..., None]
        values, gradient = loss.values_and_gradient(true, predictions)
        weights = self._data.sample_weight[i]
        weight = np.ones(len(rows)) if weights is None else np.asarray(weights[rows], np.float64).reshape(-1)
        spread = weight.reshape(-1, *[1] * (values.ndim - 1))
        if loss.reduction == "sum":
            scale = 1.0
        elif loss.reduction == "mean_with_sample_weight":
            total = float(np.broadcast_to(spread, values.shape).sum())
            scale = 1.0 / total if total else 0.0
        else:
            scale = 1.0 / values.size
        # The engine multiplies by the samples' weights and by the loss's weight itself.
        into[rows] = gradient * np.float32(scale * predictions.shape[-1])
        return float((values.astype(np.float64) * spread).sum() * scale)

    def metric_states(self) -> Any:
        """The states of the metrics that the engine computes."""
        return self._session.metric_states()

    def logs(self) -> dict[str, float]:
        """The engine's logs, with what Python adds."""
        logs = dict(self._session.logs())
        for output, total, measured in zip(self._outputs, self._sums, self._metrics, strict=True):
            if isinstance(output.loss, PythonLoss) and self._samples:
                mean = total / self._samples
                logs["loss"] += mean * output.weight
                if output.loss_key is not None:
                    logs[output.loss_key] += mean
            for measure, metric, _ in measured:
                result = metric.result()
                logs |= result if isinstance(result, dict) else {measure.name: float(np.asarray(result))}
        return logs


def _object(measure: Measure, shape: tuple[int, ...], y: NDArray[Any] | None) -> Any:
    """The metric to update; the automatic names are resolved by the shapes of output and target, as in the engine."""
    if measure.metric is not None:
        return measure.metric
    if not isinstance(measure.form, str):
        loss = losses.get(measure.form)
        return metrics.MeanMetricWrapper(loss, name=measure.name)
    target_columns = 1 if y is None or y.ndim <= len(shape) else y.shape[-1]
    kind = "Binary" if shape[-1] == 1 else "Categorical" if target_columns > 1 else "SparseCategorical"
    return getattr(metrics, f"{kind}{'Accuracy' if measure.form == 'accuracy' else 'Crossentropy'}")(name=measure.name)
