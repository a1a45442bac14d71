"""The progress bar against Keras's own: the same updates at the same moments must draw the same characters."""

import itertools
import os
import pty
import re
import subprocess
import sys
import time

import numpy as np
import pytest

import ironhorn


class Terminal:
    """A stdout that says that it is a terminal, and keeps what is written."""

    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


RUNS = [
    [(i, [("loss", 1.0 / i), ("accuracy", i / 20)]) for i in range(1, 21)],
    [(0, []), (3, [("loss", -2.0)]), (3, [("loss", 5.0)]), (20, [("loss", 1e-3), ("new", 1.0)])],
    [(5, [("a_long_name_of_a_metric", 12345.678), ("b", 1e-9)]), (6, [("b", 0.00101)]), (20, [("b", float("nan"))])],
    [(7, [("loss", np.float32(0.5)), ("array", np.array([1.0, 2.0]))]), (20, [("loss", float("inf"))]), (20, [])],
    [(20, None)],
    [(25, [("over", 1.0)])],
]
TARGETS = [20, None, 1, 7, 9, 10, 100, 1000]
KEYWORDS = [
    {"stateless_metrics": ()},
    {},
    {"stateful_metrics": ["loss"]},
    {"width": 7, "unit_name": "sample"},
    {"interval": 0},
    {"interval": 3.0},
    {"verbose": 2},
    {"verbose": 0},
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("step", [0.0, 2e-5, 0.013, 0.4, 3.0, 70.0, 4000.0])
def test_the_bar_in_a_terminal_is_keras_s(keras, monkeypatch, target, step):
    def drawn(package, run, keywords, finalize):
        clock = itertools.count(1_000_000)
        monkeypatch.setattr(time, "time", lambda: next(clock) * step)
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        bar = package.utils.Progbar(target, **keywords)
        for current, values in run:
            bar.update(current, values, **finalize)
        bar.add(1, [("loss", 4.0)])
        monkeypatch.undo()
        return terminal.text

    for run, keywords, finalize in itertools.product(RUNS, KEYWORDS, [{}, {"finalize": True}]):
        expected = drawn(keras, run, keywords, finalize)
        assert drawn(ironhorn, run, keywords, finalize) == expected, (run, keywords, finalize)


SCRIPT = """
import os, sys
package = sys.argv[1]
if package == "keras":
    os.environ["KERAS_BACKEND"] = "jax"
    import keras as k
else:
    import ironhorn as k
import numpy as np
x = np.arange(256, dtype=np.float32).reshape(64, 4) / 256
y = x.sum(axis=1, keepdims=True)
model = k.Sequential([k.Input((4,)), k.layers.Dense(1, kernel_initializer="zeros")])
model.compile(k.optimizers.SGD(0.01), "mse", metrics=["mae"])
verbose = sys.argv[2] if sys.argv[2] == "auto" else int(sys.argv[2])
model.fit(x, y, epochs=3, batch_size=4, shuffle=False, validation_split=0.25, verbose=verbose)
model.fit(x, y, verbose=verbose, shuffle=False)
model.evaluate(x, y, verbose=verbose)
model.predict(x, batch_size=5, verbose=verbose)
"""


def shown(text):
    """The lines that a terminal shows in the end: returns, steps back and colours are obeyed."""
    lines, cursor = [[]], 0
    for part in re.findall(r"\x1b\[[0-9;]*m|.|\n", text, re.DOTALL):
        if part.startswith("\x1b"):
            continue
        if part == "\n":
            lines.append([])
            cursor = 0
        elif part == "\r":
            cursor = 0
        elif part == "\b":
            cursor = max(cursor - 1, 0)
        else:
            lines[-1][cursor : cursor + 1] = [part]
            cursor += 1
    return ["".join(line).rstrip() for line in lines]


def masked(lines):
    return [re.sub(r"\d+s( -)? \d+(s|ms|us)/step", r"TIME", line) for line in lines]


def run(package, verbose, terminal):
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm-256color", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", SCRIPT, package, verbose]
    if not terminal:
        return subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120).stdout.decode()
    leader, follower = pty.openpty()
    try:
        process = subprocess.Popen(command, env=environment, stdout=follower, stderr=subprocess.PIPE)
        os.close(follower)
        written = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            written += part
        errors = process.communicate(timeout=120)[1]
        assert process.returncode == 0, errors.decode()
    finally:
        os.close(leader)
    return written.decode().replace("\r\n", "\n")


def same_screens(ours, theirs):
    """Whether two screens show the same. Where times grow shorter Keras leaves the end of the longer line standing."""
    ours, theirs = masked(shown(ours)), masked(shown(theirs))
    assert len(ours) == len(theirs)
    for own, other in zip(ours, theirs, strict=True):
        left = other.removeprefix(own)
        assert not left or (other != left and "TIME" in own and len(left) < 24), f"{own!r} is not {other!r}"


@pytest.mark.slow
@pytest.mark.parametrize("verbose", ["1", "auto", "2", "0"])
def test_a_terminal_shows_what_keras_shows(keras, verbose):
    ours, theirs = (run(package, verbose, terminal=True) for package in ("ironhorn", "keras"))
    same_screens(ours, theirs)
    if verbose in ("1", "auto"):
        # The bar is drawn over itself, in Keras's colours.
        assert "\r" in ours and "\x1b[32m━" in ours and "\x1b[1m12/12\x1b[0m" in ours


@pytest.mark.slow
def test_semantics_17_the_bar(keras):
    """Bar: ``auto`` is 1; 20 cells; four digits; verbose=2's line; "Epoch i/N" for several; no returns elsewhere."""
    for verbose in ("2", "auto"):
        ours, theirs = (run(package, verbose, terminal=False) for package in ("ironhorn", "keras"))
        # Keras draws over itself in files too; what remains of it in the end is our text.
        same_screens(ours, theirs)
        assert "\r" not in ours and "\b" not in ours and "\x1b" not in ours
        lines = ours.splitlines()
        assert lines[0] == "Epoch 1/3" and not any(line.startswith("Epoch 1/1") for line in lines)
        if verbose == "auto":
            assert "━" * 20 in lines[1] and "━" * 21 not in ours
        else:
            assert re.fullmatch(r"12/12 - \d+s - \d+(us|ms|s)/step - loss: \d\.\d{4} - mae: .*", lines[1])
