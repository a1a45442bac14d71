"""A dozen graphs, trained in Keras and here from the same weights on the same batches; their configurations and logs."""

import json

import numpy as np
import pytest

import ironhorn

RNG = np.random.default_rng(0)
N = 40
X = RNG.normal(size=(N, 6)).astype(np.float32)
Z = RNG.normal(size=(N, 3)).astype(np.float32)
USERS, ITEMS = RNG.integers(0, 7, size=(N, 1)), RNG.integers(0, 9, size=(N, 1))
CUBE = RNG.normal(size=(N, 3, 4)).astype(np.float32)
Y = (np.tanh(X[:, :1]) + 0.5 * X[:, 1:2] ** 2).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.5)
W = RNG.uniform(0.5, 2.0, size=N).astype(np.float32)


def skip(k):
    x = k.Input((6,), name="x")
    h = k.layers.Dense(6, "tanh", name="a")(x)
    h = k.layers.Add(name="sum")([x, k.layers.Dense(6, name="b")(h)])
    return k.Model(x, k.layers.Dense(1, name="out")(h)), X, Y


def wide_and_deep(k):
    x, z = k.Input((6,), name="deep"), k.Input((3,), name="wide")
    h = k.layers.Dense(8, "relu", name="h1")(x)
    h = k.layers.Dense(4, "relu", name="h2")(h)
    return k.Model([x, z], k.layers.Dense(1, name="out")(k.layers.Concatenate(name="both")([h, z]))), [X, Z], Y


def recommender(k):
    u, i = k.Input((1,), name="user", dtype="int32"), k.Input((1,), name="item", dtype="int32")
    flat = k.layers.Flatten(name="fu")(k.layers.Embedding(7, 4, name="users")(u))
    other = k.layers.Flatten(name="fi")(k.layers.Embedding(9, 4, name="items")(i))
    score = k.layers.Dot(1, name="score")([flat, other])
    return k.Model([u, i], k.layers.Dense(1, name="out")(score)), {"user": USERS, "item": ITEMS}, Y


def shared(k):
    x = k.Input((6,), name="x")
    layer = k.layers.Dense(6, "tanh", name="shared")
    return k.Model(x, k.layers.Dense(1, name="out")(layer(layer(x)))), X, Y


def siamese(k):
    a, b = k.Input((6,), name="left"), k.Input((6,), name="right")
    tower = k.Sequential([k.Input((6,), name="in"), k.layers.Dense(5, "relu", name="t1")], name="tower")
    far = k.layers.Subtract(name="minus")([tower(a), tower(b)])
    near = k.layers.Dot(-1, normalize=True, name="cosine")([tower(a), tower(b)])
    both = k.layers.Concatenate(name="both")([far, near])
    return k.Model([a, b], k.layers.Dense(1, "sigmoid", name="out")(both)), [X, X[::-1].copy()], (Y > 0.5) * 1.0


def autoencoder(k):
    encoder = k.Sequential([k.Input((6,), name="i"), k.layers.Dense(2, "tanh", name="code")], name="encoder")
    x = k.Input((6,), name="x")
    code = encoder(x)
    restored = k.layers.Dense(6, name="restored")(code)
    again = encoder(restored)
    return k.Model(x, k.layers.Concatenate(name="out")([restored, again])), X, np.concatenate([X, X[:, :2]], 1)


def nested(k):
    inner = k.Sequential([k.layers.Dense(5, "relu", name="n1"), k.layers.Dense(4, "tanh", name="n2")], name="inner")
    z = k.Input((4,), name="z")
    functional = k.Model(z, k.layers.Average(name="mean")([z, k.layers.Dense(4, name="f")(z)]), name="functional")
    return k.Sequential([k.Input((6,), name="x"), inner, functional, k.layers.Dense(1, name="out")]), X, Y


def batch_norm(k):
    x = k.Input((6,), name="x")
    h = k.layers.BatchNormalization(momentum=0.8, name="norm")(k.layers.Dense(5, use_bias=False, name="h")(x))
    return k.Model(x, k.layers.Dense(1, name="out")(k.layers.ReLU(name="relu")(h))), X, Y


def residual(k):
    x = k.Input((6,), name="x")
    h = x
    for i in range(2):
        inside = k.layers.LayerNormalization(name=f"norm{i}")(h)
        inside = k.layers.Dense(6, name=f"down{i}")(k.layers.Dense(9, "gelu", name=f"up{i}")(inside))
        h = k.layers.Add(name=f"add{i}")([h, inside])
    return k.Model(x, k.layers.Dense(1, name="out")(k.layers.RMSNormalization(name="rms")(h))), X, Y


