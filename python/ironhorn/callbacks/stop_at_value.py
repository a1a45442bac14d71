"""Stops training as soon as a value is good enough."""

import warnings

from ..utils.progbar import print_msg
from .base import Logs
from .monitor_callback import MonitorCallback


class StopAtValue(MonitorCallback):
    """Stops training at the end of the first epoch in which ``monitor`` has reached ``value``.

    Keras has no such callback. ``StopAtValue(0.05)`` stops at a loss of 0.05 or less,
    ``StopAtValue(0.98, "val_accuracy")`` at an accuracy of 0.98 or more. Unlike
    ``EarlyStopping`` it can stop after the first epoch.

    Args:
        value: what to reach.
        monitor: a name in the logs.
        mode: ``"min"``, ``"max"``, or ``"auto"``: the metric's own direction.
        verbose: 1 prints when it stops.

    Raises:
        ValueError: for a ``value`` that is no number; in ``fit``, for ``mode="auto"`` and a value of unknown direction.
    """

    def __init__(self, value: float, monitor: str = "loss", mode: str = "auto", verbose: int = 0) -> None:
        super().__init__(monitor, mode)
        if isinstance(value, (bool, str)) or not float(value) == float(value):
            raise ValueError(f"StopAtValue: `value` must be a number. Received: value={value!r}")
        self.value = float(value)
        self.verbose = verbose
        self.stopped_epoch: int | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Starts again."""
        self.stopped_epoch = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Compares and stops."""
        if self.monitor_op is None:
            self._set_monitor_op()
        assert self.monitor_op is not None
        current = (logs or {}).get(self.monitor)
        if current is None:
            warnings.warn(
                f"The stop is conditioned on metric `{self.monitor}` which is not available. Available metrics are: "
                f"{','.join(logs or {})}",
                UserWarning,
                stacklevel=2,
            )
        elif current == self.value or self.monitor_op(current, self.value):
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.verbose > 0:
                print_msg(f"Epoch {epoch + 1}: {self.monitor} reached {self.value:g}, stopping")
