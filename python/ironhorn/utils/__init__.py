"""Helpers, by Keras's names."""

from ..naming import reset_names as clear_session
from .numerical import normalize, set_random_seed, to_categorical
from .progbar import Progbar
from .py_dataset import PyDataset
from .py_dataset import PyDataset as Sequence

__all__ = ["Progbar", "PyDataset", "Sequence", "clear_session", "normalize", "set_random_seed", "to_categorical"]
