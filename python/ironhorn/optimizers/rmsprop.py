"""RMSprop: steps divided by a moving root mean square."""

from typing import Any

from .optimizer import Optimizer


class RMSprop(Optimizer):
    """``v = rho * v + (1 - rho) * g**2; w -= learning_rate * g / sqrt(v + epsilon)`` (Hinton 2012).

    Args:
        learning_rate: the step's size, a schedule, or a function without arguments.
        rho: the decay of the average square.
        momentum: of the steps; 0 for none.
        epsilon: added under the root.
        centered: whether the square of the average gradient is taken off the average square.
        kwargs: see ``Optimizer``.
    """

    _parameters = ("rho", "momentum", "epsilon", "centered")
    _slots_apart = ("velocity", "momentum", "average_gradient")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
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
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        self._create()
