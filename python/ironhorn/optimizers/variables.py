"""What an optimizer remembers, in the form of Keras's variables: the counter, the rate, the slots."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core


class OptimizerVariable:
    """A window on a number or an array that the engine holds.

    Args:
        name: what it is, e.g. ``momentum``.
        path: the optimizer's name, and the variable's with ``name`` behind.
        shape: its shape.
        dtype: ``float32``, or ``int`` for the counter.
        read: returns the present value.
        write: replaces it.
    """

    trainable = False

    def __init__(
        self,
        name: str,
        path: str,
        shape: tuple[int, ...],
        dtype: str,
        read: Callable[[], Any],
        write: Callable[[NDArray[Any]], None],
    ) -> None:
        self.name = name
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self._read = read
        self._write = write

    def numpy(self) -> NDArray[Any]:
        """A copy of the value."""
        return np.asarray(self._read(), dtype=self.dtype).reshape(self.shape)

    @property
    def value(self) -> NDArray[Any]:
        """A copy of the value."""
        return self.numpy()

    def assign(self, value: Any) -> None:
        """Replaces the value by one of the same shape.

        Raises:
            ValueError: for another shape.
        """
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value, dtype=self.dtype)
        if array.shape != self.shape:
            raise ValueError(f"{self.path} has shape {self.shape}. Received a value of shape {array.shape}")
        self._write(array)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __float__(self) -> float:
        return float(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __eq__(self, other: object) -> Any:
        return self.numpy() == np.asarray(other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<OptimizerVariable path={self.path}, shape={self.shape}, dtype={self.dtype}>"


def key_of(variable: Any) -> int | tuple[str, int]:
    """What a variable is known by: the engine's own number, since a layer hands out a new window every time."""
    return ("engine", variable.id) if isinstance(variable, _core.Variable) else id(variable)


def shape_of(variable: Any) -> tuple[int, ...]:
    """The shape of an array or of anything that has one."""
    return tuple(int(size) for size in variable.shape)


def label(variable: Any, index: int) -> str:
    """What messages call a variable."""
    return str(getattr(variable, "path", None) or getattr(variable, "name", None) or f"variable {index}")


def lend(variable: Any, index: int) -> tuple[NDArray[np.float32], bool]:
    """The numbers of a variable, flat, and whether writing them writes the variable.

    Raises:
        TypeError: for what is neither a float32 array nor has ``numpy`` and ``assign``.
    """
    if isinstance(variable, np.ndarray):
        if variable.dtype != np.float32:
            raise TypeError(f"Variable {index} must be a float32 array. Received an array of dtype {variable.dtype}")
        here = variable.flags.c_contiguous and variable.flags.writeable
        return (variable if here else variable.copy()).reshape(-1), here
    if not hasattr(variable, "numpy") or not hasattr(variable, "assign"):
        raise TypeError(
            f"Variable {index} must be a float32 NumPy array or a variable with `numpy` and `assign`. "
            f"Received: {type(variable).__name__}"
        )
    return np.array(variable.numpy(), dtype=np.float32, order="C").reshape(-1), False


def give_back(variable: Any, values: NDArray[np.float32]) -> None:
    """Writes numbers that were lent as a copy.

    Raises:
        ValueError: for a read-only array.
    """
    if isinstance(variable, np.ndarray):
        variable[...] = values.reshape(variable.shape)
    else:
        variable.assign(values.reshape(shape_of(variable)))
