"""The state of a metric: an array that is changed in place, and takes part in NumPy's arithmetic like one."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Variable(np.lib.mixins.NDArrayOperatorsMixin):
    """An array with ``assign``.

    Args:
        initializer: the first value, or a function of the shape that gives it.
        shape: of the variable, where a function gives the value.
        dtype: a dtype of NumPy's; by default ``"float32"``, or the value's if it is no float.
        name: a name.
        trainable: kept as an attribute; metrics are not trained.
    """

    def __init__(
        self,
        initializer: ArrayLike | Callable[..., ArrayLike],
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        name: str | None = None,
        trainable: bool = False,
    ) -> None:
        value = initializer(() if shape is None else tuple(shape)) if callable(initializer) else initializer
        array = np.asarray(value)
        if dtype is None:
            dtype = "float32" if array.dtype.kind == "f" else array.dtype
        self._value: NDArray[Any] = np.array(array, dtype=dtype)
        self.dtype = self._value.dtype.name
        self.name = name or "variable"
        self.trainable = trainable

    @classmethod
    def over(cls, state: NDArray[np.float64], name: str, dtype: str = "float32") -> Self:
        """A variable whose numbers stand in the engine's state; read, it is of the dtype that Keras's has."""
        variable = cls(0.0, dtype=dtype, name=name)
        variable._value = state
        return variable

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, which stays."""
        return self._value.shape

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return self._value.ndim

    @property
    def path(self) -> str:
        """Its name."""
        return self.name

    @property
    def value(self) -> NDArray[Any]:
        """A copy of the array."""
        return self.numpy()

    def numpy(self) -> NDArray[Any]:
        """A copy of the array."""
        return self._value.astype(self.dtype)

    def assign(self, value: ArrayLike) -> Self:
        """Sets the value.

        Raises:
            ValueError: if the shape is another.
        """
        array = np.asarray(value)
        if array.shape not in (self.shape, ()):
            raise ValueError(
                f"The shape of the variable {self.name!r} is {self.shape}. Received: a value of shape {array.shape}"
            )
        self._value[...] = array
        return self

    def assign_add(self, value: ArrayLike) -> Self:
        """Adds to the value."""
        return self.assign(self._value + np.asarray(value))

    def assign_sub(self, value: ArrayLike) -> Self:
        """Takes from the value."""
        return self.assign(self._value - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.numpy() if dtype is None else self._value.astype(dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [x.numpy() if isinstance(x, Variable) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __getitem__(self, index: Any) -> Any:
        return self.numpy()[index]

    def __len__(self) -> int:
        return len(self._value)

    def __float__(self) -> float:
        return float(self._value)

    def __int__(self) -> int:
        return int(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"<Variable name={self.name}, shape={self.shape}, dtype={self.dtype}, value={self.numpy()}>"

    __hash__ = object.__hash__
