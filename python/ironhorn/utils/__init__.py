"""Helpers, by Keras's names."""

from ..naming import reset_names as clear_session
from .history_plot import plot_history
from .model_plot import plot_model
from .numerical import normalize, set_random_seed, to_categorical
from .progbar import Progbar
from .py_dataset import PyDataset
from .py_dataset import PyDataset as Sequence
from .splitting import split_dataset

__all__ = [
    "Progbar", "PyDataset", "Sequence", "clear_session", "normalize", "plot_history", "plot_model", "set_random_seed",
    "split_dataset", "to_categorical",
]  # fmt: skip
