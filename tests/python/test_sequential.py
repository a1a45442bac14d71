"""Sequential: layers, building, weights, sharing, nesting, the summary."""

import numpy as np
import pytest

import ironhorn
from ironhorn.layers import ELU, Activation, Dense, Dropout, Flatten, Input, InputLayer, LeakyReLU, ReLU, Softmax
from ironhorn.models import Sequential


def test_the_input_builds_the_model_layer_by_layer():
    model = Sequential()
    model.add(Input((4, 3)))
    assert not model.built and model.weights == []
    model.add(Flatten())
    assert model.built and model.output_shape == (None, 12)
    model.add(Dense(5))
    assert [tuple(w.shape) for w in model.weights] == [(12, 5), (5,)]
    assert model.input_shape == (None, 4, 3) and model.output_shape == (None, 5)
    assert model.count_params() == 65


def test_the_input_is_hidden_among_the_layers():
    model = Sequential([Input((2,)), Dense(1)])
    assert [type(layer) for layer in model.layers] == [Dense]
    model = Sequential([InputLayer(shape=(2,)), Dense(1)])
    assert len(model.layers) == 1 and model.built
    with pytest.raises(AttributeError):
        model.layers = []


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Flatten(input_shape=(28, 28)), (None, 28, 28)),
        (lambda: Dense(3, input_shape=(7,)), (None, 7)),
        (lambda: Dense(3, input_dim=7), (None, 7)),
    ],
)
def test_the_first_layer_may_bring_the_input_shape(make, shape):
    with pytest.warns(UserWarning, match="Do not pass an `input_shape`"):
        layer = make()
    model = Sequential([layer, Dense(2)])
    assert model.built and model.input_shape == shape


def test_without_a_shape_the_model_builds_at_the_first_data():
    model = Sequential([Dense(4), Dense(1)])
    assert not model.built and model.weights == []
    with pytest.raises(AttributeError, match="no defined output shape"):
        _ = model.output_shape
    with pytest.raises(ValueError, match="isn't built"):
        model.count_params()
    assert model.predict(np.zeros((2, 3)), verbose=0).shape == (2, 1)
    assert model.input_shape == (None, 3) and len(model.weights) == 4


def test_build_takes_a_shape_once():
    model = Sequential([Dense(4)])
    model.build((None, 3))
    assert tuple(model.weights[0].shape) == (3, 4)
    model.build((None, 3))
    with pytest.raises(ValueError, match=r"input shape \(None, 3\)"):
        model.build((None, 5))
    assert tuple(model.weights[0].shape) == (3, 4)


def test_pop_gives_the_last_layer_back():
    model = Sequential([Input((3,)), Dense(4), Dense(2)])
    last = model.layers[-1]
    assert model.pop() is last
    assert model.output_shape == (None, 4) and len(model.layers) == 1
    model.pop()
    with pytest.raises(IndexError):
        model.pop()


def test_add_after_training_keeps_the_weights(blobs, classifier):
    x, y = blobs
    model = classifier()
    model.fit(x, y, verbose=0)
    before = model.layers[0].get_weights()
    model.add(Softmax())
    np.testing.assert_array_equal(before[0], model.layers[0].get_weights()[0])
    model.fit(x, y, verbose=0)
    assert np.abs(before[0] - model.layers[0].get_weights()[0]).max() > 0


def test_names_count_as_in_keras():
    model = Sequential([Input((2,)), Dense(2), Dense(2), LeakyReLU(), ReLU(), ELU(), Dropout(0.1), Activation("tanh")])
    assert [layer.name for layer in model.layers] == [
        "dense", "dense_1", "leaky_re_lu", "re_lu", "elu", "dropout", "activation",
    ]  # fmt: skip
    assert model.name == "sequential" and Sequential().name == "sequential_1"
    assert Sequential(name="mine").name == "mine" and Dense(1, name="head").name == "head"


def test_get_layer():
    model = Sequential([Input((2,)), Dense(2, name="a"), Dense(1, name="b")])
    assert model.get_layer("b") is model.layers[1] and model.get_layer(index=0) is model.layers[0]
    for arguments, text in [
        ({"name": "c"}, "No such layer: c"),
        ({"index": 2}, "only has 2 layers"),
        ({}, "either a layer name or layer index"),
        ({"name": "a", "index": 0}, "only a layer name or a layer index"),
    ]:
        with pytest.raises(ValueError, match=text):
            model.get_layer(**arguments)


