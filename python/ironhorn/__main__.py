"""``python -m ironhorn info``: versions, the processor, threads, devices, and where settings come from."""

import argparse
import json
import os
import platform
import sys
from typing import Any

import numpy as np

from . import __version__, _core, config

_THREADS = ("IRONHORN_NUM_THREADS", "OMP_NUM_THREADS")


def _source(names: tuple[str, ...], otherwise: str) -> str:
    """Which environment variable decides, or what does without one."""
    return next((f"{name}={os.environ[name]}" for name in names if os.environ.get(name)), otherwise)


def _told(question: Any) -> Any:
    """An answer, or what went wrong: this command is for when something does."""
    try:
        return question()
    except Exception as error:  # whatever it is, the rest is still worth knowing
        return f"error: {error}"


def facts() -> dict[str, Any]:
    """What ``python -m ironhorn info --json`` prints.

    ``adapters`` is a list of dicts of ``device``, ``name``, ``type``, ``interface``, ``driver``, ``limits`` and
    ``features``; a text in place of it, or of another value, is the error that asking for it gave.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    config._hush_mesa()
    return {
        "ironhorn": __version__,
        "path": os.path.dirname(_core.__file__),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "executable": sys.executable,
        "numpy": np.__version__,
        "wgpu": _core.wgpu_version(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "kernels": _told(config.cpu_level),
        "kernels_from": _source(("IRONHORN_CPU",), "the best of this processor"),
        "threads": _told(config.num_threads),
        "cores": cores,
        "threads_from": _source(_THREADS, "the cores of this process"),
        "device": _told(config.device),
        "device_from": _source(("IRONHORN_DEVICE",), "the default"),
        "adapters": _told(_core.adapters),
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith("IRONHORN_")},
    }


def _amount(name: str, value: int) -> str:
    """A limit as text."""
    if not name.endswith("_bytes"):
        return f"{value:,}"
    return f"{value >> 20:,} MiB" if value >= 1 << 20 else f"{value >> 10:,} KiB"


def _adapter(adapter: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines of one adapter."""
    limits = {name: _amount(name, value) for name, value in adapter["limits"].items()}
    features = [name for name, there in adapter["features"].items() if there]
    return [
        (f"  {adapter['device']}", f"{adapter['name']} ({adapter['type']}, {adapter['interface']})"),
        ("", f"driver: {adapter['driver']}"),
        ("", "a buffer of up to {buffer_bytes}, bound up to {binding_bytes}; {bindings} bindings".format(**limits)),
        (
            "",
            "workgroups of {workgroup_invocations} with {workgroup_bytes}, {workgroups} a dimension".format(**limits),
        ),
        ("", f"features: {', '.join(features) or 'none beyond the standard'}"),
    ]


def info() -> str:
    """What ``python -m ironhorn info`` prints."""
    it = facts()
    choice = {"auto": "the quicker one, measured for each model"}.get(it["device"], "for all runs that name none")
    lines = [
        ("ironhorn", f"{it['ironhorn']}, {it['path']}"),
        ("python", f"{it['python']}, {it['executable']}"),
        ("numpy", it["numpy"]),
        ("wgpu", it["wgpu"] or "none: this build is without GPUs"),
        ("system", it["system"]),
        ("kernels", f"{it['kernels']} ({it['kernels_from']})"),
        ("threads", f"{it['threads']} of {it['cores']} cores ({it['threads_from']})"),
        ("device", f"{it['device']} ({it['device_from']}); {choice}"),
        ("  cpu", f"{platform.processor() or platform.machine()}, {it['kernels']}"),
    ]
    if isinstance(it["adapters"], str):
        lines.append(("  gpu", it["adapters"]))
    elif not it["adapters"]:
        lines.append(("  gpu", "none found by Vulkan, Metal or DX12" if it["wgpu"] else "none: see wgpu"))
    else:
        lines += [line for adapter in it["adapters"] for line in _adapter(adapter)]
    variables = [f"{name}={value}" for name, value in it["environment"].items()]
    lines.append(("environment", ", ".join(variables) or "no IRONHORN_ variable is set"))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ironhorn", description="Ironhorn from the command line.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "info", help="versions, the processor, threads, devices, and where settings come from"
    )
    command.add_argument("--json", action="store_true", help="as JSON, for programs")
    given = parser.parse_args(arguments)
    print(json.dumps(facts(), indent=2) if given.json else info())
    return 0


if __name__ == "__main__":
    sys.exit(main())
