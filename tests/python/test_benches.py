"""What the benchmarks make of their measurements: medians, intervals, cliffs, targets. Nothing here is timed."""

import importlib
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def benches() -> Iterator[SimpleNamespace]:
    """The modules of benches/, which import each other by plain names, as scripts do."""
    pytest.importorskip("resource", reason="the races need Unix")
    before = set(sys.modules)
    sys.path.insert(0, str(ROOT / "benches"))
    names = ("report", "targets", "jobs", "real", "growth", "documents", "suite", "peers")
    modules: dict[str, ModuleType] = {name: importlib.import_module(name) for name in names}
    yield SimpleNamespace(**modules)
    sys.path.pop(0)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "benches")):
            del sys.modules[name]


def test_bounds_of_a_median_come_from_the_order(benches: Any) -> None:
    low, high, covered = benches.report.interval([3.0, 1.0, 5.0, 4.0, 2.0])
    assert (low, high) == (1.0, 5.0)
    assert covered == 15 / 16
    low, high, covered = benches.report.interval([float(i) for i in range(20)])
    assert 0 < low < 9.5 < high < 19
    assert covered >= benches.report.CONFIDENCE


def test_the_bounds_enclose_the_median_as_often_as_they_say(benches: Any) -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(4000):
        low, high, covered = benches.report.interval(list(rng.exponential(size=9)))
        inside += low <= math.log(2) <= high
    assert abs(inside / 4000 - covered) < 0.02


def test_ratios_are_paired_by_round(benches: Any) -> None:
    # A machine that slows down in the last round slows both.
    ratio = benches.report.paired([2.0, 4.0, 40.0], [1.0, 2.0, 20.0])
    assert (ratio["median"], ratio["low"], ratio["high"]) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError):
        benches.report.paired([1.0], [1.0, 2.0])


def test_a_cliff_is_a_step_above_its_share(benches: Any) -> None:
    sizes = [(1, 1.0), (2, 1.9), (4, 6.0), (8, 11.0)]
    points = [{"size": size, "work": size, "fit": seconds} for size, seconds in sizes]
    ((from_, to, share),) = benches.report.cliffs(points, "fit")
    assert (from_, to) == (2, 4)
    assert share == pytest.approx(6.0 / 1.9 / 2)
    assert benches.report.cliffs(points, "fit", limit=2.0) == []


def test_the_work_of_a_width_is_its_products(benches: Any) -> None:
    # Forward and the kernels' gradients 2 · (3·4 + 4·1) each, the inputs' gradient only of the second layer.
    assert benches.growth.flops(3, 4) == 2 * 2 * (3 * 4 + 4) + 2 * 4


