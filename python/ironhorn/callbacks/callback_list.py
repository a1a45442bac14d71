"""Calls many callbacks at once.

A callback is whatever has some of ``Callback``'s methods. All get the same logs, so that one sees what those before it
have added. ``BackupAndRestore`` has a second turn when all have been called, because it keeps the state of the others.
"""

from collections.abc import Iterator
from typing import Any

from .backup_and_restore import BackupAndRestore
from .base import Callback, History
from .batch_hooks import defines
from .progbar_logger import ProgbarLogger

_HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def _flatten(callbacks: Any) -> Iterator[Any]:
    if isinstance(callbacks, (list, tuple)):
        for callback in callbacks:
            yield from _flatten(callback)
    elif callbacks is not None:
        yield callbacks


def _check(callback: Any) -> Any:
    if isinstance(callback, type):
        raise TypeError(f"`callbacks` takes objects. Received the class {callback.__name__}: call it first.")
    if not any(callable(getattr(callback, hook, None)) for hook in _HOOKS):
        raise TypeError(
            f"`callbacks` takes objects with methods such as `on_epoch_end`. Received: {callback!r} "
            f"(of type {type(callback).__name__})"
        )
    return callback


def plain_logs(logs: dict[str, Any] | None) -> dict[str, Any]:
    """The logs in alphabetical order, as floats where they are numbers."""
    plain: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        try:
            plain[name] = float(value)
        except (TypeError, ValueError):
            plain[name] = value
    return plain


class CallbackList(Callback):
    """Calls the callbacks in their order.

    Args:
        callbacks: callbacks, also in nested lists.
        add_history: whether to add a ``History`` where there is none.
        add_progbar: whether to add a ``ProgbarLogger`` where there is none.
        model: the model.
        params: what ``set_params`` receives.

    Raises:
        TypeError: for classes and for objects without any method of a callback.
        ValueError: for an ``on_..._end`` without its ``on_..._begin``.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks: list[Any] = [_check(callback) for callback in _flatten(callbacks)]
        self._open = 0
        self._history = next((c for c in self.callbacks if isinstance(c, History)), None)
        if self._history is None and add_history:
            self._history = History()
            self.callbacks.append(self._history)
        if add_progbar and not any(isinstance(c, ProgbarLogger) for c in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def append(self, callback: Any) -> None:
        """Adds a callback."""
        self.callbacks.append(_check(callback))

    def set_params(self, params: dict[str, Any]) -> None:
        """Passes ``params`` on to the callbacks that take them."""
        self.params = params
        for callback in self.callbacks:
            if hasattr(callback, "set_params"):
                callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Passes the model on to the callbacks that take it."""
        self.model = model
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            if isinstance(callback, BackupAndRestore):
                callback.set_callbacks(self.callbacks)
            if hasattr(callback, "set_model"):
                callback.set_model(model)

    def wants_batches(self, mode: str) -> bool:
        """Whether a callback is to be called at every batch of ``"train"``, ``"test"`` or ``"predict"``."""
        hooks = [f"on_{mode}_batch_begin", f"on_{mode}_batch_end"]
        if mode == "train":
            hooks += ["on_batch_begin", "on_batch_end"]
        return any(
            callback.wants_batches(mode)
            if isinstance(callback, CallbackList)
            else any(defines(callback, hook) for hook in hooks)
            for callback in self.callbacks
        )

    def on_progress(self, mode: str, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Tells the progress bars, and nobody else, how far it is, where batches are not called one by one."""
        logs = plain_logs(logs)
        for callback in self.callbacks:
            if isinstance(callback, ProgbarLogger):
                getattr(callback, f"on_{mode}_batch_end")(batch, logs)

    def _call(self, hook: str, *args: Any, backups_last: bool = False) -> None:
        callbacks = self.callbacks
        if backups_last:
            callbacks = sorted(callbacks, key=lambda callback: isinstance(callback, BackupAndRestore))
        for callback in callbacks:
            method = getattr(callback, hook, None)
            if method is None and hook.startswith("on_train_batch"):
                method = getattr(callback, hook.replace("_train", ""), None)
            if method is not None:
                method(*args)

    def _settle(self) -> None:
        for callback in self.callbacks:
            if isinstance(callback, BackupAndRestore):
                callback.settle()

    def _end(self) -> None:
        self._open -= 1
        if self._open < 0:
            self._open = 0
            raise ValueError("`on_xxx_end` called without corresponding `on_xxx_begin`")

    def on_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_batch_begin", batch, plain_logs(logs))

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_batch_end", batch, plain_logs(logs))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_epoch_begin", epoch, plain_logs(logs))
        self._settle()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_epoch_end", epoch, plain_logs(logs))
        self._settle()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_train_batch_begin", batch, plain_logs(logs))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_train_batch_end", batch, plain_logs(logs))
        self._settle()

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_test_batch_begin", batch, plain_logs(logs))

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_test_batch_end", batch, plain_logs(logs))

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_predict_batch_begin", batch, plain_logs(logs))

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls all; ``logs["outputs"]`` stays an array."""
        self._call("on_predict_batch_end", batch, dict(logs or {}))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._open += 1
        self._call("on_train_begin", plain_logs(logs))
        self._settle()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_train_end", plain_logs(logs), backups_last=True)
        self._end()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._open += 1
        self._call("on_test_begin", plain_logs(logs))

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_test_end", plain_logs(logs))
        self._end()

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._open += 1
        self._call("on_predict_begin", plain_logs(logs))

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """Calls all."""
        self._call("on_predict_end", plain_logs(logs))
        self._end()
