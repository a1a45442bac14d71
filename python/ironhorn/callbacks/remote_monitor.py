"""Sends the logs of each epoch to a server."""

import importlib
import json
import warnings
from typing import Any

import numpy as np

from .base import Callback, Logs


class RemoteMonitor(Callback):
    """Posts epoch and logs to a server after each epoch, with the package ``requests``.

    Args:
        root: the server's address.
        path: the path behind it.
        field: the form's field that holds the JSON text.
        headers: further HTTP headers.
        send_as_json: whether to send the JSON itself instead of a form.

    Raises:
        ImportError: in ``fit``, without ``requests``.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Posts the logs; warns where nobody answers."""
        try:
            requests: Any = importlib.import_module("requests")
        except ImportError as error:
            raise ImportError("RemoteMonitor requires the `requests` library.") from error
        send: dict[str, Any] = {"epoch": epoch}
        for name, value in (logs or {}).items():
            send[name] = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
        address = self.root + self.path
        try:
            if self.send_as_json:
                requests.post(address, json=send, headers=self.headers)
            else:
                requests.post(address, {self.field: json.dumps(send)}, headers=self.headers)
        except requests.exceptions.RequestException:
            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root}", UserWarning, stacklevel=2)
