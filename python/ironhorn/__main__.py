"""``python -m ironhorn info``: versions, the processor, threads, devices, and where settings come from."""

import argparse
import os
import platform
import sys

import numpy as np

from . import __version__, _core, config

_THREADS = ("IRONHORN_NUM_THREADS", "OMP_NUM_THREADS")


def _source(names: tuple[str, ...], otherwise: str) -> str:
    """Which environment variable decides, or what does without one."""
    return next((f"{name}={os.environ[name]}" for name in names if os.environ.get(name)), otherwise)


def info() -> str:
    """What ``python -m ironhorn info`` prints."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = [
        ("ironhorn", f"{__version__}, {os.path.dirname(_core.__file__)}"),
        ("python", f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}"),
        ("numpy", np.__version__),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("kernels", f"{config.cpu_level()} ({_source(('IRONHORN_CPU',), 'the best of this processor')})"),
        ("threads", f"{config.num_threads()} of {cores} cores ({_source(_THREADS, 'the cores of this process')})"),
        ("device", f"{config.device()} ({_source(('IRONHORN_DEVICE',), 'the default')})"),
    ]
    names = config.device_names()
    limits = _core.gpu_limits()
    for (name, description), limit in zip(names.items(), [None, *limits], strict=True):
        lines.append((f"  {name}", description if limit is None else f"{description} ({limit})"))
    if not limits:
        lines.append(("  gpu", "none found by Vulkan, Metal or DX12, or this build is without GPUs"))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ironhorn", description="Ironhorn from the command line.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="versions, the processor, threads, devices, and where settings come from")
    parser.parse_args(arguments)
    print(info())
    return 0


if __name__ == "__main__":
    sys.exit(main())
