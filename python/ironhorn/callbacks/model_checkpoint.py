"""Saves the model while it trains."""

import os
import warnings
from typing import Any, ClassVar

import numpy as np

from ..utils.progbar import print_msg
from .base import Logs
from .batch_hooks import only_if
from .monitor_callback import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after each epoch or after every so many batches.

    Args:
        filepath: the file, which ends in ``.ironhorn``. ``{epoch:02d}``, counted from 1, ``{val_loss:.2f}`` and other
            names of the logs are filled in, and ``{batch}``, counted from 1, where ``save_freq`` is a number. Missing
            folders are made; a file that is there is replaced, in one piece.
        monitor: a name in the logs; for ``save_best_only``.
        verbose: 1 prints what it does.
        save_best_only: whether to save only where ``monitor`` is better than ever before.
        save_weights_only: whether to call ``model.save_weights`` instead of ``model.save``.
        mode: ``"min"``, ``"max"``, or ``"auto"``: the metric's own direction.
        save_freq: ``"epoch"``, or after how many batches to save, which costs an engine call a batch. At a batch the
            logs hold the epoch's running values.
        initial_value_threshold: what is to be surpassed by the first save of ``save_best_only``.

    Raises:
        ValueError: for other file names (Keras's formats cannot be written yet) and other values of ``save_freq``; in
            ``fit``, for ``mode="auto"`` and a value of unknown direction.
        KeyError: in ``fit``, for names in ``filepath`` that the logs lack.
        OSError: in ``fit``, if the file cannot be written.
    """

    _state: ClassVar[tuple[str, ...]] = ("best", "_batches_seen_since_last_saving", "_last_batch_seen")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.verbose = verbose
        self.filepath = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._batches_seen_since_last_saving = 0
        self._last_batch_seen: int | None = None
        self._current_epoch = 0
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values")
        if not self.filepath.endswith(".ironhorn"):
            when = "When using `save_weights_only=True` in `ModelCheckpoint`, the" if save_weights_only else "The"
            raise ValueError(
                f"{when} filepath provided must end in `.ironhorn` (Ironhorn's format; files of Keras cannot be "
                f"written yet). Received: filepath={self.filepath}"
            )

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Notes the epoch."""
        self._current_epoch = epoch

    @only_if(lambda self: self.save_freq != "epoch")
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Saves after every ``save_freq`` batches."""
        if self.save_freq != "epoch" and self._is_due(batch):
            self._save_model(self._current_epoch, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Saves after the epoch."""
        if self.monitor_op is None:
            self._set_monitor_op()
        if self.save_freq == "epoch":
            self._save_model(epoch, None, logs)

    def _is_due(self, batch: int) -> bool:
        if self._last_batch_seen is None or batch <= self._last_batch_seen:
            self._batches_seen_since_last_saving += batch + 1
        else:
            self._batches_seen_since_last_saving += batch - self._last_batch_seen
        self._last_batch_seen = batch
        if self._batches_seen_since_last_saving < int(self.save_freq):
            return False
        self._batches_seen_since_last_saving = 0
        return True

    def _should_save_model(self, epoch: int, logs: dict[str, Any], filepath: str) -> bool:
        if not self.save_best_only:
            if self.verbose > 0:
                print_msg(f"\nEpoch {epoch + 1}: saving model to {filepath}")
            return True
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(f"Can save best model only with {self.monitor} available.", UserWarning, stacklevel=2)
            return True
        if np.ndim(current) > 0:
            warnings.warn(
                f"Can save best model only when `monitor` is a scalar value. Received: {current}. Falling back to "
                "`save_best_only=False`.",
                UserWarning,
                stacklevel=2,
            )
            return True
        if self.monitor_op is None:  # a batch of the first epoch
            self._set_monitor_op()
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(current, self.best):
            if self.verbose > 0:
                print_msg(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {best}")
            return False
        if self.verbose > 0:
            print_msg(
                f"\nEpoch {epoch + 1}: {self.monitor} improved from {best} to {current:.5f}, saving model to {filepath}"
            )
        self.best = current
        return True

    def _save_model(self, epoch: int, batch: int | None, logs: Logs) -> None:
        logs = logs or {}
        filepath = self._get_file_path(epoch, batch, logs)
        if not self._should_save_model(epoch, logs, filepath):
            return
        if os.path.isdir(filepath):
            raise OSError(
                "Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an existing directory: "
                f"{filepath}"
            )
        os.makedirs(os.path.dirname(filepath) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(filepath, overwrite=True)
        else:
            self.model.save(filepath, overwrite=True)
        if self.verbose > 0:
            print_msg(f"\nEpoch {epoch + 1}: finished saving model to {filepath}")

    def _get_file_path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        names = dict(logs) if batch is None else {"batch": batch + 1} | logs
        try:
            return self.filepath.format(epoch=epoch + 1, **names)
        except KeyError as error:
            raise KeyError(f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}') from error
