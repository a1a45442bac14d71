"""The model file: whole models, weights alone, and the state of a run.

One file in the safetensors format, written whole or not at all; reading it runs nothing and imports nothing. What may
stand in it are names of this package's own objects; a user's are handed in by ``custom_objects``.
"""

from .files import load_model, load_weights, save_model, save_weights
from .run import load_state, save_state

__all__ = ["load_model", "load_state", "load_weights", "save_model", "save_state", "save_weights"]
