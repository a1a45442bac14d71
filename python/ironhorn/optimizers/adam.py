"""Adam: moving averages of the gradient and of its square."""

from typing import Any

from .optimizer import Optimizer


class Adam(Optimizer):
    """Moving averages of the gradient and of its square, as in Kingma et al., with the bias correction in the rate.

    Args:
        learning_rate: the step's size, a schedule, or a function without arguments.
        beta_1: the decay of the average gradient.
        beta_2: the decay of the average square.
        epsilon: added to the root, before the bias correction.
        amsgrad: whether to divide by the largest average square so far.
        kwargs: see ``Optimizer``.
    """

    _parameters = ("beta_1", "beta_2", "epsilon", "amsgrad")
    _slots_apart = ("velocity_hat",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self._create()
