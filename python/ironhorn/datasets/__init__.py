"""Data to learn on: ``digits`` comes with the package, ``mnist`` and ``fashion_mnist`` are fetched once and cached."""

from . import digits as digits
from . import fashion_mnist as fashion_mnist
from . import mnist as mnist

__all__ = ["digits", "fashion_mnist", "mnist"]
