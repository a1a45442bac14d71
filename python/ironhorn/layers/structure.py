"""Nested structures of lists, tuples and dicts: flattened and packed again in the order that Keras has.

A dict gives its values by sorted key, an ``OrderedDict`` in its own order.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any


def is_nested(structure: Any) -> bool:
    """Whether it is a list, a tuple or a dict."""
    return isinstance(structure, (list, tuple, Mapping))


def keys_of(structure: Mapping[Any, Any]) -> list[Any]:
    """The keys in the order of ``flatten``."""
    if isinstance(structure, OrderedDict):
        return list(structure)
    try:
        return sorted(structure)
    except TypeError:  # keys that cannot be compared
        return list(structure)


def flatten(structure: Any) -> list[Any]:
    """The leaves, from left to right."""
    return [leaf for _, leaf in flatten_with_path(structure)]


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves, each with the keys and indices that lead to it."""

    def walk(part: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
        if isinstance(part, Mapping):
            for key in keys_of(part):
                yield from walk(part[key], (*path, key))
        elif isinstance(part, (list, tuple)):
            for index, entry in enumerate(part):
                yield from walk(entry, (*path, index))
        else:
            yield path, part

    return list(walk(structure, ()))


def pack_as(structure: Any, leaves: Sequence[Any]) -> Any:
    """The leaves in the form of ``structure``."""
    remaining = iter(leaves)

    def build(part: Any) -> Any:
        if isinstance(part, Mapping):
            packed = {key: build(part[key]) for key in keys_of(part)}
            return {key: packed[key] for key in part}
        if isinstance(part, (list, tuple)):
            return type(part)([build(entry) for entry in part])
        return next(remaining)

    return build(structure)


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """The structure with ``function`` applied to each leaf."""
    return pack_as(structure, [function(leaf) for leaf in flatten(structure)])
