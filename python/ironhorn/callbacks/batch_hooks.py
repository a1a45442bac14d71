"""Which callbacks are to be called at every batch.

A callback costs an engine call a batch if it has a batch method of its own. Some have one that they need only with
certain arguments; ``only_if`` marks it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from .base import Callback
from .progbar_logger import ProgbarLogger

Method = TypeVar("Method", bound=Callable[..., None])


def only_if(needed: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Marks a batch method that does nothing unless ``needed(callback)``."""

    def mark(method: Method) -> Method:
        method._needed = needed  # type: ignore[attr-defined]
        return method

    return mark


def defines(callback: Any, hook: str) -> bool:
    """Whether a callback does something of its own at a hook. Progress bars are told by other means."""
    method = getattr(callback, hook, None)
    if method is None or getattr(method, "_is_default", False):  # so does Keras mark the methods of its base class
        return False
    function = getattr(method, "__func__", method)
    if function is getattr(Callback, hook) or (
        isinstance(callback, ProgbarLogger) and function is getattr(ProgbarLogger, hook)
    ):
        return False
    needed = getattr(function, "_needed", None)
    return needed is None or bool(needed(callback))
