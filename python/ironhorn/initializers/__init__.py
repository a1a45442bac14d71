"""Initializers: what a layer's weights start from, each callable as ``initializer(shape)`` → float32 array.

An initializer gives the same numbers at every call, unless its seed is a ``SeedGenerator``; with ``seed=None`` the seed
is drawn at the first. The engine draws them; where a layer is given a function, an array, or a subclass written in
Python, that is called once, when the layer is built.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import serialization
from ..naming import to_snake_case
from .base import Initializer, Native, compute_fans, standardize
from .drawn import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomInitializer,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)  # fmt: skip
from .fixed import Constant, Identity, Ones, Zeros

__all__ = [
    "ALL_OBJECTS", "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity",
    "IdentityInitializer", "Initializer", "LecunNormal", "LecunUniform", "Ones", "Orthogonal", "OrthogonalInitializer",
    "RandomInitializer", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros",
    "compute_fans", "computed", "constant", "deserialize", "engine_form", "get", "glorot_normal", "glorot_uniform",
    "he_normal", "he_uniform", "identity", "lecun_normal", "lecun_uniform", "ones", "orthogonal", "random_normal",
    "random_uniform", "serialize", "truncated_normal", "variance_scaling", "zeros",
]  # fmt: skip
_CLASSES: tuple[type[Initializer], ...] = (
    Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, LecunNormal, LecunUniform, Ones, Orthogonal,
    RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Zeros,
)  # fmt: skip
ALL_OBJECTS: dict[str, type[Initializer]] = {cls.__name__: cls for cls in (*_CLASSES, Initializer)}
ALL_OBJECTS |= {to_snake_case(cls.__name__): cls for cls in (*_CLASSES, Initializer)}
ALL_OBJECTS |= {
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
    "normal": RandomNormal,
    "uniform": RandomUniform,
    "one": Ones,
    "zero": Zeros,
}
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal
constant, identity, ones, orthogonal, zeros = Constant, Identity, Ones, Orthogonal, Zeros
glorot_normal, glorot_uniform, he_normal, he_uniform = GlorotNormal, GlorotUniform, HeNormal, HeUniform
lecun_normal, lecun_uniform, variance_scaling = LecunNormal, LecunUniform, VarianceScaling
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal


def serialize(initializer: Any) -> Any:
    """The nested form of an initializer; a function by its name."""
    return serialization.serialize(initializer)


def deserialize(config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer a name or a nested form stands for; ``custom_objects`` adds names."""
    return serialization.get(config, {**ALL_OBJECTS, **(custom_objects or {})}, "initializer")


def get(identifier: Any) -> Callable[..., Any] | None:
    """The initializer for a name, a configuration, a class, an object or an array.

    Functions ``fn(shape, dtype)`` and ``None`` pass through; an array becomes a function that gives it.

    Raises:
        ValueError: for unknown names (the nearest one is named) and for anything that cannot be called.
    """
    if isinstance(identifier, (np.ndarray, np.generic)) or hasattr(identifier, "__array__"):
        return _given(np.asarray(identifier))
    obj = serialization.get(identifier, ALL_OBJECTS, "initializer")
    if obj is None or callable(obj):
        return obj
    raise ValueError(f"Could not interpret initializer identifier: {identifier!r}")


def _given(values: NDArray[Any]) -> Callable[..., NDArray[Any]]:
    def initialize_fn(shape: Sequence[int], dtype: Any = None) -> NDArray[Any]:
        sizes, standard = standardize(shape, dtype, "initializer")
        if sizes != values.shape:
            raise ValueError(
                f"Expected `shape` to be {values.shape} for direct tensor as initializer. Received shape={shape}"
            )
        return values.astype(standard)

    return initialize_fn


def engine_form(initializer: Any) -> Any:
    """What a layer tells the engine about a result of ``get``: zeros where ``computed`` gives the numbers."""
    if initializer is None:
        return "glorot_uniform"
    return serialize(initializer) if _is_drawn_by_engine(initializer) else "zeros"


def computed(initializer: Any, shape: Sequence[int], place: str) -> NDArray[np.float32] | None:
    """The numbers for a variable of a layer that has just been built; ``None`` where the engine has drawn them.

    Args:
        initializer: a result of ``get``.
        shape: the variable's.
        place: the layer and its argument, for the errors.

    Raises:
        ValueError: if the initializer gives another shape.
        TypeError: if it gives something other than numbers.
    """
    if initializer is None or _is_drawn_by_engine(initializer):
        return None
    values = np.asarray(initializer(tuple(shape), dtype="float32"))
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{place}: the initializer must give numbers. Received: dtype {values.dtype}")
    if values.shape != tuple(shape):
        raise ValueError(f"{place}: the initializer must give shape {tuple(shape)}. Received: shape {values.shape}")
    return np.ascontiguousarray(values, dtype=np.float32)


def _is_drawn_by_engine(initializer: Any) -> bool:
    return isinstance(initializer, Native) and initializer.engine_draws()
