"""Predictors on a GPU: the CPU's results but for rounding, from any number of threads, on any arrays.

Without an adapter these tests are skipped with the reason; with ``IRONHORN_REQUIRE_GPU=1`` they fail then.
"""

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import layers
from ironhorn.errors import DeviceError
from ironhorn.layers import Dense

pytestmark = pytest.mark.usefixtures("gpu")

RNG = np.random.default_rng(8)


def rows(count: int, columns: int = 7) -> np.ndarray:
    return RNG.normal(size=(count, columns)).astype("float32")


def chain() -> Any:
    inner = [Dense(33, activation="gelu"), layers.BatchNormalization(), Dense(5, activation="softmax")]
    return ironhorn.Sequential([ironhorn.Input((7,)), *inner])


def graph() -> Any:
    a, b = ironhorn.Input((7,), name="a"), ironhorn.Input((4,), dtype="int32", name="b")
    table = layers.Flatten()(layers.Embedding(9, 3)(b))
    both = layers.Concatenate()([Dense(6, activation="relu")(a), table])
    return ironhorn.Model({"a": a, "b": b}, [Dense(2)(both), layers.LayerNormalization()(both)])


@pytest.mark.parametrize("count", [1, 3, 256, 257, 1000])
def test_it_answers_as_the_cpu_does(gpu: str, count: int) -> None:
    model = chain()
    there, here = model.predictor(device=gpu), model.predictor()
    assert (there.device, here.device) == (gpu, "cpu")
    x = rows(count)
    np.testing.assert_allclose(there(x), here(x), atol=1e-5, rtol=1e-5)
    np.testing.assert_array_equal(there(x), model.predict(x, verbose=0, device=gpu))


def test_graphs_and_arrays_of_every_kind(gpu: str) -> None:
    model = graph()
    x = {"a": RNG.integers(0, 5, size=(50, 14))[:, ::2], "b": RNG.integers(0, 9, size=(50, 4)).astype("int8")}
    there, here = model.predictor(device="gpu")(x), model.predictor()(x)
    assert isinstance(there, list) and len(there) == 2
    for a, b in zip(there, here, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


def test_out_receives_the_result(gpu: str) -> None:
    predictor, x = chain().predictor(device=gpu), rows(20)
    out = np.full((20, 5), np.nan, np.float32)
    assert predictor(x, out=out) is out
    np.testing.assert_array_equal(out, predictor(x))
    strided = np.zeros((20, 10), np.float32)[:, ::2]
    predictor(x, out=strided)
    np.testing.assert_array_equal(strided, out)
    with pytest.raises(ValueError, match="shape"):
        predictor(x, out=np.zeros((19, 5), np.float32))


def test_it_keeps_its_weights(gpu: str) -> None:
    model = chain()
    model.compile("sgd", "sparse_categorical_crossentropy")
    predictor, x = model.predictor(device=gpu), rows(30)
    before = predictor(x)
    model.fit(x, np.arange(30) % 5, verbose=0, device=gpu)
    np.testing.assert_array_equal(predictor(x), before)
    assert not np.array_equal(model.predictor(device=gpu)(x), before)


def test_any_number_of_threads_may_ask(gpu: str) -> None:
    """Eight threads on one predictor, one more that trains there; each gets the answer to its own question."""
    model = chain()
    model.compile("adam", "sparse_categorical_crossentropy")
    predictor = model.predictor(device=gpu)
    questions = [rows(count) for count in (1, 5, 64, 300, 2, 17, 257, 40)]
    answers = [predictor(x) for x in questions]
    wrong: list[str] = []

    def ask(number: int) -> None:
        for _ in range(25):
            if not np.array_equal(predictor(questions[number]), answers[number]):
                wrong.append(f"thread {number}")

    x = rows(300)
    training = threading.Thread(
        target=lambda: model.fit(x, np.arange(300) % 5, epochs=5, batch_size=64, verbose=0, device=gpu)
    )
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in (training, *threads):
        thread.start()
    for thread in (training, *threads):
        thread.join()
    assert not wrong


def test_two_threads_train_two_models_on_one_device(gpu: str) -> None:
    """Each ends with the bits that it has alone."""

    def trained(seed: int) -> Any:
        ironhorn.utils.set_random_seed(seed)
        model = ironhorn.Sequential([ironhorn.Input((7,)), Dense(20 + seed, activation="tanh"), Dense(3)])
        model.compile("adam", "mse")
        return model

    x, y = rows(200), rows(200, 3)
    models = [trained(seed) for seed in (1, 2, 1, 2)]

    def train(model: Any) -> None:
        model.fit(x, y, epochs=12, batch_size=32, verbose=0, device=gpu)

    threads = [threading.Thread(target=train, args=(model,)) for model in models[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for together, alone in zip(models[:2], models[2:], strict=True):
        train(alone)
        for a, b in zip(together.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_is_refused(gpu: str) -> None:
    model = chain()
    for precision in ("f16", "bf16"):
        with pytest.raises(ValueError, match=f'precision: expected f32 on the device "gpu:0", received {precision}'):
            model.predictor(precision, device=gpu)
    with pytest.raises(ValueError, match="precision"):
        model.predictor("int8", calibrate=rows(10), device=gpu)
    with pytest.raises(ValueError, match='"auto"'):
        model.predictor(device="auto")
    with pytest.raises(ValueError, match="device"):
        model.predictor(device="tpu")
    with pytest.raises(TypeError, match="device"):
        model.predictor(device=0)
    with pytest.raises(DeviceError, match="gpu:99"):
        model.predictor(device="gpu:99")
    with pytest.raises(ValueError, match="shape"):
        model.predictor(device=gpu)(rows(4, 6))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_opens_its_own(gpu: str) -> None:
    code = """
import os, numpy as np, ironhorn
from ironhorn.layers import Dense
predict = ironhorn.Sequential([ironhorn.Input((3,)), Dense(2)]).predictor(device="gpu")
x = np.ones((5, 3), np.float32)
before = predict(x)
pid = os.fork()
if pid == 0:
    same = np.array_equal(predict(x), before)
    del predict
    os._exit(0 if same else 1)
assert os.waitpid(pid, 0)[1] == 0
assert np.array_equal(predict(x), before)
print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "done\n", done.stderr
