"""Activations and initializers on arrays, and the helpers of utils."""

import math

import numpy as np
import pytest

from ironhorn import activations, initializers, utils

X = np.array([[-3.0, -0.75, -0.25, 0.0, 0.25, 0.75, 3.0, 7.0]], np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


FORMULAS = {
    "celu": lambda x: np.maximum(x, 0) + np.minimum(0, np.expm1(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "exponential": np.exp,
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "glu": lambda x: x[:, :4] * sigmoid(x[:, 4:]),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "linear": lambda x: x,
    "log_sigmoid": lambda x: np.log(sigmoid(x)),
    "log_softmax": lambda x: np.log(softmax(x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * np.expm1(x)),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "softmax": softmax,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x)),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "sparsemax": lambda x: np.eye(8)[[7]],
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4)) / 2,
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
}


@pytest.mark.numeric
@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_activations_by_their_formulas(name):
    expected = FORMULAS[name](X.astype(np.float64))
    got = activations.get(name)(X)
    assert got.dtype == np.float32 and got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


def test_every_activation_is_tested():
    assert set(FORMULAS) | {"threshold", "swish", "hard_swish"} == set(activations.ALL_OBJECTS)


def test_parameters():
    np.testing.assert_allclose(activations.leaky_relu(X, negative_slope=0.5), np.where(X > 0, X, 0.5 * X))
    np.testing.assert_allclose(activations.elu(X, alpha=2.0), np.where(X > 0, X, 2 * np.expm1(X)), rtol=1e-5)
    np.testing.assert_allclose(activations.threshold(X, 0.5, 9.0), np.where(X > 0.5, X, 9))
    np.testing.assert_allclose(activations.hard_shrink(X, threshold=1.0), np.where(np.abs(X) > 1, X, 0))
    np.testing.assert_allclose(activations.squareplus(X, b=1), (X + np.sqrt(X**2 + 1)) / 2, rtol=1e-5)
    got = activations.relu(X, negative_slope=0.5, max_value=2.0, threshold=0.5)
    np.testing.assert_allclose(got, np.minimum(np.where(X >= 0.5, X, 0.5 * (X - 0.5)), 2.0))
    inner = 0.044715 * X**3 + X
    expected = 0.5 * X * (1 + np.tanh(math.sqrt(2 / math.pi) * inner))
    np.testing.assert_allclose(activations.gelu(X, approximate=True), expected, rtol=1e-4, atol=1e-6)