def axes(k):
    x = k.Input((3, 4), name="x")
    turned = k.layers.Permute((2, 1), name="turned")(k.layers.Dense(3, "tanh", name="h")(x))
    rows = k.layers.Reshape((4, 3), name="rows")(x)
    joined = k.layers.Concatenate(axis=1, name="joined")([turned, rows])
    largest = k.layers.Maximum(name="largest")(
        [joined, k.layers.RepeatVector(7, name="again")(k.layers.Dense(3, name="r")(k.layers.Flatten(name="f1")(x)))]
    )
    return k.Model(x, k.layers.Dense(1, name="out")(k.layers.Flatten(name="f2")(largest))), CUBE, Y


def prelu(k):
    x = k.Input((6,), name="x")
    h = k.layers.PReLU("random_uniform", alpha_regularizer="l2", name="p")(k.layers.Dense(5, name="h")(x))
    return k.Model(x, k.layers.Dense(1, name="out")(k.layers.UnitNormalization(name="u")(h))), X, Y


def regularized(k):
    x = k.Input((6,), name="x")
    h = k.layers.Dense(
        8,
        "tanh",
        kernel_regularizer=k.regularizers.L1L2(0.01, 0.02),
        bias_regularizer="l2",
        kernel_constraint=k.constraints.MaxNorm(0.8),
        bias_constraint="non_neg",
        activity_regularizer=k.regularizers.L2(0.03),
        name="h",
    )(x)
    h = k.layers.ActivityRegularization(0.01, 0.02, name="activity")(h)
    h = k.layers.Multiply(name="gate")([h, k.layers.Dense(8, "sigmoid", kernel_constraint="unit_norm", name="g")(x)])
    return k.Model(x, k.layers.Dense(1, name="out")(h)), X, Y


def two_outputs(k):
    x = k.Input((6,), name="x")
    h = k.layers.Dense(6, "tanh", name="h")(x)
    value = k.layers.Dense(1, name="value")(h)
    return k.Model(x, [value, k.layers.Dense(3, "softmax", name="kind")(h)]), X, [Y, LABELS]


GRAPHS = [
    skip, wide_and_deep, recommender, shared, siamese, autoencoder, nested, batch_norm, residual, axes, prelu,
    regularized,
]  # fmt: skip


def pair(keras, make):
    keras.utils.clear_session()
    (theirs, x, y), (ours, _, _) = make(keras), make(ironhorn)
    generator = np.random.default_rng(1)
    weights = [w if w.ndim > 1 else w + generator.uniform(0.1, 0.3, w.shape) for w in ours.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    return theirs, ours, x, y


def close(expected, got, rtol):
    assert list(got) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=rtol, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("make", GRAPHS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_three_epochs(keras, same_weights, make, optimizer):
    theirs, ours, x, y = pair(keras, make)
    histories = []
    for package, model in ((keras, theirs), (ironhorn, ours)):
        rule = package.optimizers.SGD(0.05) if optimizer == "sgd" else package.optimizers.Adam(0.01)
        model.compile(rule, "mse", metrics=["mae"], weighted_metrics=["mae"])
        history = model.fit(x, y, 16, 3, shuffle=False, sample_weight=W, validation_data=(x, y), verbose=0).history
        histories.append({name: history[name] for name in sorted(history)})
    close(*histories, rtol=2e-4)
    same_weights(theirs.get_weights(), ours.get_weights())
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-3, atol=1e-4)


COMPILED = {
    "lists": {"loss": ["mse", "sparse_categorical_crossentropy"], "loss_weights": [1.0, 0.3], "metrics": [["mae"], ["accuracy"]]},
    "dicts": {
        "loss": {"kind": "sparse_categorical_crossentropy", "value": "mae"},
        "loss_weights": {"kind": 2.0, "value": 0.5},
        "metrics": {"kind": ["accuracy", "sparse_categorical_accuracy"]},
        "weighted_metrics": {"kind": ["accuracy"], "value": "mse"},
    },
    "one_loss": {"loss": [None, "sparse_categorical_crossentropy"], "metrics": {"value": ["mae"]}},
    "names_twice": {"loss": ["mse", "crossentropy"], "metrics": [["mae", "mae"], None], "weighted_metrics": [["mae"], ["acc"]]},
}  # fmt: skip


@pytest.mark.parametrize("name", COMPILED)
def test_several_outputs(keras, same_weights, name):
    theirs, ours, x, y = pair(keras, two_outputs)
    targets = {"kind": LABELS, "value": Y} if name == "dicts" else y
    logs, values = [], []
    for model in (theirs, ours):
        model.compile("sgd", **COMPILED[name])
        history = model.fit(x, targets, 16, 3, shuffle=False, verbose=0).history
        tested = model.evaluate(x, y, 16, verbose=0, return_dict=True)
        logs.append(dict(sorted(history.items())) | {f"tested_{key}": value for key, value in tested.items()})
        values.append(model.evaluate(x, y, 16, verbose=0))
    close(*logs, rtol=2e-4)
    np.testing.assert_allclose(values[1], values[0], rtol=2e-4)
    same_weights(theirs.get_weights(), ours.get_weights())
    for a, b in zip(theirs.predict(x, verbose=0), ours.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)


def test_weights_of_samples_by_output(keras, same_weights):
    theirs, ours, x, y = pair(keras, two_outputs)
    logs = []
    for model in (theirs, ours):
        model.compile("sgd", ["mse", "sparse_categorical_crossentropy"], weighted_metrics=[["mae"], ["accuracy"]])
        weights = [W, W[::-1].copy()]
        model.fit(x, y, 16, 2, shuffle=False, sample_weight=weights, verbose=0)
        logs.append(model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True))
    close(*logs, rtol=2e-4)
    same_weights(theirs.get_weights(), ours.get_weights())


