"""What all optimizers share: their options, the learning rate, steps over arrays, and the state as variables."""

import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _core, serialization
from ..naming import auto_name
from . import schedules
from .variables import OptimizerVariable, give_back, key_of, label, lend, shape_of


class Optimizer:
    """Base class of the optimizers.

    Args:
        learning_rate: the step's size, not negative; a ``LearningRateSchedule``; or a function without arguments.
        weight_decay: the decoupled decay, times the rate, or ``None``.
        clipnorm: each gradient's largest norm, or ``None``.
        clipvalue: the gradients' largest absolute value, or ``None``.
        global_clipnorm: the largest norm of all gradients together, or ``None``.
        use_ema: whether to keep a moving average of the weights, which replaces them when ``fit`` ends.
        ema_momentum: its momentum, in [0, 1].
        ema_overwrite_frequency: after how many updates the average replaces the weights before that, or ``None``.
        loss_scale_factor: what the loss is multiplied by and the gradients are divided by, or ``None``.
        gradient_accumulation_steps: how many steps' gradients make one update, at least 2, or ``None``.
        name: the optimizer's name.

    Raises:
        ValueError: for values out of range, two clip arguments at once and unknown keyword arguments.
    """

    _keras_module = "keras.optimizers"
    _parameters: ClassVar[tuple[str, ...]] = ()
    _common: ClassVar[tuple[str, ...]] = (
        "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum",
        "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps",
    )  # fmt: skip
    # Slots that Keras makes for all variables before the next slot; the others it makes variable by variable.
    _slots_apart: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        learning_rate: Any,
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
        if kwargs.pop("decay", None) is not None:
            warnings.warn("Argument `decay` is no longer supported and will be ignored.", stacklevel=3)
        if kwargs:
            raise ValueError(f"Argument(s) not recognized: {kwargs}")
        if gradient_accumulation_steps and not gradient_accumulation_steps >= 2:
            raise ValueError(
                "`gradient_accumulation_steps` must be an integer >= 2. "
                f"Received: gradient_accumulation_steps={gradient_accumulation_steps}"
            )
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ValueError(f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={ema_momentum}")
        frequency = ema_overwrite_frequency
        if use_ema and frequency and (not isinstance(frequency, int) or frequency < 1):
            raise ValueError(
                "`ema_overwrite_frequency` must be an integer >= 1 or None. "
                f"Received: ema_overwrite_frequency={frequency}"
            )
        if sum(value is not None for value in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
                f"clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
            )
        self._rate = self._check_rate(learning_rate)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.name = name or auto_name(type(self).__name__)
        self.built = False
        self._native: Any = None
        self._trainable_variables: list[Any] = []
        self._indices: dict[Any, int] = {}
        self._bound: dict[Any, Any] = {}
        self._excluded_keys: set[Any] = set()
        self._excluded_list: list[Any] = []  # keeps them alive: an array's address is its identity
        self._excluded_names: tuple[str, ...] = ()

    def _create(self) -> None:
        """Hands the configuration to the engine, which checks it."""
        # A class derived from one of Keras's follows that one's rule; one that brings another means it to be called.
        if hasattr(self, "update_step"):
            raise NotImplementedError(
                f"{type(self).__name__}: an `update_step` of one's own is not there, because the engine runs its own "
                "rules. Write a loop over `model.gradients` instead."
            )
        name = next(cls.__name__ for cls in type(self).__mro__ if cls.__module__.startswith(__package__))
        rate = self._called_rate(0) if self.uses_python_schedule else serialization.serialize(self._rate)
        form = {"class_name": name, "config": {"learning_rate": rate} | self._options()}
        self._native = _core.Optimizer(serialization.to_text(form))

    def _options(self) -> dict[str, Any]:
        """The constructor's arguments but for the rate."""
        return {name: getattr(self, name) for name in ("name", *self._common, *self._parameters)}

    # The learning rate

    def _check_rate(self, value: Any) -> Any:
        if isinstance(value, schedules.LearningRateSchedule):
            return value
        if isinstance(value, bool) or not (hasattr(value, "__float__") or callable(value)):
            raise ValueError(
                "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or a callable "
                "(that takes in the current iteration value and returns the corresponding learning rate value). "
                f"Received instead: learning_rate={value}"
            )
        if not hasattr(value, "__float__"):
            return value
        rate = float(value)
        if not 0 <= rate < float("inf"):
            raise ValueError(
                f"{type(self).__name__}: `learning_rate` must be finite and not negative. "
                f"Received: learning_rate={value!r}"
            )
        return rate

    @property
    def uses_python_schedule(self) -> bool:
        """Whether the rate comes from Python code: an own schedule, or a function.

        Whoever runs steps then calls ``refresh_learning_rate`` before each of them.
        """
        return callable(self._rate) and not schedules.is_native(self._rate)

    def _called_rate(self, step: int) -> float:
        rate = self._rate(step) if isinstance(self._rate, schedules.LearningRateSchedule) else self._rate()
        return float(rate)

    def refresh_learning_rate(self) -> None:
        """Asks an own schedule for the next step's rate; does nothing for other rates."""
        if self.uses_python_schedule:
            self._native.learning_rate = self._called_rate(self._iterations)

    @property
    def learning_rate(self) -> float:
        """The next step's size. It can be set at any time, also between the epochs of ``fit``, unless the optimizer was
        created with a schedule: that can only be replaced, by another schedule.

        Raises:
            TypeError: when a number is to replace a schedule.
        """
        if self._native is None:
            return self._called_rate(0) if callable(self._rate) else float(self._rate)
        return self._called_rate(self._iterations) if self.uses_python_schedule else float(self._native.learning_rate)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        rate = self._check_rate(value)
        if isinstance(self._rate, schedules.LearningRateSchedule) and not callable(rate):
            raise TypeError(
                "This optimizer was created with a `LearningRateSchedule` object as its `learning_rate` constructor "
                "argument, hence its learning rate is not settable. If you need the learning rate to be settable, you "
                "should instantiate the optimizer with a float `learning_rate` argument."
            )
        self._rate = rate
        native = self._called_rate(self._iterations) if self.uses_python_schedule else serialization.serialize(rate)
        self._native.replace_learning_rate(serialization.to_text(native))

    # Steps over arrays

    @property
    def _iterations(self) -> int:
        return int(self._native.iterations)

    @property
    def iterations(self) -> int:
        """How many updates have been made."""
        return self._iterations // (self.gradient_accumulation_steps or 1)

    def build(self, variables: Iterable[Any]) -> None:
        """Makes ``apply`` work on these variables: float32 arrays, or objects with ``numpy`` and ``assign``."""
        if self.built and self._trainable_variables:
            return
        self._trainable_variables = list(variables)
        self._indices = {key_of(variable): i for i, variable in enumerate(self._trainable_variables)}
        self.built = True

    def _sizes(self) -> list[int]:
        return [int(np.prod(shape_of(variable))) for variable in self._trainable_variables]

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Makes one step, in place.

        Args:
            grads: a gradient for each variable, of its shape; ``None`` leaves a variable as it is.
            trainable_variables: the variables; those of ``build`` if ``None``.

        Raises:
            ValueError: for unknown variables, other numbers or shapes of gradients, and if all are ``None``.
            TypeError: for arrays that are not float32.
        """
        grads = list(grads)
        if not grads:
            return
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    "When passing `grads` without `variables`, the optimizer must already be built on a list of "
                    "variables. Call `optimizer.build(trainable_variables)` first. "
                )
            if len(grads) != len(self._trainable_variables):
                raise ValueError(
                    "When passing `grads` as a list of gradient tensors, the gradients must match "
                    f"`optimizer.variables` one-to-on. Received a list of {len(grads)} gradients, but the optimizer is "
                    f"tracking {len(self._trainable_variables)} trainable variables."
                )
            trainable_variables = self._trainable_variables
        else:
            trainable_variables = list(trainable_variables)
            self.build(trainable_variables)
            if len(grads) != len(trainable_variables):
                raise ValueError(f"Received {len(grads)} gradients for {len(trainable_variables)} variables.")
        given: list[Any] = [None] * len(self._trainable_variables)
        missing = []
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            index = self._indices.get(key_of(variable))
            if index is None:
                raise ValueError(
                    f"Unknown variable: {variable}. This optimizer can only be called for the variables it was "
                    "originally built with. When working with a new set of variables, you should recreate a new "
                    "optimizer instance."
                )
            if gradient is None:
                missing.append(label(variable, index))
            else:
                given[index] = self._flat(gradient, variable, index)
        if len(missing) == len(grads):
            raise ValueError("No gradients provided for any variable.")
        if missing:
            warnings.warn(
                f"Gradients do not exist for variables {missing} when minimizing the loss. If using "
                "`model.compile()`, did you forget to provide a `loss` argument?",
                stacklevel=2,
            )
        self.refresh_learning_rate()
        lent = [lend(variable, index) for index, variable in enumerate(self._trainable_variables)]
        decays = [self._use_weight_decay(variable) for variable in self._trainable_variables]
        own = [v if isinstance(v, _core.Variable) else None for v in self._trainable_variables]
        self._native.apply([values for values, _ in lent], given, decays, own)
        for variable, (values, here), gradient in zip(self._trainable_variables, lent, given, strict=True):
            # Without a gradient only an average may have changed it.
            if not here and (gradient is not None or self.use_ema):
                give_back(variable, values)
            constraint = getattr(variable, "constraint", None)
            if constraint is not None and gradient is not None:
                variable.assign(constraint(variable.numpy()))

    @staticmethod
    def _flat(gradient: Any, variable: Any, index: int) -> NDArray[np.float32]:
        array = np.asarray(gradient.numpy() if hasattr(gradient, "numpy") else gradient, dtype=np.float32)
        if array.shape != shape_of(variable):
            raise ValueError(
                f"The gradient of {label(variable, index)} must have its shape, {shape_of(variable)}. "
                f"Received a gradient of shape {array.shape}"
            )
        return np.ascontiguousarray(array).reshape(-1)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> int:
        """``apply`` with pairs of a gradient and a variable; returns the number of steps made."""
        grads, trainable_variables = zip(*grads_and_vars, strict=True)
        self.apply(grads, trainable_variables)
        return self._iterations

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        """Clipped copies of gradients, by whichever way is set."""
        present = [np.asarray(g, dtype=np.float32) for g in grads if g is not None]
        clipped = iter(self._native.clip([g.reshape(-1) for g in present]))
        shapes = iter(g.shape for g in present)
        return [None if g is None else next(clipped).reshape(next(shapes)) for g in grads]

    def scale_loss(self, loss: Any) -> Any:
        """The loss times ``loss_scale_factor``; ``apply`` divides the gradients by it again."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """Replaces variables by the averages of their weights, if there are any; ``fit`` does so when it ends.

        Raises:
            ValueError: for another number of variables than the optimizer was built with.
        """
        if not self.use_ema:
            return
        variables = list(var_list)
        if len(variables) != len(self._trainable_variables):
            raise ValueError(
                f"The length of model variables ({len(variables)}) to override does not match the length of model "
                f"variables stored in the optimizer ({len(self._trainable_variables)}). Please check if the optimizer "
                "was called on your model."
            )
        for variable, average in zip(variables, self._model_variables_moving_average, strict=True):
            give_back(variable, average.numpy())

    # Weight decay

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Says which variables do not decay. It replaces what was said before, and is to be called before training.

        Args:
            var_list: variables.
            var_names: regular expressions; a variable is excluded if any of them is found in its name.
        """
        self._excluded_list = list(var_list or ())
        self._excluded_keys = {key_of(variable) for variable in self._excluded_list}
        self._excluded_names = tuple(var_names or ())

    def _use_weight_decay(self, variable: Any) -> bool:
        if key_of(variable) in self._excluded_keys:
            return False
        names = "|".join(self._excluded_names)
        return not names or re.search(names, str(getattr(variable, "name", ""))) is None

    def bind(self, variables: Iterable[Any]) -> None:
        """Tells the engine which of a model's variables do not decay, and builds on them; for ``compile``."""
        variables = list(variables)
        self.build(variables)
        # Several models may share an optimizer.
        self._bound |= {key_of(variable): variable for variable in variables}
        self._native.exclude([variable for variable in self._bound.values() if not self._use_weight_decay(variable)])

    # State

    def _slot(self, index: int, slot: int, name: str) -> OptimizerVariable:
        variable = self._trainable_variables[index]
        native, shape = self._native, shape_of(variable)

        def in_engine() -> bool:
            if isinstance(variable, _core.Variable) and native.variable_slots(variable):
                return True
            native.build(self._sizes())
            return False

        def read() -> Any:
            return native.variable_slot(variable, slot) if in_engine() else native.slot(index, slot)

        def write(values: NDArray[Any]) -> None:
            flat = np.ascontiguousarray(values).reshape(-1)
            if in_engine():
                native.set_variable_slot(variable, slot, flat)
            else:
                native.set_slot(index, slot, flat)

        owner = label(variable, index).replace("/", "_").replace(":", "_").replace(" ", "_")
        return OptimizerVariable(name, f"{self.name}/{owner}_{name}", shape, "float32", read, write)

    def _slots_called(self, *names: str) -> list[OptimizerVariable]:
        """The slots of these names, variable by variable."""
        places = [(i, name) for i, name in enumerate(self._native.slot_names) if name in names]
        return [self._slot(index, i, name) for index in range(len(self._trainable_variables)) for i, name in places]

    @property
    def _model_variables_moving_average(self) -> list[OptimizerVariable]:
        return self._slots_called("average")

    @property
    def _accumulated_gradients(self) -> list[OptimizerVariable]:
        return self._slots_called("gradient_accumulator")

    @property
    def variables(self) -> list[OptimizerVariable]:
        """The counter, the learning rate if it is a number, and the slots once built, in Keras's order."""
        native, name = self._native, self.name

        def count(value: NDArray[Any]) -> None:
            native.iterations = int(value)

        def rate(value: NDArray[Any]) -> None:
            self.learning_rate = float(value)

        found = [OptimizerVariable("iteration", f"{name}/iteration", (), "int", lambda: native.iterations, count)]
        if not callable(self._rate):
            read = lambda: native.learning_rate  # noqa: E731
            found.append(OptimizerVariable("learning_rate", f"{name}/learning_rate", (), "float32", read, rate))
        apart = ("average", "gradient_accumulator", *self._slots_apart)
        together = [slot for slot in native.slot_names if slot not in apart]
        for group in (apart[:1], apart[1:2], together, *((slot,) for slot in self._slots_apart)):
            found += self._slots_called(*group)
        return found

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Replaces the values of ``variables``.

        Raises:
            ValueError: before the optimizer is built, and for other shapes.
        """
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. Please call "
                "`optimizer.build(trainable_variables)` to create the optimizer weights before calling `set_weights()`."
            )
        for variable, weight in zip(self.variables, list(weights), strict=False):
            if variable.shape != shape_of(weight):
                raise ValueError(
                    f"Optimizer variable {variable.path} has shape {variable.shape} not compatible with provided "
                    f"weight shape {shape_of(weight)}."
                )
            variable.assign(weight)

    def save_own_variables(self, store: Any) -> None:
        """Writes the values of ``variables`` into ``store``, under their numbers."""
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads them back; warns and does nothing where their number is another."""
        variables = self.variables
        if len(store.keys()) != len(variables):
            warnings.warn(
                f"Skipping variable loading for optimizer '{self.name}', because it has {len(variables)} variables "
                f"whereas the saved optimizer has {len(store.keys())} variables. ",
                stacklevel=2,
            )
            return
        for index, variable in enumerate(variables):
            variable.assign(np.asarray(store[str(index)]))

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the learning rate as it is now or as its schedule."""
        rate = serialization.serialize(self._rate) if callable(self._rate) else self.learning_rate
        return {"name": self.name, "learning_rate": rate} | self._options()

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Builds an optimizer, without state, from ``get_config``'s result.

        Args:
            config: the arguments.
            custom_objects: own schedules by their names.
        """
        config = dict(config)
        if isinstance(config.get("learning_rate"), Mapping):
            config["learning_rate"] = schedules.deserialize(config["learning_rate"], custom_objects)
        return cls(**config)

    def __reduce__(self) -> tuple[Any, ...]:
        # An own schedule goes as an object, since a name would not find it again.
        config = self._options() | {"learning_rate": self._rate if callable(self._rate) else self.learning_rate}
        # The rate is in the configuration, and there in double precision.
        values = [variable.numpy() for variable in self.variables if variable.name != "learning_rate"]
        excluded = (self._excluded_list, self._excluded_names)
        return _rebuilt, (type(self), config, self._trainable_variables, values, self.built, excluded)


def _rebuilt(
    cls: type[Optimizer],
    config: dict[str, Any],
    trained: list[Any],
    values: list[NDArray[Any]],
    built: bool,
    excluded: tuple[list[Any], tuple[str, ...]],
) -> Optimizer:
    """A pickled optimizer."""
    optimizer = cls(**config)
    optimizer.exclude_from_weight_decay(*excluded)
    if built:
        optimizer.build(trained)
    variables = [variable for variable in optimizer.variables if variable.name != "learning_rate"]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return optimizer