def test_weights_round_trip_and_a_wrong_list_changes_nothing():
    model = Sequential([Input((3,)), Dense(2), Dense(1)])
    weights = [np.arange(w.size, dtype=np.float32).reshape(w.shape) + i for i, w in enumerate(model.get_weights())]
    model.set_weights(weights)
    for got, expected in zip(model.get_weights(), weights, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, expected)
    bad = [w + 1 for w in weights[:-1]] + [np.zeros(2)]
    with pytest.raises(ValueError, match=r"\(1,\).*\(2,\)"):
        model.set_weights(bad)
    with pytest.raises(ValueError, match=r"length 1.*4 weights"):
        model.set_weights(weights[:1])
    with pytest.raises(TypeError, match="numbers"):
        model.set_weights([*weights[:-1], np.array(["a"])])
    for got, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_weights_given_as_lists_and_doubles():
    model = Sequential([Input((2,)), Dense(1)])
    model.set_weights([[[1], [2]], np.array([0.5])])
    np.testing.assert_allclose(model(np.array([[3, 4]])), [[11.5]])


def test_get_weights_gives_copies():
    model = Sequential([Input((2,)), Dense(1)])
    model.get_weights()[0][:] = 9
    assert not (model.get_weights()[0] == 9).any()


def test_kernel_and_bias_of_a_dense_layer():
    layer = Dense(2)
    with pytest.raises(AttributeError, match="not built"):
        _ = layer.kernel
    layer.build((None, 3))
    assert tuple(layer.kernel.shape) == (3, 2) and tuple(layer.bias.shape) == (2,)
    assert Dense(2, use_bias=False).bias is None


def test_a_layer_can_be_called_on_an_array():
    x = np.array([[-1.0, 2.0], [3.0, -4.0]], np.float32)
    np.testing.assert_array_equal(ReLU()(x), np.maximum(x, 0))
    np.testing.assert_array_equal(Dropout(0.5)(x), x)
    assert Flatten()(np.zeros((2, 3, 4))).shape == (2, 12)
    layer = Dense(2, kernel_initializer="ones")
    np.testing.assert_allclose(layer(x), [[1, 1], [-1, -1]], atol=1e-6)
    assert layer.built
    with pytest.raises(ValueError):
        layer(np.zeros((2, 3)))


def test_calling_a_model_is_prediction():
    model = Sequential([Dense(3), Dropout(0.9), Dense(2)])
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(model(x), model.predict(x, verbose=0), atol=1e-6)
    np.testing.assert_array_equal(model(x, training=False), model(x))
    assert (model(x, training=True) != model(x)).any()


def test_one_encoder_in_two_models_trains_the_same_weights():
    encoder = Sequential([Input((4,)), Dense(3, activation="tanh")], name="encoder")
    one, two = Sequential([encoder, Dense(1)]), Sequential([encoder, Dense(2)])
    assert one.built and one.input_shape == (None, 4)
    x = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    for model, y in [(one, x[:, :1]), (two, x[:, :2]), (one, x[:, :1])]:
        model.compile("adam", "mse")
        before = encoder.get_weights()[0]
        model.fit(x, y, verbose=0)
        assert np.abs(encoder.get_weights()[0] - before).max() > 0
        for other in (one, two):
            np.testing.assert_array_equal(other.layers[0].get_weights()[0], encoder.get_weights()[0])
    np.testing.assert_allclose(one.layers[1](encoder(x)), one(x), atol=1e-6)


def test_a_model_inside_of_an_unbuilt_model_is_built_with_it():
    inner = Sequential([Dense(3), ReLU()])
    outer = Sequential([Dense(5), inner, Dense(1)])
    outer.build((None, 2))
    assert inner.built and inner.input_shape == (None, 5) and len(outer.weights) == 6


def test_a_layer_used_twice_has_one_set_of_weights():
    shared = Dense(4)
    model = Sequential([Input((4,)), shared, ReLU(), shared])
    assert len(model.weights) == 2 and model.count_params() == 20
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 4)), np.zeros((4, 4)), verbose=0)


def test_what_is_no_layer_is_refused_and_nothing_changes():
    model = Sequential([Input((4,)), Dense(2, name="a")])
    for bad, error in [
        (3, ValueError),
        (Dense, ValueError),
        (Dense(1, name="a"), ValueError),
        (Input((3,)), ValueError),
    ]:
        with pytest.raises(error):
            model.add(bad)
    with pytest.raises(ValueError):
        model.add(model)
    assert len(model.layers) == 1 and model.built and model.output_shape == (None, 2)


