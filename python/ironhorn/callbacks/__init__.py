"""Callbacks: code that ``fit``, ``evaluate`` and ``predict`` call at fixed points.

Any object that has some of ``Callback``'s methods is one; methods it lacks are skipped.
"""

from .base import Callback, History, LambdaCallback
from .callback_list import CallbackList
from .early_stopping import EarlyStopping
from .progbar_logger import ProgbarLogger

__all__ = ["Callback", "CallbackList", "EarlyStopping", "History", "LambdaCallback", "ProgbarLogger"]
