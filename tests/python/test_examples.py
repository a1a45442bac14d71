"""The examples run, and show what they say they show."""

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ironhorn.losses import check_gradient

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
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    names = {path.stem for path in FOLDER.glob("*.py")}
    assert len(names) == 13
    assert names <= tested


def test_make_runs_every_example() -> None:
    makefile = (FOLDER.parent / "Makefile").read_text()
    recipes = makefile.split(".PHONY: demo")[1].split(".PHONY: test")[0].replace("/", " ").replace(".py", " ").split()
    assert {path.stem for path in FOLDER.glob("*.py")} <= {word.strip(";") for word in recipes}


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


def test_batch_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    runs = example("batch_sizes").main()
    assert [run["steps"] for run in runs.values()] == [200 * 512, 200 * 16, 200]
    # Small batches are down sooner, large ones end lower.
    assert runs[1]["first"] < 1 < runs[32]["first"] < runs[512]["first"]
    assert runs[32]["near"] < 20 < 80 < runs[512]["near"] < 150
    assert runs[1]["last"] > 0.1 and 1e-4 < runs[32]["last"] < 1e-2 and 0 <= runs[512]["last"] < 1e-4
    assert "never" in capsys.readouterr().out


def test_regression(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = example("regression").main()
    assert numbers["polynomial_error"] < 1e-4
    assert numbers["logistic_error"] < 1e-4
    assert numbers["accuracy"] > 0.8
    assert "Newton's method" in capsys.readouterr().out


def test_pieces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    errors = example("pieces").main(plot=str(tmp_path / "pieces.svg"))
    for units in (4, 8, 16, 32):
        # |f″| ≤ (2π)² and |f′| ≤ 2π, where f(x) = sin 2πx.
        assert errors["relu"][units] <= (2 * math.pi) ** 2 / 8 / units**2
        assert errors["tanh"][units] <= 2 * math.pi / 2 / units
        assert errors["relu_trained"][units] < errors["relu"][units]
        assert errors["tanh_trained"][units] < errors["tanh"][units]
    assert errors["relu"][32] < errors["relu"][16] / 3.5
    assert 1.6 < errors["tanh"][16] / errors["tanh"][32] < 2.4
    pieces = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("   from ")]
    assert len(pieces) == 8
    assert (pieces[0][1], pieces[-1][3]) == ("0.000", "1.000:")
    assert [float(words[-1]) > 0 for words in pieces] == [True, True, False, False, False, False, True, True]
    assert (tmp_path / "pieces.svg").stat().st_size > 10_000


def test_a_network_by_hand_bends_where_it_is_told_to() -> None:
    pieces = example("pieces")
    model = pieces.kinks_by_hand(5)
    assert pieces.kinks_of(model) == pytest.approx([0.2, 0.4, 0.6, 0.8])
    cuts = np.linspace(0, 1, 6, dtype=np.float32)[:, None]
    assert model.predict(cuts, verbose=0) == pytest.approx(pieces.curve(cuts), abs=1e-5)


def test_wide_and_deep() -> None:
    errors = example("wide_and_deep").main()
    # The standard deviations of sin(3a)·b, which the wide part cannot learn, and of the noise.
    assert errors["wide"] > 0.43
    assert errors["deep"] > 0.3
    assert 0.1 < errors["wide and deep"] < 0.15


def test_recommender(capsys: pytest.CaptureFixture[str]) -> None:
    errors = list(example("recommender").main().values())
    mean, means, embeddings, noise = errors
    assert mean > means > embeddings > noise
    assert embeddings < mean / 2
    films = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("   film ")]
    assert len(films) == 5
    assert all(float(words[-1]) > 4 for words in films)


def test_svm(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = example("svm").main()
    assert numbers["objective"] <= numbers["best_nearby"] + 1e-4
    assert numbers["angle"] < 3 and numbers["offset"] == pytest.approx(0.5, abs=0.15)
    assert 0.9 < numbers["margin"] < 2
    assert numbers["accuracy"] > 0.96
    assert numbers["support"] < 80
    picture = [line for line in capsys.readouterr().out.splitlines() if "|" in line and line.startswith("    -")]
    assert len(picture) == 19


def test_svm_penalty_widens_the_margin() -> None:
    svm = example("svm")
    assert svm.main(penalty=0.1)["margin"] > 1.3 * svm.main(penalty=0.01)["margin"]


def test_autoencoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    numbers = example("autoencoder").main(plot=str(tmp_path / "plane.png"))
    assert numbers["error_2"] < 0.85 * numbers["pca_2"]
    assert numbers["error_16"] < 0.9 * numbers["pca_16"]
    assert numbers["neighbours"] > 0.5  # a tenth by chance
    assert numbers["precision"] > 0.85 and numbers["recall"] > 0.95
    printed = capsys.readouterr().out.splitlines()
    plane = printed[printed.index("Five digits:") - 25 :][:24]
    assert sum(character.isdigit() for line in plane for character in line) > 250
    assert (tmp_path / "plane.png").stat().st_size > 10_000


def test_multi_label(capsys: pytest.CaptureFixture[str]) -> None:
    results = example("multi_label").main()
    linear, deep = results["linear"], results["deep"]
    # One label in four is drawn by a line, one has none; and 2 % of the answers are wrong.
    assert linear["auc"] < 0.85 and deep["auc"] > 0.93
    assert linear["f1"] < 0.7 and deep["f1"] > 0.88
    assert 0.95 < deep["binary_accuracy"] < 0.985
    assert deep["precision"] > 0.9 and deep["recall"] > 0.9
    # The table by label gives the same as compile's metrics: the mean of the labels' F1 and AUC.
    rows = [line.split()[-5:] for line in capsys.readouterr().out.splitlines()[-4:]]
    assert np.mean([float(row[3]) for row in rows]) == pytest.approx(deep["f1"], abs=1e-3)
    assert np.mean([float(row[4]) for row in rows]) == pytest.approx(deep["auc"], abs=1e-3)


def test_custom_loss() -> None:
    numbers = example("custom_loss").main()
    # The standard deviation of a share of 4000 is 0.005.
    assert numbers["below"] == pytest.approx(0.1, abs=0.02)
    assert numbers["above"] == pytest.approx(0.1, abs=0.02)
    assert numbers["width_error"] < 0.3
    assert numbers["difference"] < 0.05  # rounding, after 2400 steps
    assert numbers["gradient_error"] < 1e-6


def test_custom_loss_with_a_wrong_gradient() -> None:
    def wrong(y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, gradient = example("custom_loss").pinball_in_numpy(0.1).fn(y_true, y_pred)
        return losses, -gradient

    with pytest.raises(ValueError, match="the gradient is wrong at 3 of 3 elements"):
        check_gradient(wrong, np.zeros((3, 1)), np.array([[-1.0], [1.0], [2.0]]))


def test_own_loop() -> None:
    numbers = example("own_loop").main()
    assert numbers["difference"] < 1e-5
    assert numbers["loop"] > 0.95 and numbers["hardened"] > 0.95
    assert numbers["fit_fooled"] < 0.65 < 0.7 < numbers["hardened_fooled"]
