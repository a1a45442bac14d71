"""Optimizers, by Keras's names and signatures; the engine holds their state."""

from typing import Any, ClassVar, Self

from . import _core, serialization
from .naming import auto_name, to_snake_case


class Optimizer:
    """Base class of the optimizers.

    Args:
        learning_rate: the step's size, not negative.
        weight_decay: the decoupled decay, or ``None``.
        clipnorm: each gradient's largest norm, or ``None``.
        clipvalue: the gradients' largest absolute value, or ``None``.
        global_clipnorm: the largest norm of all gradients together, or ``None``.
        use_ema: whether to keep a moving average of the weights.
        ema_momentum: its momentum, in [0, 1].
        ema_overwrite_frequency: after how many steps the average replaces the weights.
        gradient_accumulation_steps: how many steps' gradients make one update.
        name: the optimizer's name.

    Raises:
        ValueError: for values out of range, two clip arguments at once and unknown keyword arguments.
    """

    _keras_module = "keras.optimizers"
    _parameters: ClassVar[tuple[str, ...]] = ()
    _common = (
        "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum",
        "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps",
    )  # fmt: skip

    def __init__(
        self,
        learning_rate: float,
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
        kwargs.pop("decay", None)
        if kwargs:
            raise ValueError(f"Argument(s) not recognized: {kwargs}")
        cls = type(self).__name__
        if sum(value is not None for value in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
                f"clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
            )
        if loss_scale_factor is not None:
            raise NotImplementedError(f"{cls}: `loss_scale_factor` belongs to half precision; pass None.")
        self._initial_rate = self._check_rate(learning_rate)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = None
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.name = name or auto_name(cls)
        self.built = False
        self._native: Any = None

    def _create(self) -> None:
        """Hands the configuration to the engine, which checks it."""
        self._native = _core.Optimizer(serialization.to_text(serialization.serialize(self)))

    def _check_rate(self, value: Any) -> float:
        owner = type(self).__name__
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            raise TypeError(f"{owner}: `learning_rate` must be a number. Received: learning_rate={value!r}")
        rate = float(value)
        if not 0 <= rate < float("inf"):
            raise ValueError(
                f"{owner}: `learning_rate` must be finite and not negative. Received: learning_rate={value!r}"
            )
        return rate

    @property
    def learning_rate(self) -> float:
        """The step's size; can be set at any time, also between the epochs of ``fit``."""
        return self._initial_rate if self._native is None else float(self._native.learning_rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._native.learning_rate = self._check_rate(value)

    @property
    def iterations(self) -> int:
        """How many updates have been made."""
        return int(self._native.iterations)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the learning rate as it is now."""
        config = {"name": self.name, "learning_rate": self.learning_rate}
        return config | {name: getattr(self, name) for name in (*self._common, *self._parameters)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds an optimizer, without state, from ``get_config``'s result."""
        return cls(**config)


class SGD(Optimizer):
    """``w -= learning_rate * g``; with momentum ``v = momentum * v - learning_rate * g; w += v``.

    Args:
        learning_rate: the step's size.
        momentum: in [0, 1].
        nesterov: whether to look ahead: ``w += momentum * v - learning_rate * g``.
        kwargs: see ``Optimizer``.
    """

    _parameters = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
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
        if isinstance(momentum, bool) or not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise ValueError(f"`momentum` must be a float between [0, 1]. Received: momentum={momentum!r}")
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
        self.momentum = momentum
        self.nesterov = bool(nesterov)
        self._create()


class Adam(Optimizer):
    """Moving averages of the gradient and of its square, as in Kingma et al., with the bias correction in the rate.

    Args:
        learning_rate: the step's size.
        beta_1: the decay of the first average, in [0, 1).
        beta_2: the decay of the second, in [0, 1).
        epsilon: added to the root of the second, before the bias correction.
        amsgrad: whether to divide by the largest second average so far.
        kwargs: see ``Optimizer``.
    """

    _parameters = ("beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(
        self,
        learning_rate: float = 0.001,
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
        self.amsgrad = bool(amsgrad)
        self._create()


_CLASSES: tuple[type[Optimizer], ...] = (Adam, SGD)
ALL_OBJECTS: dict[str, type[Optimizer]] = {cls.__name__: cls for cls in _CLASSES}
ALL_OBJECTS |= {to_snake_case(cls.__name__): cls for cls in _CLASSES}


def serialize(optimizer: Optimizer) -> Any:
    """The nested form of an optimizer."""
    return serialization.serialize(optimizer)


def deserialize(config: Any) -> Optimizer:
    """The optimizer a nested form stands for."""
    return get(config)


def get(identifier: Any) -> Optimizer:
    """The optimizer for a name (in any case), a configuration, a class or an object.

    Raises:
        ValueError: for unknown names (the nearest one and all known ones are named) and for anything else.
    """
    if isinstance(identifier, str) and identifier not in ALL_OBJECTS:
        identifier = identifier.lower()
    optimizer = serialization.get(identifier, ALL_OBJECTS, "optimizer")
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"An optimizer is a name or an object of ironhorn.optimizers. Received: {identifier!r} "
            f"(of type {type(identifier).__name__})"
        )
    return optimizer
