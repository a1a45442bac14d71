"""Objects to Keras's nested configuration form and back, through closed registries.

The form is ``{"module": ..., "class_name": ..., "config": {...}, "registered_name": ...}``. ``module`` is written
so that Keras can read the text, and never read: what a name means is looked up in the registry of its kind, and
nothing is ever imported by name.
"""

import contextvars
import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

custom_objects: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("custom_objects")
"""A user's own objects by their names, while a file that was saved with them is read."""

DTYPE_CONFIG: dict[str, Any] = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}


def unknown(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """The error for a name that a registry lacks: the nearest known name, and all of them."""
    import difflib

    names = sorted(set(known))
    by_lower = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    hint = f" Did you mean {by_lower[near[0]]!r}?" if near else ""
    return ValueError(f"Unknown {kind}: {name!r}.{hint} Known names: {', '.join(names)}.")


def standardize_dtype(dtype: Any, owner: str) -> str:
    """Accepts ``None``, ``"float32"`` and Keras's forms of it; everything else is a ``ValueError``."""
    if isinstance(dtype, Mapping):
        inner = dtype.get("config")
        dtype = inner.get("name") if isinstance(inner, Mapping) else None
    name = "float32" if dtype is None else getattr(dtype, "__name__", None) or getattr(dtype, "name", None) or dtype
    if name != "float32":
        raise ValueError(f"{owner} computes in float32. Received: dtype={dtype!r}")
    return "float32"


def numpy_dtype(dtype: Any, owner: str) -> str:
    """The name of the dtype that ``None``, a name, a NumPy dtype, a policy or a policy's configuration stands for.

    Raises:
        ValueError: for what is no dtype of NumPy's.
    """
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    dtype = getattr(dtype, "compute_dtype", dtype)
    names = {None: "float32", "float": "float32", "int": "int32"}
    try:
        return names[dtype] if dtype is None or dtype in ("float", "int") else np.dtype(dtype).name
    except TypeError:
        raise ValueError(f"{owner}: `dtype` must be a dtype of NumPy's. Received: dtype={dtype!r}") from None


def check_seed(seed: Any, owner: str) -> int | None:
    """``None`` or an integer from 0 to 2**64 - 1; everything else is a ``ValueError``."""
    if seed is None:
        return None
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= int(seed) < 2**64:
        raise ValueError(f"{owner}: `seed` must be None or an integer from 0 to 2**64 - 1. Received: seed={seed!r}")
    return int(seed)


def serialize(obj: Any) -> Any:
    """An object with ``get_config`` as its nested form; plain values as they are; functions as Keras names them."""
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, (list, tuple)):
        return [serialize(item) for item in obj]
    if isinstance(obj, Mapping):
        return {key: serialize(value) for key, value in obj.items()}
    if hasattr(obj, "get_config"):
        form = {
            "module": getattr(obj, "_keras_module", type(obj).__module__),
            "class_name": type(obj).__name__,
            "config": obj.get_config(),
            "registered_name": getattr(obj, "_keras_registered_name", None),
        }
        build_config = obj.get_build_config() if hasattr(obj, "get_build_config") else None
        if build_config is not None:
            form["build_config"] = build_config
        if hasattr(obj, "get_compile_config"):
            form["compile_config"] = obj.get_compile_config()
        return form
    if hasattr(obj, "__name__"):
        return {
            "module": "builtins",
            "class_name": "function",
            "config": obj.__name__,
            "registered_name": "function",
        }
    raise TypeError(f"Cannot serialize an object of type {type(obj).__name__}: {obj!r}")


def deserialize(config: Any, registry: Mapping[str, Any], kind: str) -> Any:
    """The object a name or a nested form stands for.

    Raises:
        ValueError: for names outside of ``registry`` and for forms without ``class_name``.
        TypeError: for anything that is neither a string nor a mapping, or whose ``config`` is not one.
    """
    own = custom_objects.get(None)
    if own:
        registry = {**registry, **own}
    if isinstance(config, str):
        if config not in registry:
            raise unknown(kind, config, registry)
        return registry[config]
    if not isinstance(config, Mapping):
        raise TypeError(f"Expected the configuration of a {kind}, a dict. Received: {config!r}")
    class_name = config.get("class_name")
    inner = config.get("config", {})
    if class_name == "function" and isinstance(inner, str):
        return deserialize(inner, registry, kind)
    if not isinstance(class_name, str):
        raise ValueError(f"The configuration of a {kind} needs a 'class_name' string. Received: {config!r}")
    if class_name not in registry:
        raise unknown(kind, class_name, registry)
    if not isinstance(inner, Mapping):
        raise TypeError(f"The 'config' of the {kind} {class_name!r} must be a dict. Received: {inner!r}")
    cls = registry[class_name]
    if hasattr(cls, "from_config"):
        return cls.from_config(dict(inner))
    return functools.partial(cls, **inner) if inner else cls


def get(identifier: Any, registry: Mapping[str, Any], kind: str) -> Any:
    """``deserialize`` for names and dicts; classes are called; other callables and ``None`` pass through."""
    obj = deserialize(identifier, registry, kind) if isinstance(identifier, (str, Mapping)) else identifier
    if isinstance(obj, type):
        return obj()
    if obj is None or callable(obj) or hasattr(obj, "get_config"):
        return obj
    raise ValueError(f"Could not interpret {kind} identifier: {identifier!r} (of type {type(identifier).__name__})")


def to_text(form: Any) -> str:
    """The JSON text that the engine reads. Numbers that JSON cannot say, NaN and infinities, are a ``ValueError``."""
    return json.dumps(form, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    item: Callable[[], Any] | None = getattr(value, "item", None)
    if item is not None and getattr(value, "ndim", None) == 0:
        return item()
    raise TypeError(f"A configuration holds numbers, strings, lists and dicts. Received: {value!r}")