def through_json(config):
    return json.loads(json.dumps(config))


def text_of(model, **kwargs):
    parts = []
    model.summary(print_fn=lambda text, **_: parts.append(text), **kwargs)
    return "\n".join(parts)


@pytest.mark.parametrize("make", [*GRAPHS, two_outputs])
def test_configurations_are_read_by_the_other(keras, make):
    theirs, ours, _, _ = pair(keras, make)
    config = through_json(keras.saving.serialize_keras_object(theirs))
    assert through_json(ironhorn.layers.serialize(ours)) == config
    back = keras.saving.deserialize_keras_object(through_json(ironhorn.layers.serialize(ours)))
    assert through_json(keras.saving.serialize_keras_object(back)) == config
    again = ironhorn.layers.deserialize(config)
    assert through_json(ironhorn.layers.serialize(again)) == config
    assert [w.shape for w in again.get_weights()] == [w.shape for w in theirs.get_weights()]
    for package, model in ((keras, theirs), (ironhorn, ours)):
        clone = package.models.clone_model(model)
        assert through_json(clone.get_config()) == through_json(model.get_config())


@pytest.mark.parametrize("make", [*GRAPHS, two_outputs])
@pytest.mark.parametrize("kwargs", [{}, {"show_trainable": True, "expand_nested": True}, {"line_length": 70}])
def test_summaries(keras, monkeypatch, make, kwargs):
    monkeypatch.setenv("COLUMNS", "120")
    theirs, ours, _, _ = pair(keras, make)
    assert text_of(ours, **kwargs) == text_of(theirs, **kwargs)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert ours.input_shape == theirs.input_shape and ours.output_shape == theirs.output_shape


@pytest.mark.parametrize("inside", ["add0", "norm1"])
def test_parts_of_a_graph(keras, inside):
    theirs, ours, x, _ = pair(keras, residual)
    fronts = [
        package.Model(model.inputs, [model.get_layer(inside).output, model.get_layer("up0").output])
        for package, model in ((keras, theirs), (ironhorn, ours))
    ]
    for a, b in zip(*(front.predict(x, verbose=0) for front in fronts), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    back = [
        package.Model(model.get_layer("add1").output, model.output)
        for package, model in ((keras, theirs), (ironhorn, ours))
    ]
    np.testing.assert_allclose(back[1](X), back[0].predict(X, verbose=0), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="not connected"):
        ironhorn.Model(ours.get_layer("up1").output, ours.output)


def test_sums_that_keras_writes_as_operations(keras):
    x = keras.Input((3,), name="x")
    h = keras.layers.Dense(3, name="h")(x)
    theirs = keras.Model(x, (x + h) * h - x)
    ours = ironhorn.layers.deserialize(through_json(keras.saving.serialize_keras_object(theirs)))
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(Z), theirs.predict(Z, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [skip, recommender, two_outputs, prelu])
def test_gradients(keras, make):
    """One step of SGD at rate 1 moves the weights by the gradient."""
    theirs, ours, x, y = pair(keras, make)
    loss = ["mse", "sparse_categorical_crossentropy"] if make is two_outputs else "mse"
    for package, model in ((keras, theirs), (ironhorn, ours)):
        model.compile(package.optimizers.SGD(1.0), loss)
    before = theirs.get_weights()
    g = ours.gradients(x, y)
    expected = theirs.train_on_batch(x, y, return_dict=True)
    assert g.loss == pytest.approx(float(expected["loss"]), rel=1e-4)
    for old, new, gradient in zip(before, theirs.get_weights(), g.variables, strict=True):
        np.testing.assert_allclose(gradient, old - new, rtol=1e-3, atol=1e-5)
