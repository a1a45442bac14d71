"""Adadelta: Adagrad that forgets, and measures its own steps."""

from typing import Any

from .optimizer import Optimizer


class Adadelta(Optimizer):
    """``g`` times the ratio of moving root mean squares of the steps and of the gradients (Zeiler 2012).

    Args:
        learning_rate: the step's size, a schedule, or a function without arguments.
        rho: the decay of both averages.
        epsilon: added under both roots.
        kwargs: see ``Optimizer``.
    """

    _parameters = ("rho", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
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
        self.rho = rho
        self.epsilon = epsilon
        self._create()
