"""The exceptions that Ironhorn adds to Python's own."""

from ._core import DeviceError, InternalError, LoadError, NonFiniteError

__all__ = ["DeviceError", "InternalError", "LoadError", "NonFiniteError"]