def test_any_shape_any_axis_any_numbers():
    cube = np.random.default_rng(0).normal(size=(2, 3, 4))
    np.testing.assert_allclose(activations.softmax(cube, axis=1).sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(activations.softmax(cube, axis=1), np.moveaxis(softmax(np.moveaxis(cube, 1, -1)), -1, 1),
                               rtol=1e-5)  # fmt: skip
    assert activations.glu(np.zeros((2, 4, 3)), axis=1).shape == (2, 2, 3)
    assert activations.relu(-2).shape == () and activations.relu([1, -1]).tolist() == [1.0, 0.0]
    assert activations.relu(np.array([True, False])).tolist() == [1.0, 0.0]
    assert activations.tanh(cube[:, ::2]).shape == (2, 2, 4)
    assert activations.relu(np.zeros((0, 3))).shape == (0, 3)
    with pytest.raises(TypeError, match="numbers"):
        activations.relu(["a"])
    with pytest.raises(ValueError, match="`axis`"):
        activations.softmax(cube, axis=3)
    with pytest.raises(ValueError):
        activations.glu(np.zeros((2, 3)))


def test_extremes_stay_finite():
    far = np.array([[-1e4, -100.0, 100.0, 1e4]], np.float32)
    for name in ("sigmoid", "softmax", "log_softmax", "softplus", "log_sigmoid", "tanh", "silu", "mish", "gelu", "elu"):
        assert np.isfinite(activations.get(name)(far)).all(), name


@pytest.mark.parametrize(
    ("name", "limit"),
    [("GlorotUniform", math.sqrt(6 / 300)), ("HeUniform", math.sqrt(6 / 200)), ("LecunUniform", math.sqrt(3 / 200))],
)
def test_uniform_initializers_fill_their_range(name, limit):
    w = initializers.get(name)((200, 100))
    assert w.dtype == np.float32 and w.shape == (200, 100)
    assert np.abs(w).max() <= limit and np.abs(w).max() > 0.99 * limit
    assert w.std() == pytest.approx(limit / math.sqrt(3), rel=0.03) and abs(w.mean()) < 0.02 * limit


@pytest.mark.parametrize(
    ("name", "deviation"),
    [("GlorotNormal", math.sqrt(2 / 300)), ("HeNormal", math.sqrt(2 / 200)), ("LecunNormal", math.sqrt(1 / 200))],
)
def test_truncated_initializers_have_their_deviation(name, deviation):
    w = initializers.get(name)((200, 100))
    assert w.std() == pytest.approx(deviation, rel=0.03)
    assert np.abs(w).max() <= 2 * deviation / 0.87962566 * 1.0001


def test_other_initializers():
    assert (initializers.Zeros()((2, 3)) == 0).all() and (initializers.Ones()((2, 3)) == 1).all()
    assert (initializers.Constant(2.5)((4,)) == 2.5).all()
    np.testing.assert_array_equal(initializers.Identity(2.0)((3, 3)), 2 * np.eye(3))
    for shape in [(6, 4), (4, 6), (5, 5)]:
        q = initializers.Orthogonal(gain=2.0)(shape)
        small = q.T @ q if shape[0] >= shape[1] else q @ q.T
        np.testing.assert_allclose(small, 4 * np.eye(min(shape)), atol=1e-4)
    assert initializers.RandomNormal(1.0, 0.5)((100, 100)).mean() == pytest.approx(1.0, abs=0.03)
    w = initializers.RandomUniform(2.0, 3.0)((50, 50))
    assert w.min() >= 2 and w.max() <= 3
    assert np.abs(initializers.TruncatedNormal(0.0, 1.0)((100, 100))).max() <= 2.0001
    with pytest.raises(ValueError):
        initializers.Orthogonal()((3,))
    with pytest.raises(ValueError, match="`scale`"):
        initializers.VarianceScaling(scale=0.0)
    with pytest.raises(ValueError, match="`mode`"):
        initializers.VarianceScaling(mode="fan")
    with pytest.raises(ValueError, match="`seed`"):
        initializers.GlorotUniform(seed="a")


def test_seeds_of_initializers():
    a, b = initializers.GlorotUniform(seed=1), initializers.GlorotUniform(seed=1)
    np.testing.assert_array_equal(a((3, 4)), b((3, 4)))
    np.testing.assert_array_equal(a((3, 4)), a((3, 4)))
    assert (initializers.GlorotUniform(seed=2)((3, 4)) != a((3, 4))).any()
    assert (initializers.GlorotUniform()((3, 4)) != initializers.GlorotUniform()((3, 4))).any()
    unseeded = initializers.GlorotUniform()
    utils.set_random_seed(1)
    one = initializers.GlorotUniform()((3, 4))
    utils.set_random_seed(1)
    np.testing.assert_array_equal(one, initializers.GlorotUniform()((3, 4)))
    np.testing.assert_array_equal(unseeded((2, 2)), unseeded((2, 2)))


def test_to_categorical():
    np.testing.assert_array_equal(utils.to_categorical([0, 2, 1]), np.eye(3)[[0, 2, 1]])
    assert utils.to_categorical([[1], [0]], num_classes=4).shape == (2, 4)
    assert utils.to_categorical(np.zeros((2, 3), int), 5).shape == (2, 3, 5)
    for bad in ([-1], [3], [0.5], [float("nan")]):
        with pytest.raises(ValueError, match="`x`"):
            utils.to_categorical(bad, num_classes=3)
    with pytest.raises(TypeError):
        utils.to_categorical(["a"])


def test_normalize():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, axis=0, order=1), [[1, 1], [0, 0]])