def test_a_layer_that_does_not_fit_is_refused_and_nothing_changes():
    wide = Dense(2)
    wide.build((None, 9))
    model = Sequential([Input((4,)), Dense(3)])
    with pytest.raises(ValueError):
        model.add(wide)
    assert len(model.layers) == 1 and model.built and model.predict(np.zeros((1, 4)), verbose=0).shape == (1, 3)


def test_an_empty_model_says_so():
    with pytest.raises(ValueError, match="no layers"):
        Sequential().predict(np.zeros((2, 2)), verbose=0)
    with pytest.raises(ValueError, match="no layers"):
        Sequential().build((None, 2))


def test_layers_that_are_not_trainable_keep_their_weights():
    frozen, free = Dense(2, trainable=False), Dense(1)
    model = Sequential([Input((3,)), frozen, free])
    assert len(model.trainable_weights) == 2 and len(model.non_trainable_weights) == 2
    assert frozen.get_config()["trainable"] is False

    def changed():
        model.compile("sgd", "mse")
        before = frozen.get_weights()[0], free.get_weights()[0]
        model.fit(np.ones((4, 3)), np.ones(4), verbose=0)
        return [bool((a != b.get_weights()[0]).any()) for a, b in zip(before, (frozen, free), strict=True)]

    assert changed() == [False, True]
    frozen.trainable = True
    assert changed() == [True, True] and len(model.trainable_weights) == 4
    model.trainable = False
    assert model.trainable_weights == [] and not free.trainable
    assert changed() == [False, False]
    with pytest.raises(ValueError, match="`trainable` to be a boolean"):
        Dense(2, trainable="yes")


def test_subclassed_models_are_refused_clearly():
    class Own(ironhorn.Model):
        pass

    for make in (Own, ironhorn.Model):
        with pytest.raises(NotImplementedError, match="subclassed models"):
            make()


SUMMARY = """\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ flatten (Flatten)               │ (None, 784)            │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense (Dense)                   │ (None, 128)            │       100,480 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dropout (Dropout)               │ (None, 128)            │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense_1 (Dense)                 │ (None, 10)             │         1,290 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: {total}
 Trainable params: 101,770 (397.54 KB)
 Non-trainable params: 0 (0.00 B)
"""


def text(model, **kwargs):
    lines = []
    model.summary(print_fn=lines.append, **kwargs)
    return "".join(lines)


def test_the_summary_is_keras_s(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    model = Sequential(
        [Input((28, 28)), Flatten(), Dense(128, activation="relu"), Dropout(0.2), Dense(10, activation="softmax")]
    )
    assert text(model) == SUMMARY.format(total="101,770 (397.54 KB)")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.zeros((2, 28, 28)), np.zeros(2), verbose=0)
    expected = SUMMARY.format(total="305,312 (1.16 MB)") + " Optimizer params: 203,542 (795.09 KB)\n"
    assert text(model) == expected


def test_a_narrow_summary_wraps_as_rich_does():
    model = Sequential([Input((28, 28)), Flatten(), LeakyReLU(), Dense(10)])
    shown = text(model, line_length=60, show_trainable=True)
    assert "│ leaky_re_lu           │ (None, 784)      │       0 │  -  │\n│ (LeakyReLU)           │" in shown
    assert "┃ Layer (type)          ┃ Output Shape     ┃ Param # ┃ Tr… ┃" in shown
    assert "│ dense (Dense)         │ (None, 10)       │   7,850 │  Y  │" in shown
    with pytest.raises(ValueError, match="Insufficient console width"):
        text(model, line_length=12)


def test_the_summary_of_unbuilt_and_nested_models(capsys):
    assert "│ dense (Dense)" in text(Sequential([Dense(2)])) and "0 (unbuilt)" in text(Sequential([Dense(2)]))
    encoder = Sequential([Input((4,)), Dense(2, name="inner")], name="enc")
    model = Sequential([encoder, Dense(1, name="head")])
    assert "inner" not in text(model) and "│ enc (Sequential)" in text(model)
    assert "│    └ inner (Dense)" in text(model, expand_nested=True)
    assert "head" not in text(model, layer_range=["enc", "enc"])
    with pytest.raises(ValueError, match="do not match"):
        text(model, layer_range=["a", "b"])
    model.summary()
    assert "Total params: 13 (52.00 B)" in capsys.readouterr().out
