"""Predictors: the bits of ``predict``, from any number of threads, whatever happens to the model meanwhile."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ironhorn.callbacks import LambdaCallback
from ironhorn.layers import (
    BatchNormalization,
    CategoryEncoding,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    LayerNormalization,
    PReLU,
    Rescaling,
    Reshape,
)
from ironhorn.models import Model, Sequential

from .test_threads import in_threads

RNG = np.random.default_rng(6)
X = RNG.normal(size=(150, 12)).astype(np.float32)


def net(*layers, width=12):
    return Sequential([Input((width,)), *(layers or (Dense(20, "relu"), Dropout(0.3), Dense(5, "softmax")))])


def two_by_two():
    a, b = Input((12,), name="a"), Input((3,), name="b")
    joined = Concatenate()([Dense(8, "relu")(a), b])
    return Model({"a": a, "b": b}, {"y": Dense(4)(joined), "z": Dense(1, "sigmoid")(joined)})


@pytest.mark.numeric
@pytest.mark.parametrize(
    "layers",
    [
        (),
        (Dense(33, "tanh"), BatchNormalization(), Dense(17, "gelu"), Dense(3, "log_softmax")),
        (Rescaling(2.0), Dense(16), LayerNormalization(), PReLU(), Dense(2)),
        (Reshape((3, 4)), Dense(6, "relu"), Flatten(), Dense(1)),
    ],
    ids=["chain", "normalized", "general", "reshaped"],
)
def test_the_bits_of_predict_for_any_rows(threads, layers):
    model = net(*layers)
    expected = model.predict(X, verbose=0, batch_size=13)
    predict = model.predictor()
    for count in (1, 2, 3):
        threads(count)
        for rows in (1, 2, 7, 8, 9, 64, 65, 150):
            np.testing.assert_array_equal(predict(X[:rows]), expected[:rows])
            np.testing.assert_array_equal(model.predict(X[:rows], verbose=0), expected[:rows])


def test_what_predict_takes_any_dtype_layout_or_list():
    model = net()
    predict = model.predictor()
    whole = RNG.integers(-3, 3, (9, 12))
    for x in (
        *(whole.astype(dtype) for dtype in ("int8", "int64", "float16", "float64", ">f4", "float32")),
        np.asfortranarray(whole),
        np.repeat(whole, 2, axis=0)[::2],
        whole.astype(np.float32)[:, ::-1],
        whole.tolist(),
        np.frombuffer(b"\0" + whole.astype(np.float32).tobytes(), np.uint8)[1:].view(np.float32).reshape(9, 12),
    ):
        np.testing.assert_array_equal(predict(x), model.predict(x, verbose=0))
    one = net(Dense(2), width=1)
    np.testing.assert_array_equal(one.predictor()(whole[:, 0]), one.predict(whole[:, 0], verbose=0))


def test_structures_of_inputs_and_outputs():
    model = two_by_two()
    predict, x = model.predictor(), {"a": X, "b": X[:, :3]}
    expected, got = model.predict(x, verbose=0), predict(x)
    assert list(got) == list(expected) == ["y", "z"]
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name], value)
    out = [np.empty_like(expected["y"]), np.empty_like(expected["z"])]
    assert predict(x, out=out) is out
    np.testing.assert_array_equal(out[1], expected["z"])
    ids = Sequential([Input((2,), dtype="int32"), Embedding(5, 3), Flatten(), Dense(2)])
    np.testing.assert_array_equal(ids.predictor()([[0, 4], [1, 2]]), ids.predict(np.array([[0, 4], [1, 2]]), verbose=0))
    counts = Sequential([Input((3,), dtype="int32"), CategoryEncoding(4, "count")])
    got, expected = counts.predictor()([[0, 1, 1]]), counts.predict(np.array([[0, 1, 1]]), verbose=0)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_out_receives_the_result():
    predict = net().predictor()
    expected = predict(X)
    out = np.empty((150, 5), np.float32)
    assert predict(X, out=out) is out
    np.testing.assert_array_equal(out, expected)
    wide = np.zeros((150, 10), np.float32)
    predict(X, wide[:, ::2])
    np.testing.assert_array_equal(wide[:, ::2], expected)
    assert not wide[:, 1::2].any()
    shared = np.concatenate([X.reshape(-1), np.zeros(100, np.float32)])  # out lies within x
    inside = shared[100 : 100 + 750].reshape(150, 5)
    predict(shared[:1800].reshape(150, 12), out=inside)
    np.testing.assert_array_equal(inside, expected)
    read_only = np.empty((150, 5), np.float32)
    read_only.flags.writeable = False
    for bad, error, text in (
        (np.empty((150, 4), np.float32), ValueError, r"`out` must have shape \(150, 5\). Received: shape \(150, 4\)"),
        (np.empty((150, 5)), TypeError, "`out` must be a float32 array that can be written. Received: dtype float64"),
        (read_only, TypeError, "read-only"),
        ([out, out], ValueError, r"`out` must have 1 array\(s\)"),
        ("out", TypeError, "Received: str"),
    ):
        with pytest.raises(error, match=text):
            predict(X, out=bad)


@pytest.mark.parametrize("x", [X[0], X[:0], X[:, :3], "x", None, X.astype(complex), [[1.0], [1.0, 2.0]], 3.0])
def test_errors_are_those_of_predict(x):
    model = net()
    with pytest.raises((ValueError, TypeError)) as expected:
        model.predict(x, verbose=0)
    with pytest.raises(expected.type) as got:
        model.predictor()(x)
    assert str(got.value) == str(expected.value)


def test_it_is_a_snapshot():
    model = net()
    model.compile("adam", "mse")
    predict, expected = model.predictor(), model.predict(X, verbose=0)
    model.fit(X, np.zeros((150, 5)), epochs=2, verbose=0)
    assert not np.array_equal(model.predict(X, verbose=0), expected)
    np.testing.assert_array_equal(predict(X), expected)
    np.testing.assert_array_equal(model.predictor()(X), model.predict(X, verbose=0))
    model.pop()
    model.add(Dense(7))
    np.testing.assert_array_equal(predict(X.astype(np.float64)), expected)
    del model
    np.testing.assert_array_equal(predict(X), expected)


def test_eight_threads_ask_while_the_model_trains(threads):
    threads(2)
    model = net(Dense(300, "relu"), Dense(5, "softmax"))
    general = two_by_two()
    model.compile("adam", "mse")
    predictors = [model.predictor(), model.predictor("bf16"), lambda x: general_predict({"a": x, "b": x[:, :3]})["y"]]
    general_predict = general.predictor()
    expected = [predict(X) for predict in predictors]

    def ask():
        for turn in range(60):
            rows = 1 + turn * 5 % 150
            for predict, whole in zip(predictors, expected, strict=True):
                np.testing.assert_array_equal(predict(X[:rows]), whole[:rows])

    in_threads([ask] * 8 + [lambda: model.fit(X, np.zeros((150, 5)), epochs=20, verbose=0)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_asks_the_parents_predictor():
    code = """
    import os, signal
    import numpy as np
    import ironhorn
    from ironhorn.layers import Dense, Input
    from ironhorn.models import Model, Sequential

    ironhorn.config.set_num_threads(2)
    a = Input((64,))
    models = [Sequential([Input((64,)), Dense(300, "relu"), Dense(4)]), Model(a, [Dense(4)(a), Dense(300)(a)])]
    x = np.ones((400, 64), np.float32)
    predictors = [model.predictor() for model in models]
    expected = [predict(x) for predict in predictors]
    for _ in range(5):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            same = [np.array_equal(predict(x)[0], e[0]) for predict, e in zip(predictors, expected)]
            os._exit(0 if all(same) else 1)
        assert os.waitpid(child, 0)[1] == 0
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.numeric
@pytest.mark.parametrize("precision", ["f16", "bf16", "int8"])
def test_narrow_weights_keep_the_bound_of_a_layer(precision):
    model = net(Dense(37))
    kernel, bias = model.get_weights()
    model.set_weights([kernel, RNG.normal(size=bias.shape)])
    kernel, bias = (w.astype(np.float64) for w in model.get_weights())
    predict = model.predictor(precision, calibrate=X if precision == "int8" else None)
    x, t = X.astype(np.float64), np.abs(kernel).max(0) / 127
    s = (max(X.max(), 0) - min(X.min(), 0)) / 255
    whole = np.abs(x) @ np.abs(kernel)
    bound = {
        "f16": 2**-11 * whole + 12 * 3e-8,
        "bf16": (2**-7 + 2**-16) * whole,
        "int8": (np.abs(kernel).sum(0) * s + np.abs(x).sum(1)[:, None] * t + 12 * s * t / 2) / 2,
    }[precision]
    off = np.abs(predict(X) - (x @ kernel + bias))
    assert off.max() > 1e-6
    assert (off <= bound + 1e-5).all()
    for rows in (1, 3, 8, 65):
        np.testing.assert_array_equal(predict(X[:rows]), predict(X)[:rows])
    if precision == "int8":  # beyond the range that was seen
        np.testing.assert_array_equal(predict(X * 1e6), predict(np.clip(X * 1e6, X.min(), X.max())))


