"""The device ``"auto"``: small nets stay on the CPU; a choice is made once, shown, saved, and repeated on resuming.

Without an adapter the tests that need one are skipped with the reason; with ``IRONHORN_REQUIRE_GPU=1`` they fail then.
"""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn.callbacks import BackupAndRestore, Callback
from ironhorn.errors import LoadError
from ironhorn.layers import BatchNormalization, Dense, Dropout

RNG = np.random.default_rng(5)
X = RNG.normal(size=(192, 24)).astype("float32")
Y = RNG.integers(0, 3, 192)


@pytest.fixture(autouse=True)
def default_device() -> Iterator[None]:
    yield
    ironhorn.set_device(None)


def net() -> Any:
    ironhorn.utils.clear_session()
    ironhorn.utils.set_random_seed(4)
    layers = [Dense(30, activation="relu"), BatchNormalization(), Dropout(0.2), Dense(3, activation="softmax")]
    model = ironhorn.Sequential([ironhorn.Input((24,)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model: Any, **more: Any) -> Any:
    return model.fit(X, Y, batch_size=64, verbose=0, **more)


def same(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


def test_small_nets_stay_on_the_cpu() -> None:
    model, twin = net(), net()
    assert model.chosen_devices == {}
    fit(twin, device="cpu")
    ironhorn.set_device("auto")
    assert ironhorn.config.device() == "auto"
    fit(model)
    assert same(model, twin)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=1)
    model.train_on_batch(X[:10], Y[:10])
    tasks = {("train", 64): "cpu", ("evaluate", 32): "cpu", ("predict", 256): "cpu", ("train_on_batch", 10): "cpu"}
    assert model.chosen_devices == tasks
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.chosen_devices == {}


def test_a_call_can_ask_for_it_and_nothing_is_printed() -> None:
    code = """
import numpy as np, ironhorn
from ironhorn.layers import Dense
m = ironhorn.Sequential([ironhorn.Input((300,)), Dense(300), Dense(1)])
m.compile("sgd", "mse")
m.fit(np.ones((300, 300)), np.ones(300), batch_size=100, verbose=0{})
print(ironhorn.config.device(), sorted(m.chosen_devices))
"""
    for argument, variable, said in ((", device='auto'", "cpu", "cpu"), ("", "auto", "auto")):
        environment = os.environ | {"IRONHORN_DEVICE": variable}
        command = [sys.executable, "-c", code.format(argument)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert (done.stdout, done.stderr) == (f"{said} [('train', 100)]\n", "")


def test_without_an_adapter_it_is_the_cpu() -> None:
    code = """
import numpy as np, ironhorn
from ironhorn.layers import Dense
ironhorn.set_device("auto")
m = ironhorn.Sequential([ironhorn.Input((300,)), Dense(300), Dense(1)])
m.compile("sgd", "mse")
m.fit(np.ones((300, 300)), np.ones(300), batch_size=100, verbose=0)
print(m.chosen_devices)
"""
    missing = {"VK_DRIVER_FILES": "/nonexistent.json", "VK_ICD_FILENAMES": "/nonexistent.json"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | missing, capture_output=True, text=True, timeout=120)
    if sys.platform == "linux":
        assert (done.stdout, done.stderr) == ("{('train', 100): 'cpu'}\n", "")


def test_a_choice_is_what_later_runs_go_by(gpu: str) -> None:
    model, twin = net(), net()
    fit(twin, device=gpu)
    model._engine_model().choices = [("train", 64, gpu)]
    fit(model, device="auto")
    assert model.chosen_devices == {("train", 64): gpu}
    assert same(model, twin)


@pytest.mark.parametrize("by", ["file", "copy"])
def test_files_keep_it(gpu: str, tmp_path: Path, by: str) -> None:
    model, twin = net(), net()
    model._engine_model().choices = [("predict", 256, "cpu"), ("train", 64, gpu)]
    fit(model, device="auto")
    fit(twin, device=gpu)
    if by == "file":
        model.save(tmp_path / "net.ironhorn")
        model = ironhorn.load_model(tmp_path / "net.ironhorn")
    else:
        model = copy.deepcopy(model)  # as pickle does it
    assert model.chosen_devices == {("predict", 256): "cpu", ("train", 64): gpu}
    fit(model, device="auto")
    fit(twin, device=gpu)
    assert same(model, twin)


def test_a_device_that_is_not_there_is_chosen_anew(gpu: str) -> None:
    model = net()
    model._engine_model().choices = [("train", 64, "gpu:7")]
    fit(model, device="auto")
    assert model.chosen_devices == {("train", 64): "cpu"}


class Interrupt(Callback):
    """Ends a run after an epoch as a power failure would."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_backup_resumes_where_it_was(gpu: str, tmp_path: Path) -> None:
    """The interrupted run chose the GPU; the new process would have chosen the CPU."""
    whole = net()
    fit(whole, epochs=4, device=gpu)
    first = net()
    first._engine_model().choices = [("train", 64, gpu)]
    with pytest.raises(KeyboardInterrupt):
        fit(first, epochs=4, device="auto", callbacks=[BackupAndRestore(tmp_path / "backup"), Interrupt(2)])
    resumed = net()
    fit(resumed, epochs=4, device="auto", callbacks=[BackupAndRestore(tmp_path / "backup")])
    assert resumed.chosen_devices == {("train", 64): gpu}
    assert same(resumed, whole)


@pytest.mark.parametrize("order", [("cpu", "gpu"), ("gpu", "cpu")])
def test_a_backup_resumes_on_another_device(gpu: str, tmp_path: Path, order: tuple[str, str]) -> None:
    whole = net()
    fit(whole, epochs=4, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        fit(net(), epochs=4, device=order[0], callbacks=[BackupAndRestore(tmp_path / "backup"), Interrupt(2)])
    resumed = net()
    fit(resumed, epochs=4, device=order[1], callbacks=[BackupAndRestore(tmp_path / "backup")])
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize(
    "bad", ['[["train", 64, "auto"]]', '[["fly", 1, "cpu"]]', '{"train": 1}', '[["train", -1, "cpu"]]']
)
def test_a_file_with_other_devices_is_refused(tmp_path: Path, bad: str) -> None:
    model = net()
    model._engine_model().choices = [("train", 64, "cpu")]
    path = tmp_path / "net.ironhorn"
    model.save(path)
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert json.loads(header["__metadata__"]["devices"]) == [["train", 64, "cpu"]]
    header["__metadata__"]["devices"] = bad
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    with pytest.raises(LoadError, match="devices"):
        ironhorn.load_model(path)
