"""The base of callbacks, the history, and callbacks made of functions."""

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

Logs = dict[str, Any] | None


class Callback:
    """Base class. ``self.model`` is the model, ``self.params`` holds ``verbose``, ``epochs`` and ``steps``.

    The engine hands control back after about 50 ms of training. A callback that defines ``on_train_batch_begin`` or
    ``on_train_batch_end`` is called at every batch, which costs an engine call a batch. An exception in a callback
    ends the training and arrives unchanged; the model keeps the weights of its last whole step.
    """

    params: dict[str, Any] | None = None
    model: Any = None
    _state: ClassVar[tuple[str, ...]] = ()

    def get_state(self) -> dict[str, Any]:
        """What ``BackupAndRestore`` is to keep of this callback: numbers, texts, lists, dicts and arrays, by names.

        A callback that decides by what it saw in earlier epochs returns that here and takes it back in ``set_state``.
        """
        return {name: getattr(self, name) for name in self._state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from a state of ``get_state``; called after ``on_train_begin`` of a run that continues another."""
        for name in self._state:
            setattr(self, name, state[name])

    def set_params(self, params: dict[str, Any]) -> None:
        """Receives ``params``."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receives the model."""
        self.model = model

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The old name of ``on_train_batch_begin``."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The old name of ``on_train_batch_end``."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch and its validation; ``logs`` holds ``loss``, the metrics and their ``val_`` values."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of ``fit``."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of ``fit``; ``logs`` holds the epoch's running values."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of ``evaluate``, also where ``fit`` validates."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of ``evaluate``."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of ``predict``."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of ``predict``; ``logs["outputs"]`` holds its predictions."""

    def on_train_begin(self, logs: Logs = None) -> None:
        """At the start of ``fit``."""

    def on_train_end(self, logs: Logs = None) -> None:
        """At the end of ``fit``, unless an exception ended it."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """At the start of ``evaluate``."""

    def on_test_end(self, logs: Logs = None) -> None:
        """At the end of ``evaluate``."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """At the start of ``predict``."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """At the end of ``predict``."""


class History(Callback):
    """What ``fit`` returns: ``epoch``, epochs, and ``history``, the values of each name in the logs."""

    _state: ClassVar[tuple[str, ...]] = ("epoch", "history")

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs = None) -> None:
        """Starts the list of epochs again."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Adds the epoch's values."""
        lists = [self.epoch, *(self.history.setdefault(name, []) for name in logs or {})]
        # One call into C: Ctrl-C comes before or after it, and finds whole epochs.
        deque(map(list.append, lists, [epoch, *(logs or {}).values()]), maxlen=0)
        self.model.history = self

    def _repr_html_(self) -> str:
        from ..utils.notebook import history_html

        return history_html(self)


class LambdaCallback(Callback):
    """A callback made of functions, passed by the names of the methods they stand for."""

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        self.__dict__.update(kwargs)
        self.__dict__.update({name: function for name, function in given.items() if function is not None})