def test_precisions_that_are_refused():
    model = net()
    for arguments, error, text in (
        (("f8",), ValueError, r"precision: expected a known name \(did you mean 'f16'\?\)|precision: expected"),
        ((16,), TypeError, "`precision` must be a string. Received: precision=16"),
        (("int8",), ValueError, "calibrate: expected samples like those to come, for int8, received None"),
        (("f16", X), ValueError, "calibrate: expected None but for int8"),
        (("int8", X[:, :3]), ValueError, "expected shape=.*found shape"),
        (("int8", X * np.nan), ValueError, "calibrate: expected finite numbers"),
        (("int8", "x"), TypeError, "`calibrate` must be a NumPy array"),
    ):
        with pytest.raises(error, match=text):
            model.predictor(*arguments)
    with pytest.raises(ValueError, match=r"precision: expected 'f32' for a model that is no chain"):
        net(Dense(4), LayerNormalization()).predictor("bf16")
    with pytest.raises(RuntimeError, match="not built"):
        Sequential([Dense(2)]).predictor()
    large = net(Dense(1))
    large.set_weights([np.full((12, 1), 7e4), np.zeros(1)])
    with pytest.raises(ValueError, match=r"kernel: expected weights within ±65504"):
        large.predictor("f16")


def test_predict_at_once_and_with_callbacks_agree():
    model, seen = net(), []
    expected = model.predict(X, verbose=0)
    watched = LambdaCallback(on_predict_batch_end=lambda batch, logs: seen.append(logs["outputs"]))
    np.testing.assert_array_equal(model.predict(X, verbose=0, callbacks=[watched]), expected)
    assert len(seen) == 5
    np.testing.assert_array_equal(model.predict(X, verbose=0, steps=2, batch_size=10), expected[:20])
    model.stop_predicting = True
    np.testing.assert_array_equal(model.predict(X, verbose=0), expected)
    assert not model.stop_predicting
    weights = model.get_weights()
    model.set_weights([w * 2 for w in weights])
    assert not np.array_equal(model.predict(X, verbose=0), expected)
    model.set_weights(weights)
    np.testing.assert_array_equal(model.predict(X, verbose=0), expected)
