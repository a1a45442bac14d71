"""The base of metrics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from .. import initializers
from ..naming import auto_name
from ..serialization import numpy_dtype
from .variable import Variable


class Metric:
    """Base class. Subclasses define ``update_state`` and ``result``.

    A subclass creates its state with ``add_variable`` in ``__init__``, changes it in ``update_state`` with the
    variables' ``assign`` and ``assign_add``, and reads the number off in ``result``, all on NumPy arrays.

    Args:
        dtype: of the state that the metric adds itself and of the result; by default ``"float32"``.
        name: a name; by default the class's.

    Attributes:
        is_native: whether ``compile`` lets the engine compute the metric; else Python does, a batch at a time.
    """

    _keras_module = "keras.metrics"
    _parameters: ClassVar[tuple[str, ...]] = ()
    _direction: str | None = None
    is_native: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Who derives from a metric of the engine's changes it.
        cls.is_native = bool(cls.__dict__.get("is_native", False))

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or auto_name(type(self).__name__)
        self._dtype = numpy_dtype(dtype, type(self).__name__)
        self._variables: list[Variable] = []
        self._metrics: list[Metric] = []

    @classmethod
    def _engine_class(cls) -> str | None:
        """What the engine calls this class, or the one it derives from; ``None`` if it knows neither."""
        return next((base.__name__ for base in cls.__mro__ if base.__dict__.get("is_native")), None)

    @property
    def dtype(self) -> str:
        """The dtype of the result."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """The state, with that of metrics which are attributes."""
        return [*self._variables, *(variable for metric in self._metrics for variable in metric.variables)]

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """A new part of the state.

        Args:
            shape: its shape, ``()`` for a number.
            initializer: an initializer, the name of one, or the first value.
            dtype: ``"float32"`` by default.
            aggregation: accepted as Keras's; there is one replica.
            name: a name.
        """
        self._check_super_called()
        is_form = initializer is None or callable(initializer) or isinstance(initializer, (str, Mapping))
        start: Any = initializer
        if is_form:
            start = initializers.get("zeros" if initializer is None else initializer)
        variable = Variable(start, tuple(shape), numpy_dtype(dtype, type(self).__name__), name)
        self._variables.append(variable)
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """``add_variable`` under its older name."""
        return self.add_variable(shape, initializer, dtype, name=name)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Takes a batch in."""
        raise NotImplementedError

    def result(self) -> Any:
        """The number so far."""
        raise NotImplementedError

    def reset_state(self) -> None:
        """Forgets all batches."""
        for variable in self.variables:
            variable.assign(0)

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """The state that ``update_state`` makes of ``metric_variables``; the metric's own stays."""
        return self._with_state(metric_variables, lambda: self.update_state(*args, **kwargs))[1]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The result of the state ``metric_variables``."""
        return self._with_state(metric_variables, self.result)[0]

    def stateless_reset_state(self) -> list[Any]:
        """The state that a reset would leave."""
        return self._with_state(self.variables, self.reset_state)[1]

    def _with_state(self, values: Sequence[Any], work: Any) -> tuple[Any, list[Any]]:
        variables = self.variables
        if len(values) != len(variables):
            raise ValueError(
                "Argument `metric_variables` must be a list of tensors corresponding 1:1 to "
                f"{type(self).__name__}().variables. Received list with length {len(values)}, but expected "
                f"{len(variables)} variables."
            )
        before = [variable._value.copy() for variable in variables]
        try:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(np.asarray(value))
            return work(), [variable.numpy() for variable in variables]
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``update_state``, then ``result``."""
        self._check_super_called()
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype, **{n: getattr(self, n) for n in self._parameters}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a metric from ``get_config``'s result."""
        return cls(**config)

    def __setattr__(self, name: str, value: Any) -> None:
        # Variables and metrics inside of what an attribute holds are part of the state.
        if not name.startswith("_") and "_variables" in self.__dict__:
            for item in _leaves(value):
                store: list[Any] = self._variables if isinstance(item, Variable) else self._metrics
                if all(item is not known for known in store):
                    store.append(item)
        super().__setattr__(name, value)

    def _check_super_called(self) -> None:
        if "_variables" not in self.__dict__:
            raise RuntimeError("You forgot to call `super().__init__()` in the `__init__()` method. Go add it!")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (Variable, Metric)):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