def test_a_peer_runs_on_its_own_backend_whatever_the_shell_says(benches: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # make sets it for the parity tests; Keras on TensorFlow was once raced as Keras on JAX.
    for name in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND"):
        monkeypatch.setenv(name, "jax")
    benches.peers.PEERS["keras-tf"].prepare()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def training_race(steps: dict[str, list[float]]) -> dict:
    count = len(next(iter(steps.values())))
    common = {"cpu_us_per_step": 1.0, "final_loss": 0.1, "import_s": 0.05, "build_s": 0.05, "first_epoch_s": 0.1}
    return {
        "rounds": [{p: common | {"us_per_step": values[i]} for p, values in steps.items()} for i in range(count)],
        "settings": dict.fromkeys(steps, ""),
        "notes": [],
        "reference": "ironhorn",
    }


def predicting_race(ways: dict[str, dict[str, list[float]]]) -> dict:
    count = len(next(iter(next(iter(ways.values())).values())))
    rounds = []
    for i in range(count):
        each = {
            peer: {"ways": {way: {"p50_us": v[i], "rows_per_s": 1e6 / v[i]} for way, v in several.items()}}
            for peer, several in ways.items()
        }
        rounds.append(each)
    return {"rounds": rounds}


def test_targets_are_met_or_missed_by_what_was_measured(benches: Any) -> None:
    mnist = training_race({"ironhorn": [10.0, 11.0, 12.0], "jax": [40.0, 44.0, 36.0], "torch": [90.0, 99.0, 80.0]})
    mnist["summary"] = benches.report.summary(mnist["rounds"], "ironhorn", False)
    predict = predicting_race(
        {
            "ironhorn": {"model.predict": [30.0, 31.0], "predictor": [5.0, 6.0], "predictor, bf16": [4.0, 4.0]},
            "onnxruntime": {"default": [12.0, 14.0], "bound": [10.0, 10.0]},
        }
    )
    small = training_race({"ironhorn": [1.0]}) | {"summary": {}}
    result = {"races": {"mnist": mnist, "predict": predict, "small": small}}
    found = {(row.job, row.what): row for row in benches.targets.rows(result)}
    assert found["mnist", "× JAX tuned"].met is True
    assert found["mnist", "× JAX tuned"].measured == "4× (3–4)"
    assert found["mnist", "× PyTorch eager"].met is False
    one = found["one row, mnist net", "predictor, f32 ÷ onnxruntime's best"]
    assert one.met is True
    assert one.measured.startswith("0.55× (0.5–0.6)")
    assert found["one row, mnist net", "predictor, 16-bit ÷ onnxruntime's best"].met is True
    assert found["one row, mnist net", "model.predict ÷ onnxruntime's best"].met is False
    assert found["import", "import + build + first epoch of small"].measured == "0.2 s"
    unmeasured = [row for row in found.values() if row.met is None]
    assert unmeasured
    assert all(row.measured == "not measured" for row in unmeasured)


def test_threads_are_slower_only_when_the_whole_interval_says_so(benches: Any) -> None:
    for single, met in (([0.98, 1.01, 0.97], True), ([0.9, 0.95, 0.97], False)):
        race = training_race({"ironhorn": [1.0, 1.0, 1.0], "ironhorn-1-thread": single})
        race["summary"] = benches.report.summary(race["rounds"], "ironhorn", False)
        rows = benches.targets.threads({"races": {"small": race}})
        assert next(row for row in rows if row.what.startswith("small")).met is met


def test_every_racer_is_a_peer_that_knows_the_job(benches: Any) -> None:
    for job, field in benches.suite.FIELDS.items():
        assert job in benches.jobs.JOBS
        assert all(job in benches.peers.PEERS[peer].jobs for peer in field)
    assert all(peer in benches.peers.PEERS for peer in benches.real.PEERS)


def test_scores_at_marks_are_the_last_before_them(benches: Any) -> None:
    curves = [[(0.2, 0.5), (0.9, 0.8), (1.5, 0.99)], [(0.4, 0.7), (2.0, 0.75)]]
    found = benches.real.summary(curves, 0.8, 1.0)
    assert found["after_1_s"] == pytest.approx(0.75)
    assert (found["reached"], found["to_target_s"]) == (1, 0.9)
    assert "after_10_s" not in found


def test_a_perfect_and_a_constant_answer_have_the_scores_that_define_r2(benches: Any) -> None:
    y = np.array([[1.0], [2.0], [6.0]])
    assert benches.real.score(y, y, False) == 1.0
    assert benches.real.score(np.full_like(y, 3.0), y, False) == 0.0
    assert benches.real.score(np.eye(3), np.array([0, 1, 1]), True) == pytest.approx(2 / 3)


def test_documents_have_the_marks_that_a_run_writes_between(benches: Any) -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name in ("targets", "races", "real", "growth", "memory", "roofline", "products", "kernels"):
        changed = benches.documents.between(page, name, "NEW")
        assert changed.count("NEW") == page.count("NEW") + 1
        assert benches.documents.between(changed, name, "NEW") == changed
    benches.documents.between((ROOT / "README.md").read_text(encoding="utf-8"), "targets", "NEW")
    with pytest.raises(ValueError, match="no marks"):
        benches.documents.between(page, "nothing", "NEW")


def test_the_first_weights_and_the_plain_answer(benches: Any) -> None:
    job = benches.jobs.JOBS["predict-small"]
    arrays = benches.jobs.weights(job)
    assert [a.shape for a in arrays] == [(8, 64), (64,), (64, 64), (64,), (64, 1), (1,)]
    x = np.ones((2, 8), np.float32)
    assert benches.jobs.forward(arrays, x).shape == (2, 1)
    net = benches.jobs.weights(benches.jobs.JOBS["predict"])
    assert benches.jobs.forward(net, np.ones((3, 784), np.float32)).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
