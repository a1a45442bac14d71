"""The base of the callbacks that watch one value of the logs.

An improvement is ``value - min_delta < best`` for values that should fall, ``value - min_delta > best`` for values
that should rise, with ``min_delta`` negative for the first and positive for the second. Both sides are rounded to
float32 before they are compared, as Keras does: smaller differences are no improvement.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Callback


def less(a: Any, b: Any) -> bool:
    """Whether ``a`` is smaller in float32."""
    with np.errstate(over="ignore"):
        return bool(np.float32(a) < np.float32(b))


def greater(a: Any, b: Any) -> bool:
    """Whether ``a`` is larger in float32."""
    return less(b, a)


class MonitorCallback(Callback):
    """Base of the callbacks that watch one value of the logs.

    Args:
        monitor: the value's name.
        mode: ``"min"``, ``"max"``, or ``"auto"``: the metric's own direction.
        baseline: the first best value, ``None`` for the first one seen.
        min_delta: smaller changes are no improvement.

    Raises:
        ValueError: in ``fit``, for ``mode="auto"`` and a value of unknown direction.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ) -> None:
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.", UserWarning, stacklevel=3
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best: Any = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op: Callable[[Any, Any], bool] | None = None

    def _set_monitor_op(self) -> None:
        if self.mode != "auto":
            self.monitor_op = less if self.mode == "min" else greater
        else:
            name = self.monitor.removeprefix("val_")
            if name == "loss":
                self.monitor_op = less
            for metric in getattr(self.model, "_compiled_metrics", ()):
                if metric.name == name and metric._direction is not None:
                    self.monitor_op = greater if metric._direction == "up" else less
            if self.monitor_op is None:
                raise ValueError(
                    f"{type(self).__name__} callback received monitor={self.monitor}, but Ironhorn isn't able to "
                    "automatically determine whether that metric should be maximized or minimized. Pass `mode='max'` "
                    "in order to monitor based on the highest metric value, or pass `mode='min'` in order to use the "
                    "lowest value."
                )
        if self.monitor_op is less:
            self.min_delta = -abs(self.min_delta)

    def _is_improvement(self, value: Any, reference: Any) -> bool:
        if reference is None:
            return True
        assert self.monitor_op is not None
        return self.monitor_op(value - self.min_delta, reference)
