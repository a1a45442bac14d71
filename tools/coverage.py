"""Writes docs/keras-coverage.md: what of Keras is here, name by name; ``python tools/coverage.py [FILE]``.

Names and signatures are read off both packages, and what the GPU runs is asked of the engine. What is out of scope
stands in coverage.toml. A test holds the page against this tool, so it cannot fall behind.
"""

import inspect
import operator
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

import ironhorn
from ironhorn import _core, serialization
from ironhorn.metrics.compiled import resolve

HERE = Path(__file__).parent
DATA = tomllib.loads((HERE / "coverage.toml").read_text(encoding="utf-8"))
PAGE = HERE.parent / "docs" / "keras-coverage.md"
MODULES = (
    "layers", "models", "activations", "losses", "metrics", "optimizers", "optimizers.schedules", "initializers",
    "regularizers", "constraints", "callbacks", "ops", "utils", "datasets", "config", "random", "saving",
)  # fmt: skip
BASES = (
    ironhorn.layers.Layer, ironhorn.losses.Loss, ironhorn.metrics.Metric, ironhorn.metrics.MeanMetricWrapper,
    ironhorn.optimizers.Optimizer, ironhorn.optimizers.schedules,
)  # fmt: skip
ON_GPU = ("layers", "activations", "losses", "metrics", "optimizers")
HEAD = """# What of Keras is covered

Written by `make coverage`; a test fails where it is not up to date. The peer is Keras {version} on JAX.

- Each module has a table of the names that Ironhorn's module has too, and lists of those that it lacks. How they behave
  is held against Keras by `tests/parity/`; [keras-differences.md](keras-differences.md) has what differs on purpose.
- **Arguments** is how a signature differs: a name that is missing, one that Keras has not, another default. Where it is
  empty, names, order and defaults are Keras's. An argument can be there and refuse some of its values, by name.
- **GPU** is the engine's own answer for the defaults: it runs there, or is refused by name before anything starts. What
  it refuses of whole models and variables stands in `src/backend/gpu/support.rs`.
- What Ironhorn adds to Keras, such as devices, is not on this page.
"""


