"""Settings of the whole process: threads, the kernels in use, and Keras's few numeric constants."""

from . import _core

__all__ = ["cpu_level", "epsilon", "floatx", "image_data_format", "num_threads", "set_floatx", "set_num_threads"]


def num_threads() -> int:
    """How many threads the engine works with, the caller's included."""
    return _core.num_threads()


def set_num_threads(count: int | None) -> None:
    """Sets the number of threads; results do not depend on it, to the bit.

    Args:
        count: at least 1, or ``None`` for the default: the cores this process may use, bounded by
            ``IRONHORN_NUM_THREADS``, else by ``OMP_NUM_THREADS``.

    Raises:
        TypeError: if ``count`` is not an integer.
        ValueError: if it is below 1.
    """
    if count is not None and (isinstance(count, bool) or not hasattr(count, "__index__")):
        raise TypeError(f"`count` must be an integer or None. Received: count={count!r}")
    if count is not None and count < 1:
        raise ValueError(f"`count` must be at least 1. Received: count={count}")
    _core.set_num_threads(count)


def cpu_level() -> str:
    """The kernels in use: ``"avx512"``, ``"avx2"`` or ``"portable"``; ``IRONHORN_CPU`` forces one."""
    return _core.cpu_level()


def floatx() -> str:
    """The dtype of weights and results, always ``"float32"``."""
    return "float32"


def set_floatx(value: str) -> None:
    """Accepts ``"float32"`` only; other dtypes are a ``ValueError``."""
    if value != "float32":
        raise ValueError(f"Ironhorn computes in float32. Received: value={value!r}")


def epsilon() -> float:
    """The small number that keeps logarithms finite, 1e-7."""
    return 1e-7


def image_data_format() -> str:
    """Always ``"channels_last"``."""
    return "channels_last"
