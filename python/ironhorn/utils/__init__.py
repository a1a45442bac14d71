"""Helpers, by Keras's names."""

from ..naming import reset_names as clear_session
from .numerical import normalize, set_random_seed, to_categorical
from .progbar import Progbar

__all__ = ["Progbar", "clear_session", "normalize", "set_random_seed", "to_categorical"]
