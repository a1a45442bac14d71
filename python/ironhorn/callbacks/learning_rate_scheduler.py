"""Sets the learning rate at the start of each epoch."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils.progbar import print_msg
from .base import Callback, Logs


def rate_of(optimizer: Any) -> float:
    """The learning rate as logs show it: rounded to float32, which is what Keras keeps it in."""
    return float(np.float32(optimizer.learning_rate))


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch, and adds it to the logs as ``learning_rate``.

    Args:
        schedule: a function of the epoch, counted from 0, and the present rate, or of the epoch alone, that returns the
            new rate as a float.
        verbose: 1 prints each rate.

    Raises:
        ValueError: in ``fit``, if the function returns anything but a float.
        TypeError: in ``fit``, if the optimizer was created with a schedule.
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Sets the rate."""
        optimizer = self.model.optimizer
        if not hasattr(optimizer, "learning_rate"):
            raise ValueError('Optimizer must have a "learning_rate" attribute.')
        try:
            rate = self.schedule(epoch, rate_of(optimizer))
        except TypeError:  # a function of the epoch alone
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.float32, np.float64)):
            raise ValueError(f"The output of the `schedule` function should be a float. Got: {rate}")
        optimizer.learning_rate = rate
        if self.verbose > 0:
            print_msg(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Adds the rate to the logs."""
        if logs is not None:
            logs["learning_rate"] = rate_of(self.model.optimizer)
