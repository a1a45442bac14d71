"""The text of ``summary()`` against Keras's own, for nets of every shape, options and widths of the terminal."""

import contextlib
import io

import numpy as np
import pytest

import ironhorn


def _sequential(k):
    layers = [k.layers.Dense(128, activation="relu", name="d"), k.layers.Dropout(0.2, name="drop")]
    return k.Sequential([k.Input((784,)), *layers, k.layers.Dense(10, name="out")], name="plain")


def _unbuilt(k):
    return k.Sequential(
        [k.layers.Dense(8, name="a"), k.layers.Dropout(0.1, name="b"), k.layers.Dense(2, name="c")], name="unbuilt"
    )


def _empty(k):
    return k.Sequential(name="empty")


def _frozen(k):
    layers = [k.layers.Flatten(name="f"), k.layers.BatchNormalization(name="bn"), k.layers.Dense(10, name="d" * 70)]
    model = k.Sequential([k.Input((28, 28)), *layers], name="frozen")
    model.layers[1].trainable = False
    return model


def _chain(k):
    x = k.Input((4,), name="in")
    return k.Model(x, k.layers.Dense(5, name="b")(k.layers.Dense(3, name="a")(x)), name="chain")


def _shared(k):
    a, b, both = k.Input((4,), name="in"), k.Input((4,), name="other_input"), k.layers.Dense(3, name="shared")
    left, right = both(a), both(b)
    joined = k.layers.Dense(1, name="o")(k.layers.Concatenate(name="cat")([left, right]))
    return k.Model([a, b], [joined, left], name="two_towers")


def _inner(k):
    x = k.Input((3,), name="i2")
    return k.Model(x, k.layers.Dense(2, name="q")(k.layers.Dense(7, name="p")(x)), name="inner")


def _nested(k):
    x = k.Input((3,), name="in")
    return k.Model(x, k.layers.Add(name="add")([k.layers.Dense(2, name="z")(x), _inner(k)(x)]), name="nested")


def _deep(k):
    last = k.Sequential([k.layers.Dense(3, name="dd"), k.layers.ReLU(name="rl")], name="innerseq")
    return k.Sequential([k.Input((3,)), _nested(k), last], name="deep")


def _trained(k, optimizer="adam"):
    model = k.Sequential(
        [k.Input((6,)), k.layers.Dense(3, name="d"), k.layers.LayerNormalization(name="ln")], name="tr"
    )
    model.compile(optimizer, "mse")
    model.fit(np.zeros((4, 6)), np.zeros((4, 3)), verbose=0)
    return model


def _momentum(k):
    return _trained(k, k.optimizers.SGD(momentum=0.9))


def _compiled(k):
    model = _chain(k)
    model.compile("rmsprop", "mse")
    return model


def _embedding(k):
    x = k.Input((7,), name="ids", dtype="int32")
    flat = k.layers.Flatten(name="flat")(k.layers.Embedding(100, 8, name="table")(x))
    model = k.Model(x, {"u": k.layers.Dense(1, name="u")(flat), "v": k.layers.Dense(2, name="v")(flat)}, name="dict")
    model.trainable = False
    return model


def _large(k):
    x = y = k.Input((300,), name="in")
    for number in range(12):
        y = k.layers.Dense(1000, name=f"a_layer_with_a_long_name_{number}")(y)
    return k.Model(x, y, name="big [model]")


def _twice(k):
    x, layer = k.Input((4,), name="in"), k.layers.Dense(4, name="again")
    return k.Model(x, layer(layer(x)), name="twice")


MODELS = [
    _sequential, _unbuilt, _empty, _frozen, _chain, _shared, _inner, _nested, _deep, _trained, _momentum, _compiled,
    _embedding, _large, _twice,
]  # fmt: skip
OPTIONS = [
    {},
    {"expand_nested": True},
    {"show_trainable": True},
    {"expand_nested": True, "show_trainable": True},
    {"line_length": 60},
    {"line_length": 100, "show_trainable": True, "expand_nested": True},
    {"line_length": 41},
    {"line_length": 200},
    {"positions": [0.2, 0.5, 0.8, 1.0]},
    {"positions": [0.3, 0.6, 0.7, 1.0], "line_length": 70},
    {"layer_range": ["a", "d"]},
    {"layer_range": ["d", "a"]},
    {"layer_range": ["a"]},
    {"layer_range": ["a", 3]},
    {"layer_range": ["nope", "a"]},
]


def to_function(model, options):
    texts = []
    model.summary(print_fn=lambda text, **_: texts.append(text), **options)
    return texts


def to_stdout(model, options):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        model.summary(**options)
    return out.getvalue()


def outcome(show, model, options):
    try:
        return show(model, options)
    except ValueError as error:
        return f"ValueError: {error}"


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("columns", [None, 19, 30, 40, 80, 100, 130])
def test_the_text_is_keras_s(keras, make, columns, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
    theirs, ours = make(keras), make(ironhorn)
    for options in OPTIONS:
        for show in (to_function, to_stdout):
            assert outcome(show, ours, options) == outcome(show, theirs, options), options


def test_semantics_18_the_total_counts_the_optimizer_s_variables(keras):
    """Adam keeps two numbers a weight, a step counter and a rate."""
    ours, theirs = (to_stdout(_trained(package), {}) for package in (ironhorn, keras))
    assert ours == theirs
    weights = 6 * 3 + 3 + 2 * 3
    assert f"Total params: {3 * weights + 2} " in ours and f"Optimizer params: {2 * weights + 2} " in ours
    assert f" Trainable params: {weights} " in ours
