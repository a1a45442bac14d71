"""Lowers the learning rate when a value has stopped improving."""

import warnings
from typing import Any, ClassVar

import numpy as np

from ..utils.progbar import print_msg
from .base import Logs
from .learning_rate_scheduler import rate_of
from .monitor_callback import MonitorCallback


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when ``monitor`` has not improved for ``patience`` epochs.

    It adds the rate that the epoch was trained with to the logs, as ``learning_rate``.

    Args:
        monitor: a name in the logs.
        factor: what the rate is multiplied by, less than 1.
        patience: for how many epochs to wait.
        verbose: 1 prints each new rate.
        mode: ``"min"``, ``"max"``, or ``"auto"``: the metric's own direction.
        min_delta: smaller changes are no improvement.
        cooldown: how many epochs after a reduction do not count.
        min_lr: the least rate.
        **kwargs: ignored, as in Keras.

    Raises:
        ValueError: for a ``factor`` of 1 or more; in ``fit``, for ``mode="auto"`` and a value of unknown direction.
        TypeError: in ``fit``, when the rate is to be lowered, if the optimizer was created with a schedule.
    """

    _state: ClassVar[tuple[str, ...]] = ("wait", "best", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}")
        self.factor = factor
        self.min_lr = min_lr
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        """Starts again, so that an object can serve several ``fit`` calls."""
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Compares, waits, lowers the rate."""
        if self.monitor_op is None:
            self._set_monitor_op()
        logs = {} if logs is None else logs
        logs["learning_rate"] = rate_of(self.model.optimizer)
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not available. Available "
                f"metrics are: {','.join(logs)}.",
                UserWarning,
                stacklevel=2,
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, epoch: int) -> bool:
        old = rate_of(self.model.optimizer)
        if not old > np.float32(self.min_lr):
            return False
        new = max(old * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = new
        if self.verbose > 0:
            print_msg(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
        return True

    def in_cooldown(self) -> bool:
        """Whether epochs do not count yet."""
        return self.cooldown_counter > 0
