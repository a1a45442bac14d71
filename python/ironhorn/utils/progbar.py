"""The progress bar, in Keras's format.

In a terminal or a notebook the bar is drawn again and again over itself, in Keras's colours. Anywhere else, where a
carriage return would fill a file, it is printed once when it is complete, without colours.
"""

import math
import os
import sys
import time
from collections.abc import Iterable, Sequence

import numpy as np


def print_msg(message: object, line_break: bool = True) -> None:
    """Prints and flushes; what the terminal's encoding lacks is replaced."""
    text = f"{message}\n" if line_break else str(message)
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.replace("━", "=").encode(encoding, errors="ignore").decode(encoding))
    sys.stdout.flush()


class Progbar:
    """Displays a progress bar.

    Args:
        target: how many steps, ``None`` where unknown.
        width: the bar's cells.
        verbose: 0 silent, 1 a bar, 2 one line at the end.
        interval: the least seconds between two drawings.
        stateful_metrics: names to show as they are; all others are averaged.
        stateless_metrics: names to average; all others are shown as they are.
        unit_name: what a step is called.

    Raises:
        ValueError: if both lists of names are given.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Only one of `stateful_metrics` or `stateless_metrics` can be provided.")
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self._averaged = None if stateless_metrics is None else set(stateless_metrics)
        self._as_is = set(stateful_metrics or ())
        self._dynamic = (
            (hasattr(sys.stdout, "isatty") and sys.stdout.isatty())
            or "ipykernel" in sys.modules
            or "PYCHARM_HOSTED" in os.environ
        )
        self._values: dict[str, tuple[float, int]] = {}
        self._seen = 0
        self._start = time.time()
        self._last_update = 0.0
        self._after_first_step: float | None = None
        self._previous_width = 0

    def update(
        self, current: int, values: Sequence[tuple[str, float]] | None = None, finalize: bool | None = None
    ) -> None:
        """Shows the bar at step ``current``.

        Args:
            current: the step.
            values: names and numbers of that step.
            finalize: whether it is the last; by default whether ``current`` has reached ``target``.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._take(name, float(np.mean(value)), current, finalize)
        self._seen = current
        now = time.time()
        duration = self._step_duration(current, now)
        if self.verbose == 1:
            if finalize or (self._dynamic and now - self._last_update >= self.interval):
                self._draw(current, finalize, now, duration)
                self._last_update = now
        elif self.verbose == 2 and finalize and self.target:
            line = f"{current:{len(str(self.target))}d}/{self.target} - {now - self._start:.0f}s"
            line += f" -{self._format_time(duration)}{self._format_values(signed=False)}\n"
            print_msg(line, line_break=False)

    def add(self, n: int, values: Sequence[tuple[str, float]] | None = None) -> None:
        """``update`` by ``n`` more steps."""
        self.update(self._seen + n, values)

    def _take(self, name: str, value: float, current: int, finalize: bool) -> None:
        averaged = name not in self._as_is if self._averaged is None else name in self._averaged
        if averaged and not finalize:
            total, count = self._values.get(name, (0.0, 0))
            steps = max(current - self._seen, 1)
            self._values[name] = (total + value * steps, count + steps)
        else:
            self._values[name] = (value, 1)

    def _draw(self, current: int, finalize: bool, now: float, duration: float) -> None:
        if self.target:
            cells = int(self.width * (current / self.target))
            bar = self._bold(f"{current:{len(str(self.target))}d}/{self.target}") + " "
            bar += self._colour("\33[32m", "━" * cells) if cells else ""
            bar += self._colour("\33[37m", "━" * (self.width - cells))
        else:
            bar = f"{current:7d}/Unknown"
        elapsed = f"{now - self._start:.0f}s"
        if self.target and not finalize:
            elapsed = self._format_eta(duration * (self.target - current))
        info = f" {self._bold(elapsed)}{self._format_time(duration)}{self._format_values(signed=True)}"
        message = bar + info
        if self._dynamic:
            width = len(message) - message.count("\x1b") * 4 - message.count("\33[32m") - message.count("\33[37m")
            padding = " " * max(self._previous_width - width, 0)
            message = "\b" * self._previous_width + "\r" + message + padding
            self._previous_width = width
        print_msg(message + ("\n" if finalize else ""), line_break=False)

    def _bold(self, text: str) -> str:
        return self._colour("\x1b[1m", text)

    def _colour(self, code: str, text: str) -> str:
        return f"{code}{text}\x1b[0m" if self._dynamic else text

    def _format_values(self, signed: bool) -> str:
        text = ""
        for name, (total, count) in self._values.items():
            mean = total / max(1, count)
            size = abs(mean) if signed else mean
            text += f" - {name}: {mean:.4f}" if size > 1e-3 else f" - {name}: {mean:.4e}"
        return text

    def _format_time(self, seconds: float) -> str:
        if seconds >= 1 or seconds == 0:
            return f" {seconds:.0f}s/{self.unit_name}"
        if seconds >= 1e-3:
            return f" {seconds * 1e3:.0f}ms/{self.unit_name}"
        return f" {seconds * 1e6:.0f}us/{self.unit_name}"

    @staticmethod
    def _format_eta(seconds: float) -> str:
        if not math.isfinite(seconds):
            return "?"
        whole = int(seconds)
        if seconds > 3600:
            return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
        return f"{whole // 60}:{whole % 60:02d}" if seconds > 60 else f"{whole}s"

    def _step_duration(self, current: int, now: float) -> float:
        """Seconds a step, without the first one where steps are seen one by one."""
        if not current:
            return 0.0
        if self._after_first_step is not None and current > 1:
            duration = (now - self._after_first_step) / (current - 1)
        else:
            duration = (now - self._start) / current
        if current == 1:
            self._after_first_step = now
        return duration
