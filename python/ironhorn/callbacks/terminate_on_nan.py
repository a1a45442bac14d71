"""Stops training when the loss is no number any more."""

import math

from ..utils.progbar import print_msg
from .base import Callback, Logs


class TerminateOnNaN(Callback):
    """Stops training after the batch in which the running loss has become NaN or infinite.

    With it among the callbacks, ``fit`` ends as in Keras, with ``on_train_end``, instead of raising by itself.

    Args:
        raise_error: whether to raise instead, so that no callback's ``on_train_end`` is called.

    Raises:
        RuntimeError: in ``fit``, with ``raise_error``.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Looks at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating training immediately."
            )
        print_msg(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
