"""States of callbacks as JSON values and back, and files of them that are whole or not there.

Arrays become ``{"__array__": [dtype, shape, base64 of the bytes]}``, NaN and infinities, which JSON lacks,
``{"__float__": "nan"}``, tuples lists, NumPy's scalars Python's numbers. JSON text keeps every bit of a float.
"""

import base64
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LoadError

ARRAY, FLOAT = "__array__", "__float__"


def encode(value: Any, place: str) -> Any:
    """A value as JSON knows it.

    Raises:
        TypeError: for a value that is none of the above; ``place`` says where.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return {FLOAT: repr(float(value))}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return encode(value.item(), place)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
        return {ARRAY: [value.dtype.str, list(value.shape), content]}
    if isinstance(value, (list, tuple)):
        return [encode(item, place) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: encode(item, f"{place}[{key!r}]") for key, item in value.items()}
    raise TypeError(
        f"BackupAndRestore: {place} must consist of numbers, texts, lists, dicts and arrays. "
        f"Received: {value!r} (of type {type(value).__name__})"
    )


def decode(value: Any) -> Any:
    """The value that ``encode`` got."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {ARRAY}:
            dtype, shape, content = value[ARRAY]
            return np.frombuffer(base64.b64decode(content), np.dtype(dtype)).reshape(shape).copy()
        if value.keys() == {FLOAT}:
            return float(value[FLOAT])
        return {key: decode(item) for key, item in value.items()}
    return value


def write(folder: str, prefix: str, value: dict[str, Any]) -> str:
    """Writes an encoded value into a file of its own, durably; returns the name, which holds the content's checksum."""
    content = json.dumps(value).encode()
    name = f"{prefix}-{hashlib.sha256(content).hexdigest()[:32]}.json"
    path = Path(folder, name)
    with open(path.with_suffix(".tmp"), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path.with_suffix(".tmp"), path)
    synchronise(folder)
    return name


def synchronise(folder: str) -> None:
    """Brings a folder's names to the disk, where a folder can be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(folder: str, name: str) -> dict[str, Any]:
    """The value that ``write`` got.

    Raises:
        LoadError: for a file that is not there or has another content.
    """
    path = Path(folder, Path(name).name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LoadError(f"{path}: expected the state of a run. Received: {error}") from error
    if hashlib.sha256(content).hexdigest()[:32] != path.stem.rpartition("-")[2]:
        raise LoadError(f"{path}: expected the content of the checksum in its name. Received: another content")
    return dict(json.loads(content))
