"""Adagrad: steps divided by the root of all squares so far."""

from typing import Any

from .optimizer import Optimizer


class Adagrad(Optimizer):
    """``a += g**2; w -= learning_rate * g / sqrt(a + epsilon)`` (Duchi et al. 2011).

    Args:
        learning_rate: the step's size, a schedule, or a function without arguments.
        initial_accumulator_value: ``a`` at the start, not negative.
        epsilon: added under the root.
        kwargs: see ``Optimizer``.
    """

    _parameters = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon
        self._create()
