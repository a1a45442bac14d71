"""Configurations there and back; names, modules, import time of the package."""

import functools
import json
import subprocess
import sys

import numpy as np
import pytest

import ironhorn
from ironhorn import activations, constraints, initializers, layers, losses, metrics, optimizers, regularizers
from ironhorn.layers import ELU, Activation, Dense, Dropout, Flatten, Input, LeakyReLU, ReLU, Softmax
from ironhorn.models import Sequential, model_from_json

LAYERS = [
    Dense(3),
    Dense(4, activation="tanh", use_bias=False, kernel_initializer="he_normal", name="d", trainable=False),
    Dense(2, activation=functools.partial(activations.leaky_relu, negative_slope=0.5)),
    Dense(2, activation=LeakyReLU(0.4)),
    Dense(2, bias_initializer=initializers.Constant(0.25)),
    Dropout(0.25, seed=3),
    Flatten(),
    Activation(activations.gelu),
    ReLU(max_value=6.0, negative_slope=0.1, threshold=0.5),
    LeakyReLU(0.1),
    ELU(0.5),
    Softmax(),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_layers_there_and_back(layer):
    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    form = layers.serialize(layer)
    assert form["class_name"] == type(layer).__name__ and form["module"] == "keras.layers"
    assert layers.deserialize(json.loads(json.dumps(form))).get_config() == config


@pytest.mark.parametrize(
    ("module", "name"),
    [(losses, n) for n in losses.ALL_OBJECTS if n[0].isupper() and len(n) > 3]
    + [(metrics, n) for n in metrics.ALL_OBJECTS if n[0].isupper() and len(n) > 3]
    + [(optimizers, n) for n in ("SGD", "Adam")]
    + [(initializers, n) for n in initializers.ALL_OBJECTS if n[0].isupper()],
)
def test_objects_there_and_back(module, name):
    obj = module.get(name)
    config = obj.get_config()
    assert type(obj).from_config(json.loads(json.dumps(config))).get_config() == config
    form = module.serialize(obj)
    again = module.deserialize(json.loads(json.dumps(form)))
    assert type(again) is type(obj) and again.get_config() == config


def test_keras_s_keys():
    assert list(Dense(3, activation="relu").get_config().items()) == [
        ("name", "dense"),
        ("trainable", True),
        (
            "dtype",
            {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None},
        ),
        ("units", 3),
        ("activation", "relu"),
        ("use_bias", True),
        (
            "kernel_initializer",
            {
                "module": "keras.initializers",
                "class_name": "GlorotUniform",
                "config": {"seed": None, "input_axes": None, "output_axes": None},
                "registered_name": None,
            },
        ),
        (
            "bias_initializer",
            {"module": "keras.initializers", "class_name": "Zeros", "config": {}, "registered_name": None},
        ),
        ("kernel_regularizer", None),
        ("bias_regularizer", None),
        ("kernel_constraint", None),
        ("bias_constraint", None),
        ("quantization_config", None),
    ]
    assert losses.BinaryCrossentropy().get_config() == {
        "name": "binary_crossentropy",
        "reduction": "sum_over_batch_size",
        "from_logits": False,
        "label_smoothing": 0.0,
        "axis": -1,
    }
    assert metrics.BinaryAccuracy().get_config() == {"name": "binary_accuracy", "dtype": "float32", "threshold": 0.5}
    sgd = optimizers.SGD(0.5, momentum=0.9).get_config()
    assert sgd["learning_rate"] == pytest.approx(0.5) and sgd["momentum"] == 0.9 and sgd["name"] == "sgd"
    assert optimizers.Adam().get_config()["learning_rate"] == pytest.approx(0.001)


def model():
    inner = Sequential([Input((3,)), Dense(4, activation="tanh", name="in")], name="encoder")
    return Sequential([inner, Dropout(0.5), Dense(2, name="out")], name="whole")


def test_models_there_and_back():
    original = model()
    config = original.get_config()
    again = Sequential.from_config(json.loads(json.dumps(config)))
    assert json.dumps(again.get_config()) == json.dumps(config)
    assert again.built and again.layers[0].layers[0].name == "in"
    again.set_weights(original.get_weights())
    x = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_array_equal(again(x), original(x))
    deferred = Sequential([Dense(2)])
    assert not Sequential.from_config(deferred.get_config()).built
    deferred.build((None, 3))
    assert Sequential.from_config(deferred.get_config()).input_shape == (None, 3)


def test_json_there_and_back_compiles_where_it_was():
    original = model()
    assert not model_from_json(original.to_json()).compiled
    original.compile(
        optimizers.Adam(0.5), losses.MeanSquaredError(reduction="sum"), metrics=["mae", metrics.Accuracy()]
    )
    again = model_from_json(original.to_json(indent=1))
    assert again.compiled and again.to_json() == original.to_json()
    assert again.optimizer.learning_rate == pytest.approx(0.5) and again.metrics_names == ["loss", "mae", "accuracy"]
    assert again.loss.reduction == "sum"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "3",
        '"Dense"',
        '{"class_name": "Lambda", "config": {}}',
        '{"class_name": "Sequential", "config": {}}',
        '{"class_name": "Sequential", "config": []}',
        '{"class_name": "Sequential", "config": {"name": "a", "layers": 3}}',
        '{"class_name": "Sequential", "config": {"name": "a", "layers": [{"class_name": "os.system", "config": {}}]}}',
        '{"class_name": "Dense", "config": {"units": 3}}',
        '{"module": "os", "class_name": "system", "config": {"command": "true"}}',
        '{"module": "builtins", "class_name": "function", "config": "eval"}',
        "not json",
    ],
)
def test_bad_json_is_a_clear_error(text):
    with pytest.raises((ValueError, TypeError)):
        model_from_json(text)


