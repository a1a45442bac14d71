"""Models of every kind on a GPU against the CPU, as Python makes them: graphs, layers with states, options, files.

Without an adapter these tests are skipped with the reason; with ``IRONHORN_REQUIRE_GPU=1`` they fail then.
"""

import gc
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import layers, optimizers
from ironhorn.errors import DeviceError
from ironhorn.layers import Dense

pytestmark = pytest.mark.usefixtures("gpu")

RNG = np.random.default_rng(3)
X = RNG.normal(size=(70, 6)).astype("float32")
IDS = RNG.integers(0, 9, size=(70, 4))
CLASSES = np.arange(70) % 3
Y = RNG.normal(size=(70, 2)).astype("float32")


def everything(optimizer: Any) -> Any:
    """Two inputs, two outputs, tables, normalizations, noise, penalties, constraints."""
    ironhorn.utils.clear_session()
    ironhorn.utils.set_random_seed(7)
    numbers, ids = ironhorn.Input((6,), name="numbers"), ironhorn.Input((4,), dtype="int32", name="ids")
    x = Dense(12, kernel_regularizer="l2", kernel_constraint="max_norm")(numbers)
    x = layers.PReLU()(layers.BatchNormalization(momentum=0.8)(x))
    x = layers.GaussianNoise(0.1)(layers.Dropout(0.2)(x))
    table = layers.Flatten()(layers.Embedding(9, 3)(ids))
    both = layers.LayerNormalization()(layers.Concatenate()([x, layers.Activation("gelu")(table)]))
    classes = Dense(3, activation="softmax", name="classes")(both)
    values = Dense(2, activity_regularizer="l1", name="values")(layers.GaussianDropout(0.1)(both))
    model = ironhorn.Model([numbers, ids], [classes, values])
    model.compile(
        optimizer,
        ["sparse_categorical_crossentropy", "huber"],
        loss_weights=[1.0, 0.3],
        metrics=[["accuracy"], ["mae", ironhorn.metrics.R2Score()]],
        weighted_metrics=[[], ["mse"]],
    )
    return model


def fit(model: Any, device: str, **more: Any) -> Any:
    weights = [np.linspace(0.5, 1, 70), np.linspace(1, 2, 70)]
    history = model.fit([X, IDS], [CLASSES, Y], sample_weight=weights, batch_size=16, verbose=0, device=device, **more)
    return history.history


def close(a: Any, b: Any, tolerance: float) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9, "global_clipnorm": 0.5}),
        ("AdamW", {"epsilon": 1e-4, "use_ema": True, "ema_overwrite_frequency": 4, "amsgrad": True}),
        ("Lamb", {"epsilon": 1e-4, "gradient_accumulation_steps": 2}),
    ],
)
def test_fifty_steps_are_the_cpus(gpu: str, name: str, options: Any) -> None:
    """10 epochs of 5 steps. Rounding alone differs: a twentieth of a step of 10⁻²."""
    runs = {}
    for device in ("cpu", gpu):
        optimizer = getattr(optimizers, name)(0.01, **options)
        if name == "AdamW":
            optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
        model = everything(optimizer)
        logs = fit(model, device, epochs=10)
        model.evaluate([X, IDS], [CLASSES, Y], verbose=0, device=device)
        runs[device] = model.get_weights(), logs, model.predict([X, IDS], verbose=0, device=device)
    (weights, logs, outputs), (gpu_weights, gpu_logs, gpu_outputs) = runs["cpu"], runs[gpu]
    close(gpu_weights, weights, 5e-4)
    close(gpu_outputs, outputs, 1e-3)
    assert logs.keys() == gpu_logs.keys() and "values_r2_score" in logs
    for key in logs:
        np.testing.assert_allclose(gpu_logs[key], logs[key], rtol=2e-3, atol=2e-3, err_msg=key)


def test_predictions_and_evaluations_are_the_cpus(gpu: str) -> None:
    model = everything("sgd")
    fit(model, gpu)
    for run in (lambda d: model.predict([X, IDS], verbose=0, device=d), lambda d: [evaluate(model, d)]):
        close(run(gpu), run("cpu"), 2e-5)


def evaluate(model: Any, device: str) -> Any:
    return model.evaluate([X, IDS], [CLASSES, Y], batch_size=33, verbose=0, device=device)


def test_training_goes_on_elsewhere_from_a_file(gpu: str, tmp_path: Path) -> None:
    """Each epoch on another device, through a file: moving statistics, slots and sums of gradients travel."""
    runs = []
    for devices in (["cpu"] * 3, [gpu, "cpu", gpu]):
        optimizer = optimizers.Adam(0.01, use_ema=True, gradient_accumulation_steps=3, epsilon=1e-3)
        model = everything(optimizer)
        for device in devices:
            fit(model, device)
            model.save(tmp_path / "model.ironhorn")
            model = ironhorn.saving.load_model(tmp_path / "model.ironhorn")
        runs.append([*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)])
    close(runs[1], runs[0], 5e-4)


def test_classes_that_count_for_more(gpu: str) -> None:
    runs = []
    for device in ("cpu", gpu):
        ironhorn.utils.set_random_seed(1)
        model = ironhorn.Sequential([ironhorn.Input((6,)), Dense(3)])
        loss = ironhorn.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2)
        model.compile(optimizers.RMSprop(0.01), loss, weighted_metrics=["accuracy"])
        logs = model.fit(X, CLASSES, class_weight={0: 2.0, 1: 0.5, 2: 1.0}, epochs=2, verbose=0, device=device)
        runs.append([*model.get_weights(), *logs.history.values()])
    close(runs[1], runs[0], 2e-5)


def test_what_cannot_run_there_is_refused_by_name(gpu: str) -> None:
    model = ironhorn.Sequential([ironhorn.Input((6,)), Dense(2, kernel_regularizer="orthogonal_regularizer")])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(DeviceError, match=r'orthogonal_regularizer .*"cpu"'):
        model.fit(X, Y, verbose=0, device=gpu)
    close(model.get_weights(), before, 0)
    model.fit(X, Y, verbose=0, device="cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_models_that_are_dropped_leave_nothing(gpu: str) -> None:
    """On a software adapter the device's memory is the process's. A model has about one megabyte."""

    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS:"))

    sizes = []
    for _ in range(100):
        model = ironhorn.Sequential(
            [ironhorn.Input((6,)), Dense(200), layers.BatchNormalization(), Dense(200), Dense(2)]
        )
        model.compile("adam", "mse")
        model.fit(X, Y, batch_size=70, verbose=0, device=gpu)
        model.predict(X, verbose=0, device=gpu)
        del model
        gc.collect()
        sizes.append(resident())
    assert sizes[99] < sizes[19] + 30, sizes
