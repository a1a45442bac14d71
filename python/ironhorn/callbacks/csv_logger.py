"""Writes the logs of each epoch into a CSV file."""

import csv
import os
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from .base import Callback, Logs


class CSVLogger(Callback):
    """Writes a line an epoch: its number, counted from 0, and the logs by name, ``NA`` where one is missing.

    The columns are those of the first epoch; where it was not validated, there are ``val_`` columns for later epochs.
    Each line is on its way to the disk before the next epoch starts.

    Args:
        filename: the file, which is made new or, with ``append``, made longer; its folder must exist.
        separator: what stands between two values.
        append: whether to go on in the file that is there, without a second header.

    Raises:
        OSError: in ``fit``, if the file cannot be opened or written.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.sep = separator
        self.filename = os.fspath(filename)
        self.append = append
        self.writer: Any = None
        self.keys: list[str] | None = None
        self.append_header = True
        self.csv_file: IO[str] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Opens the file."""
        if self.append and os.path.exists(self.filename):
            with open(self.filename, encoding="utf-8", newline="") as file:
                self.append_header = not file.readline()
        self._close()
        self.csv_file = open(self.filename, "a" if self.append else "w", encoding="utf-8", newline="")  # noqa: SIM115
        self.writer = None
        self.keys = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Writes a line."""
        logs = logs or {}
        assert self.csv_file is not None
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        if self.writer is None:
            self.writer = csv.DictWriter(self.csv_file, ["epoch", *self.keys], dialect="excel", delimiter=self.sep)
            if self.append_header:
                self.writer.writeheader()
        self.writer.writerow({"epoch": epoch} | {key: _cell(logs.get(key, "NA")) for key in self.keys})
        self.csv_file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        """Closes the file."""
        self._close()
        self.writer = None

    def _close(self) -> None:
        if self.csv_file is not None and not self.csv_file.closed:
            self.csv_file.close()

    def __del__(self) -> None:
        if getattr(self, "csv_file", None) is not None:
            self._close()


def _cell(value: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, Iterable) or (isinstance(value, np.ndarray) and not value.ndim):
        return value
    return f'"[{", ".join(map(str, value))}]"'
