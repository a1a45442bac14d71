"""Activations, losses, metrics and initializers standing alone, on NumPy arrays, next to Keras's."""

import numpy as np
import pytest

import ironhorn

RNG = np.random.default_rng(2)
GRID = np.concatenate([np.linspace(-30, 30, 121), np.linspace(-3.3, 3.3, 133), [0.0, 1e-6, -1e-6]]).astype(np.float32)
ROWS = RNG.normal(size=(5, 3, 4)).astype(np.float32) * 3
# fmt: off
ELEMENTWISE = [
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink",
    "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh", "tanh_shrink",
]
PARAMETERS = [
    ("celu", {"alpha": 0.7}), ("elu", {"alpha": 1.5}), ("gelu", {"approximate": True}), ("squareplus", {"b": 2.5}),
    ("hard_shrink", {"threshold": 1.2}), ("soft_shrink", {"threshold": 1.2}), ("leaky_relu", {"negative_slope": 0.01}),
    ("threshold", {"threshold": 0.4, "default_value": -1.5}), ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 2.0}), ("relu", {"threshold": 0.5}), ("relu", {"max_value": 6.0}),
    ("relu", {"negative_slope": 0.3, "max_value": 2.5, "threshold": 1.0}), ("relu", {"threshold": -1.0}),
]
# fmt: on


@pytest.mark.numeric
def test_activations(keras):
    for name, parameters in [(name, {}) for name in ELEMENTWISE] + PARAMETERS:
        expected = np.asarray(getattr(keras.activations, name)(GRID, **parameters))
        got = getattr(ironhorn.activations, name)(GRID, **parameters)
        assert got.dtype == expected.dtype and got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6, err_msg=f"{name} {parameters}")
    for name in ("softmax", "log_softmax", "glu"):
        for axis in (-1, 0, 1) if name != "glu" else (-1, 2):
            expected = np.asarray(getattr(keras.activations, name)(ROWS, axis=axis))
            got = getattr(ironhorn.activations, name)(ROWS, axis=axis)
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6, err_msg=f"{name} {axis}")


def test_no_activation_is_left_out(keras):
    ours = {name for name, value in ironhorn.activations.ALL_OBJECTS.items() if name not in ("softmax", "log_softmax")}
    assert ours - {"glu", "sparsemax", "threshold"} == set(ELEMENTWISE)
    theirs = {name for name in dir(keras.activations) if callable(getattr(keras.activations, name))}
    assert theirs - {"deserialize", "get", "serialize"} <= set(ironhorn.activations.ALL_OBJECTS)


P = RNG.uniform(0.02, 1, (6, 3)).astype(np.float32)
P /= P.sum(1, keepdims=True)
Z = RNG.normal(size=(6, 3)).astype(np.float32) * 2
CLASSES = np.array([0, 2, 1, 1, 0, 2])
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
W = np.array([1.0, 0.5, 0.0, 2.0, 1.5, 0.25], np.float32)
EDGES = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.2, 0.3, 0.4], [3.0, 1.0, 1.0], [1, 1, 1]], "f4")
# fmt: off
LOSSES = [
    ("MeanSquaredError", {}, ONE_HOT, Z), ("MeanAbsoluteError", {}, ONE_HOT, Z),
    ("MeanSquaredError", {}, np.stack([Z, Z + 1]), np.stack([Z * 2, Z])),
    ("BinaryCrossentropy", {}, ONE_HOT, P), ("BinaryCrossentropy", {"label_smoothing": 0.1}, ONE_HOT, P),
    ("BinaryCrossentropy", {"from_logits": True}, ONE_HOT, Z * 10),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.3}, ONE_HOT, Z),
    ("CategoricalCrossentropy", {}, ONE_HOT, P), ("CategoricalCrossentropy", {"label_smoothing": 0.1}, ONE_HOT, P),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, Z * 10), ("CategoricalCrossentropy", {}, P[::-1], P),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.3}, ONE_HOT, Z),
    ("CategoricalCrossentropy", {}, ONE_HOT, EDGES),
    ("SparseCategoricalCrossentropy", {}, CLASSES, P), ("SparseCategoricalCrossentropy", {}, CLASSES[:, None], EDGES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES, Z),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, CLASSES, P),
    ("SparseCategoricalCrossentropy", {"ignore_class": 0, "from_logits": True}, CLASSES, Z),
]
METRICS = [
    ("Accuracy", {}, CLASSES, np.array([0, 1, 1, 1, 2, 2])), ("BinaryAccuracy", {}, ONE_HOT, P),
    ("BinaryAccuracy", {"threshold": 0.3}, ONE_HOT[:, 0], P[:, 0]), ("CategoricalAccuracy", {}, ONE_HOT, P),
    ("SparseCategoricalAccuracy", {}, CLASSES, P), ("SparseCategoricalAccuracy", {}, CLASSES[:, None], EDGES),
    *LOSSES,
]
# fmt: on


