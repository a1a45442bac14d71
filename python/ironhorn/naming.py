"""Names of objects as Keras gives them: ``Dense`` becomes ``dense``, then ``dense_1``, ``dense_2``."""

import collections
import re
import threading

_lock = threading.Lock()
_counts: collections.defaultdict[str, int] = collections.defaultdict(int)


def to_snake_case(name: str) -> str:
    """``LeakyReLU`` → ``leaky_re_lu``, by Keras's own rule."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """A name nobody has had so far: the prefix in snake case, numbered from the second one on."""
    name = to_snake_case(prefix)
    with _lock:
        count = _counts[name]
        _counts[name] += 1
    return f"{name}_{count}" if count else name


def reset_names() -> None:
    """Starts the numbering again."""
    with _lock:
        _counts.clear()