def test_the_module_key_is_never_read():
    form = layers.serialize(Dense(2))
    form["module"], form["registered_name"] = "os", "os>system"
    assert isinstance(layers.deserialize(form), Dense)
    with pytest.raises(ValueError, match=r"Unknown layer: 'Dens'\. Did you mean 'Dense'"):
        layers.deserialize({"module": "keras.layers", "class_name": "Dens", "config": {}})


def test_identifiers():
    assert activations.get("relu") is activations.relu and activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu and activations.get("hard_swish") is activations.hard_silu
    assert activations.serialize(activations.relu) == "relu"
    assert type(initializers.get("he_normal")) is type(initializers.get("HeNormal")) is initializers.HeNormal
    assert type(initializers.get("zeros")) is type(initializers.get("zero")) is initializers.Zeros
    assert type(optimizers.get("ADAM")) is optimizers.Adam and type(optimizers.get(optimizers.SGD)) is optimizers.SGD
    adam = optimizers.Adam()
    assert optimizers.get(adam) is adam


def test_the_package_s_names():
    for name in ironhorn.__all__:
        assert getattr(ironhorn, name) is not None
    assert set(ironhorn.__all__) <= set(dir(ironhorn))
    assert issubclass(ironhorn.errors.InternalError, RuntimeError)
    assert issubclass(ironhorn.errors.DeviceError, RuntimeError)
    assert issubclass(ironhorn.errors.LoadError, ValueError)
    with pytest.raises(AttributeError, match="nope"):
        _ = ironhorn.nope


def test_import_brings_nothing_heavy():
    code = "import sys, ironhorn; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "numpy" in loaded
    heavy = {"pandas", "matplotlib", "scipy", "sklearn", "jax", "keras", "torch", "tensorflow", "rich", "h5py"}
    assert not heavy & set(loaded)


def test_threads_and_level():
    before = ironhorn.config.num_threads()
    ironhorn.config.set_num_threads(2)
    assert ironhorn.config.num_threads() == 2
    ironhorn.config.set_num_threads(None)
    assert ironhorn.config.num_threads() == before
    assert ironhorn.config.cpu_level() in ("avx512", "avx2", "portable") and ironhorn.config.floatx() == "float32"


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("activations", {name for name in activations.ALL_OBJECTS if name not in ("swish", "hard_swish")}),
        ("losses", {cls.__name__ for cls in losses._CLASSES}),
        ("metrics", {cls.__name__ for cls in metrics.registry.ENGINE_CLASSES}),
        ("optimizers", {cls.__name__ for cls in optimizers._CLASSES}),
        ("initializers", {cls.__name__ for cls in initializers._CLASSES}),
        ("regularizers", {cls.__name__ for cls in regularizers._CLASSES}),
        ("constraints", {cls.__name__ for cls in constraints._CLASSES}),
        ("layers", set(layers.ALL_OBJECTS)),
    ],
)
def test_python_s_names_are_the_engine_s(kind, known):
    def plain(names):
        return {name.replace("_", "").lower() for name in names} - {"inputlayer"}

    assert plain(ironhorn._core.names(kind)) == plain(known)