@pytest.mark.parametrize("index", range(len(LOSSES)))
def test_losses(keras, index):
    name, arguments, y_true, y_pred = LOSSES[index]
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", None):
        theirs = getattr(keras.losses, name)(reduction=reduction, **arguments)
        ours = getattr(ironhorn.losses, name)(reduction=reduction, **arguments)
        for weights in (None, W, W[:, None], 0 * W) if y_pred.ndim == 2 else (None,):
            expected, got = (np.asarray(f(y_true, y_pred, sample_weight=weights)) for f in (theirs, ours))
            assert got.shape == expected.shape and got.dtype == expected.dtype
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6, err_msg=f"{reduction} {weights}")


@pytest.mark.parametrize("index", range(len(METRICS)))
def test_metrics(keras, index):
    name, arguments, y_true, y_pred = METRICS[index]
    theirs, ours = (getattr(package.metrics, name)(**arguments) for package in (keras, ironhorn))
    for weights in (None, W, 2 * W) if y_pred.ndim < 3 else (None,):
        for metric in (theirs, ours):
            metric.update_state(y_true, y_pred, sample_weight=weights)
        np.testing.assert_allclose(ours.result(), np.asarray(theirs.result()), rtol=2e-5, err_msg=str(weights))
    assert {**ours.get_config(), "dtype": None} == {**theirs.get_config(), "dtype": None}


def test_saturated_probabilities(keras):
    """1 - 1e-7 is 1 - 1.19e-7 in float32: the bound is the same one."""
    y_true, y_pred = np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([[1.0], [0.0], [0.0], [1.0]], np.float32)
    expected = np.asarray(keras.losses.binary_crossentropy(y_true, y_pred))
    got = ironhorn.losses.binary_crossentropy(y_true, y_pred)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=3e-7)


# fmt: off
INITIALIZERS = [
    ("GlorotUniform", {}), ("GlorotNormal", {}), ("HeUniform", {}), ("HeNormal", {}), ("LecunUniform", {}),
    ("LecunNormal", {}), ("RandomNormal", {"mean": 0.1, "stddev": 0.2}), ("RandomUniform", {"minval": -1, "maxval": 3}),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 0.5}), ("Zeros", {}), ("Ones", {}), ("Constant", {"value": 0.25}),
    ("Identity", {"gain": 1.5}), ("Orthogonal", {"gain": 1.2}),
    *(("VarianceScaling", {"scale": 1.7, "mode": mode, "distribution": distribution})
      for mode in ("fan_in", "fan_out", "fan_avg")
      for distribution in ("uniform", "truncated_normal", "untruncated_normal")),
]
# fmt: on


@pytest.mark.parametrize(("name", "arguments"), INITIALIZERS)
def test_initializers_have_the_same_distribution(keras, name, arguments):
    shape = (300, 120) if name != "Identity" else (150, 150)
    seed = {"seed": 3} if "seed" in getattr(keras.initializers, name)().get_config() else {}
    expected, got = (
        np.asarray(getattr(package.initializers, name)(**arguments, **seed)(shape)) for package in (keras, ironhorn)
    )
    assert got.dtype == expected.dtype and got.shape == shape
    if not seed:
        np.testing.assert_array_equal(got, expected)
        return
    spread = expected.std()
    assert abs(got.mean() - expected.mean()) < 5 * spread * np.sqrt(2 / got.size)
    assert abs(got.std() / spread - 1) < 0.02
    quantiles = [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99]
    np.testing.assert_allclose(np.quantile(got, quantiles), np.quantile(expected, quantiles), atol=0.06 * spread)
    if "untruncated" not in str(arguments) and name not in ("RandomNormal", "Orthogonal"):  # bounded ones
        np.testing.assert_allclose([got.min(), got.max()], [expected.min(), expected.max()], atol=0.02 * spread)


@pytest.mark.parametrize("shape", [(7, 7), (20, 6), (6, 20), (4, 3, 5), (1, 5)])
def test_orthogonal(keras, shape):
    for package in (keras, ironhorn):
        q = np.asarray(package.initializers.Orthogonal(gain=2.0, seed=1)(shape)).reshape(-1, shape[-1]) / 2
        product = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
        np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-5)
