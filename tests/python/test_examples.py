"""The examples run, and show what they say they show."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
# Keras's snippet gives the first layer an input_shape, and warns about it.
pytestmark = [pytest.mark.numeric, pytest.mark.filterwarnings("ignore:.*input_shape.*:UserWarning")]


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {"demo", "line", "overfitting"}


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    accuracy = example("demo").main(output=tmp_path, verbose=0)
    assert accuracy >= 0.97
    assert (tmp_path / "learning-curve.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "1437 digits to learn from, 360 to be judged on" in printed
    table = [line for line in printed.splitlines() if line[4:6] == " |"]
    counts = [[int(cell.replace("·", "0")) for cell in line[6:].split()[:10]] for line in table]
    assert sum(map(sum, counts)) == 360
    assert sum(counts[digit][digit] for digit in range(10)) == round(accuracy * 360)


def test_demo_repeats_itself(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    demo = example("demo")
    first, second = (demo.main(epochs=2, required_accuracy=0, output=tmp_path, seed=3, verbose=0) for _ in range(2))
    assert first == second


def test_demo_fails_when_it_learns_too_little(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(SystemExit, match=r"expected at least 0\.97"):
        example("demo").main(epochs=1, output=tmp_path, verbose=0)


def test_line(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = example("line").main()
    assert numbers["first_loss"] == pytest.approx(23.66)  # Σ (0.3 x − 0.3 − y)² at x = 1, 2, 3, 4
    assert numbers["w"] == pytest.approx(-1, abs=1e-5)
    assert numbers["b"] == pytest.approx(1, abs=1e-5)
    assert numbers["loss_early"] < 1e-6
    # The slow direction of E shrinks by 1 − 0.025 · 1.2 a step, so that E falls below 1e-6 near step 237.
    assert numbers["steps_early"] == pytest.approx(237, abs=3)
    assert numbers["w_early"] == pytest.approx(-1, abs=1e-3)
    assert "y = -1.00000 x + 1.00000" in capsys.readouterr().out


def test_line_diverges_beyond_the_largest_rate() -> None:
    line = example("line")
    model = line.wrong_line(0.031)
    losses = model.fit(line.X, line.Y, batch_size=4, epochs=200, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] > losses[100] > losses[0]


def test_overfitting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    runs = example("overfitting").main(output=tmp_path)
    full, early = runs["to the end"], runs["early stopping"]
    assert full["epochs"] == 1500 and early["epochs"] < 700
    assert early["epochs"] == early["best_epoch"] + 100
    assert full["training"] < 0.05 < full["validation"]
    assert early["training"] > full["training"]
    assert early["validation"] < full["validation"]
    assert early["test"] < full["test"]
    assert (tmp_path / "overfitting.png").stat().st_size > 10_000
    assert "66561 weights, 16 points" in capsys.readouterr().out
