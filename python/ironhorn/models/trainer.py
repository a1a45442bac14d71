"""The training half of a model."""

from typing import Any

from .data import Data
from .gradients import Gradients, gradients
from .on_batch import OnBatch
from .prediction import Predicting
from .spread import adjust_ranks


class Trainer(OnBatch, Predicting):
    """``fit``, ``evaluate``, ``predict``, the same on single batches, and gradients."""

    def gradients(self, x: Any, y: Any, sample_weight: Any = None) -> Gradients:
        """The loss on one batch and its gradients, as a training step would have them; nothing is changed.

        ``g = model.gradients(x, y); optimizer.apply(g.variables, model.trainable_variables)`` is a step.

        Args:
            x, y, sample_weight: see ``fit``.

        Raises:
            ValueError: for values, shapes and lengths that do not fit, and a model that is not compiled.
            TypeError: for wrong types and dtypes.
        """
        self._assert_compiled("gradients")
        return gradients(self, x, y, sample_weight)

    def _arrays_of(self, packed: Data) -> tuple[Any, Any, Any]:
        return adjust_ranks(self, packed.x), packed.y, packed.sample_weight