def parameters(thing: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a function, or of a class's constructor."""
    function = thing.__init__ if isinstance(thing, type) else thing
    found = inspect.signature(function).parameters
    return {name: parameter for name, parameter in found.items() if name != "self"}


def shown(parameter: inspect.Parameter) -> str:
    """A default, as one writes it."""
    default = parameter.default
    return f"`{default!r}`" if default is not parameter.empty else "no default"


def arguments(theirs: Any, ours: Any) -> str:
    """How the signature of a class or a function differs; nothing where it does not."""
    if not callable(theirs) or inspect.ismodule(theirs):
        return ""
    expected, got = parameters(theirs), parameters(ours)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    (named, names), (more, other) = (
        ([name for name, p in signature.items() if p.kind not in variable], {p.kind for p in signature.values()})
        for signature in (expected, got)
    )
    absent = [name for name in named if name not in more]
    if inspect.Parameter.VAR_KEYWORD in other:
        absent = [name for name in absent if name not in DATA["through_kwargs"]]
    parts = [f"no `{name}`" for name in absent]
    if not names & set(variable):
        parts += [f"also `{name}`" for name in more if name not in named]
    parts += [
        f"`{name}`: {shown(got[name])} (Keras: {shown(expected[name])})"
        for name in named
        if name in more and shown(got[name]) != shown(expected[name])
    ]
    if [name for name in named if name in more] != [name for name in more if name in named]:
        parts.append("another order")
    return ", ".join(parts)


def row(cells: list[str]) -> str:
    """A line of a table."""
    return "| " + " | ".join(cells).replace("  ", " ").rstrip() + " |"


def code(names: list[str]) -> str:
    """Names, as code."""
    return ", ".join(f"`{name}`" for name in names)


def public(module: ModuleType) -> list[str]:
    """The public names of a module of Keras's."""
    return [name for name in dir(module) if not name.startswith("_")]


def form(module: str, name: str, **options: Any) -> Any:
    """What the engine is told of a thing; ``None`` for a base class, and for what Python computes."""
    given = DATA["arguments"].get(module, {}).get(name, [])
    keywords = {**given, **options} if isinstance(given, dict) else options
    thing = getattr(getattr(ironhorn, module), name)
    if name in ("get", "serialize", "deserialize", "Input", "InputLayer") or thing in BASES:
        return None
    if module == "activations":
        return {"class_name": thing.__name__, "config": keywords}
    if module == "losses" and not isinstance(thing, type):
        thing = getattr(ironhorn.losses, ironhorn.losses.registry._CLASS_OF[thing].__name__)
    if isinstance(thing, type):
        thing = thing(*(given if isinstance(given, list) else []), **keywords)
    elif module == "layers":
        return form(module, name.capitalize())
    if module == "metrics":
        return resolve([thing], allow_python=True)[0].form
    return serialization.serialize(thing)


def runs(module: str, name: str) -> str:
    """Whether the GPU runs it, for what is the engine's; of an optimizer also the options it does not run with."""

    def ask(**options: Any) -> bool:
        return _core.runs_on_gpu(module, serialization.to_text(form(module, name, **options)))

    if form(module, name) is None:
        return ""
    if not ask():
        return "refused"
    taken = parameters(getattr(ironhorn.optimizers, name)) if module == "optimizers" else {}
    refused = [key for key, value in DATA["optimizer_options"].items() if key in taken and not ask(**{key: value})]
    return "yes" + "".join(f", not with `{key}`" for key in refused)


def folded(module: str, absent: list[str]) -> dict[str, list[str]]:
    """The names that are out of scope, by family."""
    families = {}
    for title, patterns in DATA["families"].get(module, {}).items():
        families[title] = [name for name in absent if any(re.fullmatch(pattern, name) for pattern in patterns)]
        for pattern in patterns:
            if not any(re.fullmatch(pattern, name) for name in absent):
                raise ValueError(f"coverage.toml: {pattern!r} of {module} matches nothing that is absent")
    return families


def aliases(theirs: ModuleType, ours: ModuleType | None) -> dict[str, list[str]]:
    """The names of a module, and under the first of each the others that both packages give the same thing."""
    groups: dict[str, list[str]] = {}
    for name in public(theirs):
        thing, own = getattr(theirs, name), getattr(ours, name, None)
        for first, others in groups.items():
            if getattr(theirs, first) is thing and (own is None or getattr(ours, first, None) is own):
                others.append(name)
                break
        else:
            groups[name] = []
    return groups


def section(module: str) -> tuple[str, list[int], list[str]]:
    """A module: what the overview says of it, and its lines."""
    theirs = operator.attrgetter(module)(keras)
    try:
        ours = operator.attrgetter(module)(ironhorn)
    except AttributeError:
        ours = None
    names = public(theirs)
    absent = [name for name in names if not hasattr(ours, name)]
    families = folded(module, absent)
    aside = {name for family in families.values() for name in family}
    counts = [len(names), len(names) - len(absent), len(aside), len(absent) - len(aside)]
    gpu = module in ON_GPU
    lines = [f"## {module}"]
    if len(absent) < len(names):
        lines += ["", f"| Name |{' GPU |' * gpu} Arguments |", f"|---|{'---|' * gpu}---|"]
    for name, others in aliases(theirs, ours).items():
        if name not in absent:
            title = ", ".join(f"`{each}`" for each in (name, *others))
            cells = [
                title,
                *([runs(module, name)] if gpu else []),
                arguments(getattr(theirs, name), getattr(ours, name)),
            ]
            lines.append(row(cells))
    missing = {"Missing": [name for name in absent if name not in aside]}
    outside = {f"Out of scope, {title}": family for title, family in families.items()}
    for title, family in (missing | outside).items():
        if family:
            lines += ["", f"{title} ({len(family)}): {code(family)}."]
    return module, counts, lines


def objects(package: Any) -> Iterator[tuple[str, Any]]:
    """Something of each kind, to look at what can be asked of it."""
    model = package.Sequential([package.Input((3,)), package.layers.Dense(2)], name="model")
    model.compile("adam", "mse")
    yield "Sequential", model
    yield "Model", package.Model(model.inputs, model.outputs, name="graph")
    yield "layers.Dense", model.layers[0]
    yield "layers.Normalization", package.layers.Normalization(mean=0.0, variance=1.0)
    yield "KerasTensor", model.inputs[0]
    yield "losses.MeanSquaredError", package.losses.MeanSquaredError()
    yield "metrics.Mean", package.metrics.Mean()
    yield "metrics.AUC", package.metrics.AUC()
    yield "optimizers.Adam", model.optimizer
    yield "optimizers.schedules.CosineDecay", package.optimizers.schedules.CosineDecay(0.1, 10)
    yield "initializers.GlorotUniform", package.initializers.GlorotUniform()
    yield "regularizers.L2", package.regularizers.L2()
    yield "constraints.MaxNorm", package.constraints.MaxNorm()
    yield "callbacks.Callback", package.callbacks.Callback()
    yield "callbacks.EarlyStopping", package.callbacks.EarlyStopping()
    yield "random.SeedGenerator", package.random.SeedGenerator(1)
    yield "utils.Progbar", package.utils.Progbar(3)


def members() -> list[str]:
    """Methods and attributes of typical objects."""
    lines = ["## Methods and attributes", "", "| Object | There | Missing | Arguments |", "|---|---|---|---|"]
    for (name, theirs), (_, ours) in zip(objects(keras), objects(ironhorn), strict=True):
        names = [each for each in dir(theirs) if not each.startswith("_")]
        absent = [each for each in names if not hasattr(type(ours), each) and each not in dir(ours)]
        changed = []
        for each in names:
            mine, own = inspect.getattr_static(theirs, each, None), inspect.getattr_static(ours, each, None)
            if inspect.isfunction(mine) and inspect.isfunction(own) and (text := arguments(mine, own)):
                changed.append(f"`{each}`: {text}")
        cells = [f"`{name}`", f"{len(names) - len(absent)} of {len(names)}", code(absent), "; ".join(changed)]
        lines.append(row(cells))
    return lines


def page() -> str:
    """The whole page."""
    sections = [section(module) for module in MODULES]
    lines = ["| Module | Names in Keras | There | Out of scope | Missing |", "|---|---|---|---|---|"]
    for module, counts, _ in sections:
        lines.append(f"| [{module}](#{module.replace('.', '')}) | {' | '.join(map(str, counts))} |")
    lines += ["", "Modules of Keras that are not here:", ""]
    lines += [f"- `{module}`: {reason}" for module, reason in DATA["modules"].items()]
    top = [name for name in public(keras) if not inspect.ismodule(getattr(keras, name))]
    absent = code([name for name in top if not hasattr(ironhorn, name)])
    lines += ["", f"Of the {len(top)} names of `keras` itself that are no modules these are missing: {absent}."]
    for _, _, text in sections:
        lines += ["", *text]
    return "\n".join([HEAD.format(version=keras.__version__), *lines, "", *members()]) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE).write_text(page(), encoding="utf-8")
