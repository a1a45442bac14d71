"""Configurations and summaries: the texts that Keras writes and reads."""

import json

import numpy as np
import pytest

import ironhorn


def plain(k):
    return k.Sequential([k.Input((3, 4), name="in"), k.layers.Flatten(name="f"), k.layers.Dense(2, name="d")], name="m")


def every_layer(k):
    he, normal = k.initializers.HeNormal(seed=3), k.initializers.RandomNormal(stddev=0.02)
    return k.Sequential(
        [
            k.Input((6,), name="in"),
            k.layers.Dense(1000, activation="relu", kernel_initializer=he, bias_initializer=normal, name="wide"),
            k.layers.Dropout(0.2, seed=4, name="a_layer_whose_name_is_far_too_long_for_its_column_of_the_table"),
            k.layers.Dense(4, use_bias=False, kernel_initializer="orthogonal", trainable=False, name="fixed"),
            k.layers.LeakyReLU(0.1, name="leaky"),
            k.layers.ELU(0.5, name="elu"),
            k.layers.ReLU(max_value=3, name="relu"),
            k.layers.Activation("gelu", name="act"),
            k.layers.Softmax(name="softmax"),
        ],
        name="every",
    )


def nested(k):
    inner = k.Sequential([k.Input((5,), name="in2"), k.layers.Dense(4, name="inner_d")], name="encoder")
    return k.Sequential([k.Input((5,), name="in"), inner, k.layers.Dense(1, name="head")], name="outer")


def unbuilt(k):
    return k.Sequential([k.layers.Dense(4, name="d"), k.layers.Flatten(name="f")], name="u")


MODELS = [plain, every_layer, nested, unbuilt]


def text_of(model, **kwargs):
    parts = []
    model.summary(print_fn=lambda text, **_: parts.append(text), **kwargs)
    return "\n".join(parts)


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize(
    "kwargs",
    [{}, {"line_length": 60}, {"show_trainable": True}, {"expand_nested": True}, {"positions": [0.3, 0.8, 1.0]}],
)
def test_summaries(keras, make, kwargs):
    assert text_of(make(ironhorn), **kwargs) == text_of(make(keras), **kwargs)


def test_the_summary_after_training_counts_the_optimizer(keras):
    texts = []
    for package in (keras, ironhorn):
        model = plain(package)
        model.compile("adam", "mse")
        texts.append(text_of(model))
        model.fit(np.zeros((2, 3, 4)), np.zeros((2, 2)), verbose=0)
        texts.append(text_of(model))
    assert texts[2:] == texts[:2]


def through_json(config):
    return json.loads(json.dumps(config))


@pytest.mark.parametrize("make", MODELS)
def test_models(keras, make):
    theirs, ours = make(keras), make(ironhorn)
    config = through_json(theirs.get_config())
    assert through_json(ours.get_config()) == config
    again = ironhorn.Sequential.from_config(config)
    assert through_json(again.get_config()) == config
    back = keras.Sequential.from_config(through_json(ours.get_config()))
    assert through_json(back.get_config()) == config
    assert [w.shape for w in again.get_weights()] == [w.shape for w in back.get_weights()]


OBJECTS = [
    ("optimizers", lambda k: k.optimizers.SGD(0.25, 0.5, True, clipnorm=1.0, name="sgd")),
    ("optimizers", lambda k: k.optimizers.Adam(0.125, 0.8, amsgrad=True, weight_decay=0.01, name="adam")),
    ("losses", lambda k: k.losses.MeanSquaredError(reduction="sum")),
    ("losses", lambda k: k.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)),
    ("losses", lambda k: k.losses.CategoricalCrossentropy(label_smoothing=0.1, name="own")),
    ("losses", lambda k: k.losses.SparseCategoricalCrossentropy(ignore_class=2)),
    ("initializers", lambda k: k.initializers.VarianceScaling(2.0, "fan_out", "uniform", seed=5)),
    ("initializers", lambda k: k.initializers.GlorotUniform(seed=1)),
    ("initializers", lambda k: k.initializers.Constant(0.5)),
    ("initializers", lambda k: k.initializers.Orthogonal(2.0, seed=1)),
    ("initializers", lambda k: k.initializers.TruncatedNormal(0.5, 0.1, seed=1)),
    ("metrics", lambda k: k.metrics.BinaryAccuracy(threshold=0.25)),
    ("metrics", lambda k: k.metrics.CategoricalCrossentropy(from_logits=True, label_smoothing=0.5)),
]


@pytest.mark.parametrize(("module", "make"), OBJECTS)
def test_objects(keras, module, make):
    theirs = through_json(getattr(keras, module).serialize(make(keras)))
    ours = through_json(getattr(ironhorn, module).serialize(make(ironhorn)))
    assert ours == theirs
    for package, form in ((ironhorn, theirs), (keras, ours)):
        again = getattr(package, module).deserialize(form)
        assert through_json(getattr(package, module).serialize(again)) == theirs


def test_what_compile_was_given(keras):
    def configured(k):
        model = plain(k)
        loss = k.losses.CategoricalCrossentropy(from_logits=True)
        model.compile(
            k.optimizers.Adam(0.25, name="adam"), loss, metrics=["accuracy", k.metrics.MeanSquaredError("own")]
        )
        return model

    theirs, ours = configured(keras), configured(ironhorn)
    config = through_json(theirs.get_compile_config())
    assert through_json(ours.get_compile_config()) | {"jit_compile": None} == config | {"jit_compile": None}
    for package, form in ((ironhorn, config), (keras, through_json(ours.get_compile_config()))):
        model = plain(package)
        model.compile_from_config(form)
        assert model.optimizer.get_config()["learning_rate"] == 0.25
    assert ironhorn.Sequential.from_config(through_json(json.loads(theirs.to_json())["config"])).built
