"""``Model.memory``: the table, its fields, its errors; data sets that come to a GPU in windows."""

import os
import subprocess
import sys

import pytest

import ironhorn
from ironhorn import config
from ironhorn.errors import DeviceError
from ironhorn.layers import Dense


def net() -> ironhorn.Sequential:
    ironhorn.utils.set_random_seed(3)
    model = ironhorn.Sequential([ironhorn.Input((40,)), Dense(16, activation="relu"), Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_bytes_by_part() -> None:
    use = net().memory(64, device="cpu")
    assert (use.device, use.batch_size, use.samples) == ("cpu", 64, 64)
    # Panels of 16 columns: kernels of 40 and of 16 rows, and two biases of one.
    weights = (40 + 1 + 16 + 1) * 64
    assert (use.training["weights"], use.training["optimizer"]) == (weights, 2 * weights)
    assert use.prediction["weights"] == 2 * weights and use.prediction["gradients"] == 0
    assert use.training["activations"] >= 64 * (40 + 16 + 3) * 4
    assert use.total["training"] == sum(use.training.values()) == use.as_dict()["training"]["total"]
    assert net().memory(128, device="cpu").training["gradients"] > use.training["gradients"]
    lines = repr(use).splitlines()
    assert lines[0] == "Memory on cpu: batches of 64 of 64 samples"
    assert lines[2].split() == ["bytes", "training", "prediction"]
    assert [line.split()[0] for line in lines[4:11]] == list(use.training)
    assert lines[-1].split() == ["total", f"{use.total['training']:,}", f"{use.total['prediction']:,}"]
    assert net().memory(64, "cpu", samples=10).batch_size == 10


def test_errors() -> None:
    with pytest.raises(ValueError, match="compile"):
        ironhorn.Sequential([ironhorn.Input((4,)), Dense(1)]).memory(32)
    unbuilt = ironhorn.Sequential([Dense(1)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match="not built"):
        unbuilt.memory(32)
    for bad in (0, -1):
        with pytest.raises(ValueError, match="batch_size"):
            net().memory(bad)
    with pytest.raises(ValueError, match="samples"):
        net().memory(1, samples=0)
    with pytest.raises(TypeError, match="batch_size"):
        net().memory(1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="device"):
        net().memory(1, "tpu")


CODE = """
import numpy as np, ironhorn
from ironhorn.errors import DeviceError
from ironhorn.layers import Dense
ironhorn.utils.set_random_seed(3)
model = ironhorn.Sequential([ironhorn.Input((40,)), Dense(16, activation="relu"), Dense(3, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
x, y = (np.arange(80000).reshape(2000, 40) % 251).astype("uint8"), np.arange(2000) % 3
logs = model.fit(x, y, epochs=2, batch_size=32, validation_split=0.1, verbose=0, device="gpu").history
print(logs, model.predict(x, verbose=0, device="gpu").sum(dtype="float64"), [w.sum() for w in model.get_weights()])
small, large = (model.memory(32, "gpu", samples=samples).training["data"] for samples in (100, 2000))
print(small < large, large < 2000 * 40 * 4)
try:
    model.memory(5000, "gpu")
except DeviceError as error:
    print(str(error).rpartition("; ")[2])
"""


def test_windows_on_a_gpu() -> None:
    try:
        config.set_device("gpu")
    except DeviceError as error:
        if os.environ.get("IRONHORN_REQUIRE_GPU") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    finally:
        config.set_device(None)

    def run(limit: str) -> list[str]:
        environment = os.environ | {"IRONHORN_GPU_BINDING_LIMIT": limit}
        done = subprocess.run(
            [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=120
        )
        return (done.stdout or done.stderr).splitlines()

    resident, windows = run(""), run("65536")
    assert windows[0] == resident[0]
    assert (windows[1], resident[1]) == ("True True", "True False")
    assert windows[2].startswith("the largest batch that fits is ")
    assert "IRONHORN_GPU_BINDING_LIMIT: expected a number of bytes" in run("12")[-1]
