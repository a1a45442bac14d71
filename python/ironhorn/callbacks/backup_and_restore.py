"""Keeps the state of a run on disk, so that a run that was interrupted can go on.

A backup is a model file, as ``saving.save_state`` writes it: the model, its optimizer, the position of its random
numbers, and the name of a second file, written before it: the epoch, the position in it, the history, and what the
other callbacks have counted. It is written when all callbacks have seen the end of the epoch or the batch, so that a
run that goes on from it ends with the same bits as one that was never interrupted.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from ..errors import LoadError
from . import state
from .base import Callback, Logs
from .batch_hooks import only_if


class BackupAndRestore(Callback):
    """Backs up the whole state of the run, and goes on from it when ``fit`` is called again after an interruption.

    The model and the arguments of ``compile`` and ``fit`` must be the same as before. Callbacks that count over epochs
    take part through ``get_state`` and ``set_state``: the first of a class gets the state of the first of that class,
    and so on. The history that ``fit`` returns is whole. A ``CSVLogger`` needs ``append=True``.

    Args:
        backup_dir: a folder for this callback alone. It holds ``latest.ironhorn``, replaced in one piece, with
            ``double_checkpoint`` ``latest.ironhorn.bkp``, the one before it, and for each a ``run-….json``.
        save_freq: ``"epoch"``; after how many batches to write, which costs an engine call a batch; or ``False``.
        double_checkpoint: whether to keep the last backup but one, for the case that the last cannot be read.
        delete_checkpoint: whether to remove the folder when ``fit`` is done.

    Raises:
        ValueError: for an empty ``backup_dir`` and other values of ``save_freq``.
        LoadError: in ``fit``, if no backup in the folder can be read.
        OSError: in ``fit``, if the folder cannot be read or written.
        TypeError: in ``fit``, if a callback's ``get_state`` gives what JSON and arrays cannot hold.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not backup_dir:
            raise ValueError("Empty `backup_dir` argument passed")
        if save_freq != "epoch" and save_freq is not False and not (isinstance(save_freq, int) and save_freq > 0):
            raise ValueError(
                f"Invalid value for argument `save_freq`. Received: save_freq={save_freq}. Expected either 'epoch' or "
                "an integer value."
            )
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._path = os.path.join(self.backup_dir, "latest.ironhorn")
        self._previous_path = f"{self._path}.bkp"
        self._callbacks: list[Any] | None = None
        self._runs: list[str] = []
        self._latest_is_good = False
        self._states: dict[str, list[Any]] | None = None
        self._within_epoch = self._again = False
        self._since_saving = 0
        self._current_epoch = 0
        self._last_batch_seen = 0
        self._due = False

    def set_callbacks(self, callbacks: list[Any]) -> None:
        """Receives all callbacks of the run; whoever calls them then calls ``settle`` when all have been called."""
        self._callbacks = callbacks

    def on_train_begin(self, logs: Logs = None) -> None:
        """Restores the model if there is a backup; the other callbacks follow when they have begun."""
        self._due = self._within_epoch = self._again = False
        self._since_saving = self._last_batch_seen = self._current_epoch = 0
        self.model._initial_epoch = self.model._resume_position = None
        self._restore()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Notes the epoch."""
        self._current_epoch = epoch
        self._again, self._within_epoch = self._within_epoch, False
        if self._callbacks is None:
            self.settle()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Backs up after an epoch."""
        self._current_epoch = epoch + 1
        self._last_batch_seen = 0
        self._due = self.save_freq == "epoch"
        if self._callbacks is None:
            self.settle()

    @only_if(lambda self: self.save_freq not in ("epoch", False))
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Backs up after every ``save_freq`` batches."""
        if self.save_freq == "epoch" or self.save_freq is False:
            return
        self._last_batch_seen = batch
        self._since_saving += 1
        # A run that is being stopped is at its end, and does the few batches since the last backup again.
        self._due = self._since_saving >= int(self.save_freq) and not self.model.stop_training
        if self._callbacks is None:
            self.settle()

    def on_train_end(self, logs: Logs = None) -> None:
        """Removes the backup, unless it is to stay."""
        self.model._initial_epoch = None
        if self.delete_checkpoint and os.path.isdir(self.backup_dir):
            # What names another file goes before it: at every moment there is a whole backup or none.
            for path in (self._previous_path, self._path):
                Path(path).unlink(missing_ok=True)
                state.synchronise(self.backup_dir)
            shutil.rmtree(self.backup_dir)

    def settle(self) -> None:
        """Called when all callbacks have been called: gives them their states back, or backs up."""
        if self._again:
            # The other callbacks have begun an epoch that had begun before the backup, e.g. changed the rate again.
            self._restore()
            self._again = self._within_epoch = False
        if self._states is not None:
            for kind, callback in self._others():
                if self._states.get(kind):
                    callback.set_state(state.decode(self._states[kind].pop(0)))
            self._states = None
        if self._due:
            self._due = False
            self._since_saving = 0
            self._save()

    def _others(self) -> list[tuple[str, Any]]:
        """The other callbacks that have a state, by the names of their classes."""
        return [
            (type(callback).__name__, callback)
            for callback in self._callbacks or ()
            if callback is not self and hasattr(callback, "get_state") and hasattr(callback, "set_state")
        ]

    def _save(self) -> None:
        from ..saving import save_state

        states: dict[str, list[Any]] = {}
        for kind, callback in self._others():
            states.setdefault(kind, []).append(state.encode(callback.get_state(), f"the state of {kind}"))
        position = getattr(self.model, "_position", None)
        run = {
            "epoch": self._current_epoch,
            "batch": self._last_batch_seen,
            # At the end of an epoch there is no position in one.
            "position": None if self.save_freq == "epoch" or position is None else state.encode(position(), "position"),
            # Whether it was stopped, of how many epochs: a call for another number goes on.
            "stopped": (self.params or {}).get("epochs") if self.model.stop_training else None,
            "callbacks": states,
        }
        os.makedirs(self.backup_dir, exist_ok=True)
        name = state.write(self.backup_dir, "run", run)
        if self.double_checkpoint and self._latest_is_good and os.path.exists(self._path):
            os.replace(self._path, self._previous_path)
        save_state(self.model, self._path, {"run": name})
        self._latest_is_good = True
        self._runs = [*self._runs[-1:], name] if self.double_checkpoint else [name]
        for path in Path(self.backup_dir).glob("run-*"):
            if path.name not in self._runs:
                path.unlink()

    def _restore(self) -> None:
        run = self._load()
        if run is None:
            return
        self._current_epoch = self.model._initial_epoch = run["epoch"]
        self._states = run["callbacks"]
        self.model._resume_position = state.decode(run["position"])
        self._within_epoch = run["position"] is not None
        if run["stopped"] is not None and run["stopped"] == (self.params or {}).get("epochs"):
            self.model.stop_training = True  # there was nothing left to do but to end
            self.model._initial_epoch = max(run["epoch"], run["stopped"])

    def _load(self) -> dict[str, Any] | None:
        from ..saving import load_state

        failed: Exception | None = None
        for path in (self._path, self._previous_path):
            if os.path.exists(path):
                try:
                    name = load_state(self.model, path)["run"]
                    run = state.read(self.backup_dir, name)
                except (OSError, LoadError) as error:
                    failed = failed or error
                else:
                    self._runs = [name]
                    self._latest_is_good = path == self._path
                    return run
        if failed is not None:
            raise failed
        return None
