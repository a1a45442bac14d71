"""What fit, evaluate and predict print."""

import re
import sys

import numpy as np
import pytest

from ironhorn.utils import Progbar

X, Y = np.ones((64, 1), np.float32), np.ones(64, np.float32)
TIME = r"\d+s \d+(s|ms|us)/step"


def test_one_line_an_epoch_without_a_terminal(line, capsys):
    line(metrics=["mae"]).fit(X, Y, epochs=2, validation_split=0.5, batch_size=2)
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == "Epoch 1/2" and lines[2] == "Epoch 2/2" and lines[4:] == [""]
    number = r"\d+\.\d{4}(e[+-]\d+)?"
    values = rf" - loss: {number} - mae: {number} - val_loss: {number} - val_mae: {number}"
    for bar in (lines[1], lines[3]):
        assert re.fullmatch(rf"16/16 ━{{20}} {TIME}{values}", bar), bar


def test_a_single_epoch_has_no_head_line(line, capsys):
    line().fit(X, Y)
    assert re.fullmatch(rf"2/2 ━{{20}} {TIME} - loss: \S+\n", capsys.readouterr().out)


def test_verbose_2_is_keras_s_line(line, capsys):
    line().fit(X, Y, epochs=2, verbose=2)
    out = capsys.readouterr().out
    assert re.fullmatch(r"(Epoch \d/2\n2/2 - \d+s - \d+(s|ms|us)/step - loss: \S+\n){2}", out), out


def test_verbose_0_is_silent(line, capsys):
    model = line()
    model.fit(X, Y, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


def test_evaluate_and_predict_have_a_bar(line, capsys):
    model = line()
    model.evaluate(X, Y)
    model.predict(X, batch_size=10)
    first, second, rest = capsys.readouterr().out.split("\n")
    assert re.fullmatch(rf"2/2 ━{{20}} {TIME} - loss: \S+", first)
    assert re.fullmatch(rf"7/7 ━{{20}} {TIME}", second) and rest == ""


@pytest.mark.parametrize("verbose", [3, -1, "yes", None, 0.5])
def test_a_wrong_verbose(line, verbose):
    with pytest.raises(ValueError, match="`verbose`"):
        line().fit(X, Y, verbose=verbose)


def test_numbers_small_and_large(capsys):
    bar = Progbar(10, stateless_metrics=[])
    bar.update(10, [("a", 0.5), ("b", 0.001), ("c", 0.00101), ("d", -2.0), ("e", 12345.678), ("f", 0.0)])
    out = capsys.readouterr().out
    assert out.endswith("- a: 0.5000 - b: 1.0000e-03 - c: 0.0010 - d: -2.0000 - e: 12345.6780 - f: 0.0000e+00\n")
    bar = Progbar(10, verbose=2, stateless_metrics=[])
    bar.update(10, [("d", -2.0)])
    assert capsys.readouterr().out.endswith("- d: -2.0000e+00\n")


def test_averages_weigh_by_steps(capsys):
    bar = Progbar(4, stateful_metrics=["as_is"])
    bar.update(1, [("mean", 1.0), ("as_is", 1.0)])
    bar.update(3, [("mean", 4.0), ("as_is", 9.0)])
    bar.update(4, finalize=True)
    assert capsys.readouterr().out.endswith("- mean: 3.0000 - as_is: 9.0000\n")
    with pytest.raises(ValueError, match="Only one of"):
        Progbar(4, stateful_metrics=[], stateless_metrics=[])


class Terminal:
    """A stdout that says that it is one."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_in_a_terminal_the_bar_is_drawn_over_itself_in_colours(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    bar = Progbar(20, interval=0, stateless_metrics=[])
    bar.update(5, [("loss", 0.25)])
    first = terminal.text
    assert first.startswith(
        "\r\x1b[1m 5/20\x1b[0m \x1b[32m━━━━━\x1b[0m\x1b[37m━━━━━━━━━━━━━━━\x1b[0m \x1b[1m0s\x1b[0m "
    )
    assert first.endswith("/step - loss: 0.2500") and "\n" not in first
    shown = re.sub(r"\x1b\[\d+m|\r", "", first)
    bar.update(20, [("loss", 0.125)])
    second = terminal.text[len(first) :]
    assert second.startswith(
        "\b" * len(shown) + "\r\x1b[1m20/20\x1b[0m \x1b[32m" + "━" * 20 + "\x1b[0m\x1b[37m\x1b[0m "
    )
    assert second.rstrip(" \n").endswith("- loss: 0.1250") and second.endswith("\n")


def test_an_encoding_without_the_cells(monkeypatch):
    class Ascii(Terminal):
        encoding = "ascii"

        def isatty(self):
            return False

        def write(self, text):
            text.encode("ascii")
            super().write(text)

    stdout = Ascii()
    monkeypatch.setattr(sys, "stdout", stdout)
    Progbar(2).update(2)
    assert stdout.text.startswith("2/2 ====================")
