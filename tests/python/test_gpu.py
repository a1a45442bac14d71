"""Devices: choosing them, training on a GPU, changing in the middle, errors.

Without an adapter these tests are skipped with the reason; with ``IRONHORN_REQUIRE_GPU=1`` they fail then.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import config
from ironhorn.errors import DeviceError
from ironhorn.layers import Dense, Dropout

# 30 steps of Adam with rates of 1e-3: a fifth of one step.
TOLERANCE = 2e-4


@pytest.fixture(autouse=True)
def default_device() -> Iterator[None]:
    yield
    config.set_device(None)


def net(optimizer: Any = "adam") -> Any:
    ironhorn.utils.clear_session()
    ironhorn.utils.set_random_seed(7)
    layers = [ironhorn.Input((5,)), Dense(16, activation="relu"), Dropout(0.3), Dense(3, activation="softmax")]
    model = ironhorn.Sequential(layers)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def close(a: Any, b: Any, tolerance: float = TOLERANCE) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


def test_devices_are_listed_and_set(gpu: str) -> None:
    assert config.list_devices()[:2] == ["cpu", gpu]
    assert set(config.device_names()) == set(config.list_devices())
    assert config.device() == {"gpu": gpu}.get(named := os.environ.get("IRONHORN_DEVICE", "cpu"), named)
    config.set_device("gpu")
    assert config.device() == gpu
    config.set_device("cpu")
    assert config.device() == "cpu"


def test_unknown_devices_are_refused() -> None:
    for bad in ("cuda", "gpu:", "gpu:x", ""):
        with pytest.raises(ValueError, match='expected "cpu", "gpu", "gpu:N" or "auto"'):
            config.set_device(bad)
    with pytest.raises(TypeError):
        config.set_device(0)  # type: ignore[arg-type]
    with pytest.raises(DeviceError, match=r'gpu:99: .*"cpu"'):
        config.set_device("gpu:99")


def test_a_refused_device_changes_nothing(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    model = net()
    before = model.get_weights()
    with pytest.raises(DeviceError):
        model.fit(*blobs, device="gpu:99", verbose=0)
    with pytest.raises(ValueError, match="device"):
        model.fit(*blobs, device="tpu", verbose=0)
    close(model.get_weights(), before, 0)
    model.fit(*blobs, verbose=0, device="cpu")


def test_training_is_the_cpus(gpu: str, blobs: tuple[np.ndarray, np.ndarray]) -> None:
    runs = {}
    for device in ("cpu", gpu):
        model = net()
        history = model.fit(*blobs, epochs=8, validation_split=0.2, verbose=0, device=device)
        runs[device] = model.get_weights(), history.history, model.evaluate(*blobs, verbose=0, device=device)
        np.testing.assert_allclose(
            model.predict(blobs[0], verbose=0, device="cpu"), model.predict(blobs[0], verbose=0, device=gpu), atol=1e-5
        )
    (weights, logs, result), (gpu_weights, gpu_logs, gpu_result) = runs["cpu"], runs[gpu]
    close(gpu_weights, weights)
    assert logs.keys() == gpu_logs.keys()
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(gpu_logs[name], logs[name], rtol=1e-3)
    np.testing.assert_allclose(gpu_result, result, rtol=1e-3)


def test_weights_and_optimizer_change_devices(gpu: str, blobs: tuple[np.ndarray, np.ndarray]) -> None:
    alone, both = net(), net()
    for device in ("cpu", gpu, gpu, "cpu", gpu):
        alone.fit(*blobs, epochs=2, verbose=0, device="cpu")
        both.fit(*blobs, epochs=2, verbose=0, device=device)
    close(both.get_weights(), alone.get_weights())


def test_callbacks_see_and_set_weights(gpu: str, blobs: tuple[np.ndarray, np.ndarray]) -> None:
    model, seen = net(), []

    class Watch(ironhorn.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(model.get_weights()[0])
            if batch == 1:
                model.set_weights([0 * w for w in model.get_weights()])

    model.fit(*blobs, epochs=1, verbose=0, callbacks=[Watch()], device=gpu)
    assert len(seen) == 4 and (seen[0] != seen[1]).any()
    assert abs(seen[2]).max() < 0.01


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float64"])
def test_every_dtype_is_taken(gpu: str, dtype: str) -> None:
    x = (np.arange(60).reshape(12, 5) % 7).astype(dtype)
    y = np.arange(12) % 3
    models = [net(), net()]
    for model, device in zip(models, ("cpu", gpu), strict=True):
        model.fit(x, y, batch_size=5, verbose=0, device=device, sample_weight=np.linspace(0, 1, 12))
    close(*(model.get_weights() for model in models))


def test_predictions_while_training(gpu: str, blobs: tuple[np.ndarray, np.ndarray]) -> None:
    model = net()
    thread = threading.Thread(target=lambda: model.fit(*blobs, epochs=30, verbose=0, device=gpu))
    thread.start()
    while thread.is_alive():
        for device in ("cpu", gpu):
            assert np.isfinite(model.predict(blobs[0], verbose=0, device=device)).all()
    thread.join()


def run(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=120
    )


def test_the_environment_chooses_and_nothing_is_printed(gpu: str) -> None:
    code = """
import numpy as np, ironhorn
from ironhorn.layers import Dense
m = ironhorn.Sequential([Dense(1)])
m.compile("sgd", "mse")
m.fit(np.ones((4, 2)), np.ones(4), verbose=0)
print(ironhorn.config.device())
"""
    done = run(code, IRONHORN_DEVICE="gpu")
    assert (done.stdout, done.stderr) == ("gpu:0\n", "")
    refused = run(code, IRONHORN_DEVICE="cuda")
    assert "ValueError: IRONHORN_DEVICE: expected" in refused.stderr


def test_a_forked_child_opens_its_own(gpu: str) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    code = """
import os, numpy as np, ironhorn
from ironhorn.layers import Dense
x, y = np.ones((8, 2)), np.ones(8)
m = ironhorn.Sequential([Dense(1)])
m.compile("sgd", "mse")
m.fit(x, y, verbose=0, device="gpu")
pid = os.fork()
if pid == 0:
    m.fit(x, y, verbose=0, device="gpu")
    m.predict(x, verbose=0, device="cpu")
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
m.fit(x, y, verbose=0, device="gpu")
print("done")
"""
    done = run(code)
    assert done.stdout == "done\n", done.stderr


def test_without_an_adapter_the_error_says_what_to_do() -> None:
    done = run(
        "import ironhorn; print(ironhorn.config.list_devices()); ironhorn.config.set_device('gpu')",
        VK_DRIVER_FILES="/nonexistent.json",
        VK_ICD_FILENAMES="/nonexistent.json",
    )
    if sys.platform == "linux":
        assert done.stdout == "['cpu']\n"
        assert "DeviceError: gpu:0: no adapter was found: install" in done.stderr
