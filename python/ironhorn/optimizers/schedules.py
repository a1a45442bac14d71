"""Learning rates as functions of the step. Keras's schedules are computed by the engine, in double precision."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from .. import _core, serialization


class LearningRateSchedule:
    """Base class of the schedules.

    A schedule is called with the step, from 0, and returns the rate. Own ones implement ``__call__`` and, to be saved,
    ``get_config``; they run as Python code, between the steps.
    """

    _keras_module = "keras.optimizers.schedules"

    def __call__(self, step: Any) -> Any:
        """The rate at a step."""
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `get_config()` in order to be serializable."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a schedule from ``get_config``'s result."""
        return cls(**config)


class _Native(LearningRateSchedule):
    """A schedule that the engine knows."""

    name: str
    _steps: ClassVar[str] = "decay_steps"
    _parameters: ClassVar[tuple[str, ...]] = ()

    def _check_steps(self) -> None:
        steps = getattr(self, self._steps)
        if steps <= 0:
            raise ValueError(f"Argument `{self._steps}` must be > 0. Received: {self._steps}={steps}")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {parameter: getattr(self, parameter) for parameter in self._parameters}

    def __call__(self, step: Any) -> Any:
        """The rate at a step, a float; for an array of steps an array."""
        text = serialization.to_text(serialization.serialize(self))
        steps = np.asarray(step.numpy() if hasattr(step, "numpy") else step, dtype=np.float64)
        if steps.ndim == 0:
            return _core.schedule_value(text, float(steps))
        rates = [_core.schedule_value(text, float(each)) for each in steps.reshape(-1)]
        return np.array(rates).reshape(steps.shape)


class ExponentialDecay(_Native):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: after how many steps it is multiplied by ``decay_rate``; above 0.
        decay_rate: the factor.
        staircase: whether ``step / decay_steps`` is rounded down.
        name: the schedule's name.

    Raises:
        ValueError: for ``decay_steps`` that are not positive.
    """

    _parameters = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name
        self._check_steps()


class PiecewiseConstantDecay(_Native):
    """``values[0]`` up to and with step ``boundaries[0]``, then ``values[1]``, and so on.

    Args:
        boundaries: steps in increasing order, at least one.
        values: the rates, one more.
        name: the schedule's name.

    Raises:
        ValueError: for lengths that do not fit.
    """

    _parameters = ("boundaries", "values", "name")

    def __init__(self, boundaries: Any, values: Any, name: str = "PiecewiseConstant") -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. Received: "
                f"boundaries={boundaries} of length {len(boundaries)}, and values={values} of length {len(values)}."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name


class PolynomialDecay(_Native):
    """``(initial - end) * (1 - step / decay_steps) ** power + end``, with ``step`` at most ``decay_steps``.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: how long it falls; above 0.
        end_learning_rate: the rate in the end.
        power: the polynomial's power.
        cycle: whether it begins anew, with the next multiple of ``decay_steps`` in their place.
        name: the schedule's name.

    Raises:
        ValueError: for ``decay_steps`` that are not positive.
    """

    _parameters = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name
        self._check_steps()


class InverseTimeDecay(_Native):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: how long a unit of time is; above 0.
        decay_rate: how fast it falls.
        staircase: whether ``step / decay_steps`` is rounded down.
        name: the schedule's name.

    Raises:
        ValueError: for ``decay_steps`` that are not positive.
    """

    _parameters = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name
        self._check_steps()


class CosineDecay(_Native):
    """Half a cosine from the first rate down to ``alpha`` times it, after a line up if ``warmup_target`` is given.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: how long the cosine is; above 0.
        alpha: the share that is left in the end.
        name: the schedule's name.
        warmup_target: where the line ends and the cosine begins; ``None`` for no warm-up.
        warmup_steps: how long the line is.

    Raises:
        ValueError: for ``decay_steps`` that are not positive.
    """

    _parameters = ("initial_learning_rate", "decay_steps", "alpha", "name", "warmup_target", "warmup_steps")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_steps = warmup_steps
        self.warmup_target = warmup_target
        self._check_steps()


class CosineDecayRestarts(_Native):
    """Half a cosine again and again, each ``t_mul`` times as long and ``m_mul`` times as high as the one before.

    Args:
        initial_learning_rate: the rate at step 0.
        first_decay_steps: how long the first is; above 0.
        t_mul: how many times as long each next one is.
        m_mul: how many times as high.
        alpha: the share of the first rate that is left at each end.
        name: the schedule's name.

    Raises:
        ValueError: for ``first_decay_steps`` that are not positive.
    """

    _steps = "first_decay_steps"

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self._t_mul = t_mul
        self._m_mul = m_mul
        self.alpha = alpha
        self.name = name
        self._check_steps()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self._t_mul,
            "m_mul": self._m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


_CLASSES: tuple[type[LearningRateSchedule], ...] = (
    ExponentialDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    InverseTimeDecay,
    CosineDecay,
    CosineDecayRestarts,
)
ALL_OBJECTS: dict[str, type[LearningRateSchedule]] = {cls.__name__: cls for cls in _CLASSES}


def is_native(schedule: Any) -> bool:
    """Whether the engine computes a schedule itself; a class derived from one of Keras's may compute something else."""
    return type(schedule) in _CLASSES


def serialize(learning_rate_schedule: LearningRateSchedule) -> Any:
    """The nested form of a schedule."""
    return serialization.serialize(learning_rate_schedule)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The schedule a nested form stands for.

    Args:
        config: what ``serialize`` returned.
        custom_objects: own classes by their names.

    Raises:
        ValueError: for names that are neither Keras's nor in ``custom_objects``.
    """
    return serialization.deserialize(config, {**ALL_OBJECTS, **(custom_objects or {})}, "learning rate schedule")
