"""Settings of the whole process: devices, threads, the kernels in use, and Keras's few numeric constants."""

import os

from . import _core

__all__ = [
    "cpu_level",
    "device",
    "device_names",
    "epsilon",
    "floatx",
    "image_data_format",
    "list_devices",
    "num_threads",
    "set_device",
    "set_floatx",
    "set_num_threads",
]


def _hush_mesa() -> None:
    """Keeps a layer of Mesa's from complaining on stderr that there is no desktop; it would only reorder adapters."""
    if "XDG_RUNTIME_DIR" not in os.environ:
        os.environ.setdefault("NODEVICE_SELECT", "1")


def _resolve(device: str | None) -> str | None:
    """A device as a call got it, its type checked; before anything is opened."""
    if device is not None and not isinstance(device, str):
        raise TypeError(f"`device` must be a string or None. Received: device={device!r}")
    if (device or _core.device()) != "cpu":
        _hush_mesa()
    return device


def list_devices() -> list[str]:
    """The devices of this machine: ``"cpu"``, and ``"gpu:0"`` and so on for each adapter of Vulkan, Metal or DX12.

    A software adapter counts too, and comes last; ``device_names`` tells which is which.
    """
    return list(device_names())


def device_names() -> dict[str, str]:
    """What each of ``list_devices()`` is, e.g. ``{"cpu": "CPU, avx2", "gpu:0": "NVIDIA GeForce RTX 4090"}``."""
    _hush_mesa()
    return dict(_core.devices())


def device() -> str:
    """Where models train, evaluate and predict unless a call says otherwise: ``"cpu"``, ``"gpu:N"`` or ``"auto"``."""
    return _core.device()


def set_device(device: str | None) -> None:
    """Sets where models train, evaluate and predict from now on.

    ``"auto"`` finds out, for each model, kind of run and size of its batches, which device is quicker: small work stays
    on the CPU; else some steps are timed on each, on copies, before the run begins. The choice is made once and kept
    with the model, in its files too, so that a run that is resumed takes place where it did before.
    ``model.chosen_devices`` shows it, ``compile`` forgets it. Without a usable adapter it is the CPU.

    Args:
        device: ``"cpu"``, ``"gpu"`` (the first adapter), ``"gpu:N"``, ``"auto"``, or ``None`` for the default: what
            ``IRONHORN_DEVICE`` says, else the CPU.

    Raises:
        ValueError: for another name.
        DeviceError: if there is no such adapter, or it cannot be opened.
    """
    _core.set_device(_resolve(device))


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
