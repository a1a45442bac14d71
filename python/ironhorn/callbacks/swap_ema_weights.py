"""Evaluates with the averages of the weights."""

from typing import Any, ClassVar

import numpy as np

from ..optimizers.variables import give_back
from .base import Callback, Logs


class SwapEMAWeights(Callback):
    """Puts the optimizer's moving averages of the weights in their place for evaluation, and the weights back after it.

    For optimizers with ``use_ema=True``. Other callbacks must leave the weights alone in between.

    Args:
        swap_on_epoch: whether the averages take their place already at the end of each epoch, until the next begins, so
            that callbacks behind this one, e.g. ``ModelCheckpoint``, see them.

    Raises:
        ValueError: when it is to swap and the optimizer keeps no averages.
    """

    _state: ClassVar[tuple[str, ...]] = ("_ema_weights_in_model",)

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = swap_on_epoch
        self._ema_weights_in_model = False

    def _pairs(self) -> list[tuple[Any, Any]]:
        optimizer = self.model.optimizer
        averages = optimizer._model_variables_moving_average
        if not averages:
            raise ValueError(
                "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer. "
                f"Received: use_ema={optimizer.use_ema}"
            )
        return list(zip(optimizer._trainable_variables, averages, strict=True))

    def _swap(self, averages_in_model: bool) -> None:
        if self._ema_weights_in_model != averages_in_model:
            for variable, average in self._pairs():
                weights = np.array(variable.numpy() if hasattr(variable, "numpy") else variable)
                give_back(variable, average.numpy())
                average.assign(weights)
            self._ema_weights_in_model = averages_in_model

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Puts the weights back."""
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Puts the averages into the model."""
        if self.swap_on_epoch and not self._ema_weights_in_model:
            self._swap(True)
            assert self.params is not None
            if epoch == self.params["epochs"] - 1:
                # `fit` is about to replace the weights by the averages.
                for variable, average in self._pairs():
                    average.assign(variable)

    def on_test_begin(self, logs: Logs = None) -> None:
        """Puts the averages into the model."""
        self._swap(True)

    def on_test_end(self, logs: Logs = None) -> None:
        """Puts the weights back."""
        self._swap(False)

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Puts the averages into the model."""
        self._swap(True)

    def on_predict_end(self, logs: Logs = None) -> None:
        """Puts the weights back, which Keras 3.15 forgets."""
        self._swap(False)
