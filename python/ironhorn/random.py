"""Seeds that change with every use."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import _core, serialization
from .naming import auto_name


class SeedGenerator:
    """Gives another seed at every call: an initializer with one draws new numbers each time.

    Args:
        seed: an integer from 0 to 2**32 - 1; ``None`` draws one.
        name: a name; by default the class's, numbered.

    Raises:
        ValueError: for any other ``seed``.
    """

    _keras_module = "keras.random"

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self._initial_seed = serialization.check_seed(seed, "SeedGenerator")
        if self._initial_seed is None:
            seed = _core.next_seed() % 2**32
        elif self._initial_seed >= 2**32:
            raise ValueError(f"SeedGenerator: `seed` must be below 2**32. Received: seed={seed}")
        self.name = name if name is not None else auto_name("SeedGenerator")
        self.state = np.array([seed, 0], np.uint32)

    def next(self, ordered: bool = True) -> NDArray[np.uint32]:
        """The seed and how often it has been asked for, as they were: shape (2,). ``ordered`` has no meaning here."""
        state = self.state.copy()
        self.state[1] += 1
        return state

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds one from ``get_config``'s result, at its start."""
        return cls(**config)
