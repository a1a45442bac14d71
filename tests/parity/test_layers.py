"""Layers against Keras's: values on arrays, configurations, weights, what adapting measures."""

import json

import numpy as np
import pytest

import ironhorn

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(7, 6)).astype(np.float32)
CUBE = RNG.normal(size=(7, 3, 4)).astype(np.float32)
INDICES = RNG.integers(0, 5, size=(7, 3))
RNG_MEAN = np.linspace(-1, 1, 12).reshape(3, 4)


def call(package, layer, x):
    """The layer on symbols that stand for the arrays."""
    parts = x if isinstance(x, list) else [x]
    symbols = [package.Input(part.shape[1:], dtype="int32" if part.dtype.kind == "i" else None) for part in parts]
    return layer(symbols if isinstance(x, list) else symbols[0])


def through_json(config):
    return json.loads(json.dumps(config))


CASES = {
    "dense": (lambda k: k.layers.Dense(3, "tanh"), ROWS),
    "dense_of_cubes": (lambda k: k.layers.Dense(3, "relu", bias_initializer="ones"), CUBE),
    "activation": (lambda k: k.layers.Activation("gelu"), ROWS),
    "relu": (lambda k: k.layers.ReLU(1.0, 0.1, 0.25), ROWS),
    "leaky_relu": (lambda k: k.layers.LeakyReLU(), ROWS),
    "elu": (lambda k: k.layers.ELU(0.5), ROWS),
    "prelu": (lambda k: k.layers.PReLU("ones"), ROWS),
    "prelu_shared": (lambda k: k.layers.PReLU("random_normal", shared_axes=[1]), CUBE),
    "softmax": (lambda k: k.layers.Softmax(), CUBE),
    "identity": (lambda k: k.layers.Identity(), ROWS),
    "dropout": (lambda k: k.layers.Dropout(0.5), ROWS),
    "noise": (lambda k: k.layers.GaussianNoise(0.5), ROWS),
    "gaussian_dropout": (lambda k: k.layers.GaussianDropout(0.5), ROWS),
    "alpha_dropout": (lambda k: k.layers.AlphaDropout(0.5), ROWS),
    "activity": (lambda k: k.layers.ActivityRegularization(0.1, 0.2), ROWS),
    "flatten": (lambda k: k.layers.Flatten(), CUBE),
    "reshape": (lambda k: k.layers.Reshape((2, -1)), CUBE),
    "permute": (lambda k: k.layers.Permute((2, 1)), CUBE),
    "repeat": (lambda k: k.layers.RepeatVector(3), ROWS),
    "rescaling": (lambda k: k.layers.Rescaling(0.5, -1.0), ROWS),
    "normalization": (lambda k: k.layers.Normalization(mean=[1.0] * 6, variance=[4.0] * 6), ROWS),
    "normalization_inverted": (lambda k: k.layers.Normalization(mean=2.0, variance=9.0, invert=True), ROWS),
    "normalization_of_axes": (
        lambda k: k.layers.Normalization(axis=(1, 2), mean=RNG_MEAN.tolist(), variance=(RNG_MEAN**2 + 1).tolist()),
        CUBE,
    ),
    "batch": (lambda k: k.layers.BatchNormalization(), ROWS),
    "batch_axis": (lambda k: k.layers.BatchNormalization(axis=1, scale=False), CUBE),
    "layer": (lambda k: k.layers.LayerNormalization(), ROWS),
    "layer_axes": (lambda k: k.layers.LayerNormalization(axis=[1, 2], epsilon=0.1), CUBE),
    "rms": (lambda k: k.layers.RMSNormalization(), ROWS),
    "unit": (lambda k: k.layers.UnitNormalization(), ROWS),
    "embedding": (lambda k: k.layers.Embedding(5, 2), INDICES),
    "discretization": (lambda k: k.layers.Discretization([-0.5, 0.0, 1.0]), ROWS),
    "discretization_one_hot": (lambda k: k.layers.Discretization([-0.5, 0.5], output_mode="one_hot"), ROWS[:, :1]),
    "one_hot": (lambda k: k.layers.CategoryEncoding(5, "one_hot"), INDICES[:, :1]),
    "multi_hot": (lambda k: k.layers.CategoryEncoding(5), INDICES),
    "count": (lambda k: k.layers.CategoryEncoding(5, "count"), INDICES),
    "add": (lambda k: k.layers.Add(), [ROWS, ROWS[:, :1], ROWS]),
    "subtract": (lambda k: k.layers.Subtract(), [ROWS, ROWS[:, ::-1]]),
    "multiply": (lambda k: k.layers.Multiply(), [CUBE, CUBE[:, :1]]),
    "average": (lambda k: k.layers.Average(), [ROWS, ROWS**2, -ROWS]),
    "maximum": (lambda k: k.layers.Maximum(), [ROWS, ROWS[::-1]]),
    "minimum": (lambda k: k.layers.Minimum(), [ROWS, ROWS[::-1]]),
    "concatenate": (lambda k: k.layers.Concatenate(), [ROWS, ROWS[:, :2]]),
    "concatenate_axis": (lambda k: k.layers.Concatenate(axis=1), [CUBE, CUBE[:, :2]]),
    "dot": (lambda k: k.layers.Dot(1), [ROWS, ROWS[::-1]]),
    "dot_cosine": (lambda k: k.layers.Dot(-1, normalize=True), [ROWS, ROWS[::-1]]),
    "dot_axes": (lambda k: k.layers.Dot((2, 1)), [CUBE, np.swapaxes(CUBE, 1, 2)]),
}


@pytest.mark.parametrize("name", CASES)
def test_values(keras, name):
    make, x = CASES[name]
    theirs, ours = make(keras), make(ironhorn)
    x = [np.ascontiguousarray(one) for one in x] if isinstance(x, list) else x
    expected, got = np.asarray(theirs(x)), ours(x)
    weights = [RNG.uniform(0.5, 1.5, size=w.shape) for w in ours.get_weights()]
    if weights:
        theirs.set_weights(weights)
        ours.set_weights(weights)
        expected, got = np.asarray(theirs(x)), ours(x)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]


@pytest.mark.parametrize("name", CASES)
def test_what_is_built_from_the_start(keras, name):
    theirs, ours = CASES[name][0](keras), CASES[name][0](ironhorn)
    assert ours.built == theirs.built


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
def test_the_deprecated_scaling_by_the_variance(keras):
    theirs, ours = (k.layers.LayerNormalization(rms_scaling=True, gamma_initializer="ones") for k in (keras, ironhorn))
    np.testing.assert_allclose(ours(ROWS), np.asarray(theirs(ROWS)), rtol=2e-5, atol=2e-6)
    assert ours.beta is None and ours.gamma.shape == (6,)
    assert ours.get_config()["rms_scaling"] is True
    with pytest.warns(UserWarning, match="Use RMSNormalization"):
        ironhorn.layers.LayerNormalization(rms_scaling=True)


@pytest.mark.parametrize("name", ["activity", "dense", "embedding"])
def test_losses_of_the_last_call(keras, name):
    make = {
        "activity": (lambda k: k.layers.ActivityRegularization(0.2, 0.3), ROWS),
        "dense": (lambda k: k.layers.Dense(2, kernel_initializer="ones", kernel_regularizer="l1",
                                           activity_regularizer=k.regularizers.L2(0.1)), ROWS),
        "embedding": (lambda k: k.layers.Embedding(5, 2, "ones", activity_regularizer="l1"), INDICES),
    }[name]  # fmt: skip
    theirs, ours = make[0](keras), make[0](ironhorn)
    assert ours.losses == []
    for x in (make[1], make[1][:3]):
        theirs(x), ours(x)
        assert len(ours.losses) == len(theirs.losses)
        np.testing.assert_allclose(ours.losses, [float(loss) for loss in theirs.losses], rtol=1e-5)


@pytest.mark.parametrize("name", ["add", "concatenate", "concatenate_axis", "dot", "identity"])
def test_masks(keras, name):
    make, x = CASES[name]
    theirs, ours = make(keras), make(ironhorn)
    if name == "identity":
        assert ours.compute_mask(x, None) is None and ours.compute_mask(x, x > 0) is not None
        return
    masks = [one[..., 0] > 0 for one in x]
    for given in (masks, [None] * len(x), [masks[0], *[None] * (len(x) - 1)], None):
        expected, got = theirs.compute_mask(x, given), ours.compute_mask(x, given)
        assert (got is None) == (expected is None)
        if got is not None:
            np.testing.assert_array_equal(got, np.asarray(expected))
    if name != "dot":
        for wrong in (masks[0], masks[:1]):
            with pytest.raises(ValueError, match="mask"):
                ours.compute_mask(x, wrong)


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_shapes_of_bins_before_adapting(keras, mode):
    theirs, ours = (k.layers.Discretization(num_bins=4, output_mode=mode) for k in (keras, ironhorn))
    for shape in ((None, 3), (None, 5, 2)):
        assert ours.compute_output_shape(shape) == theirs.compute_output_shape(shape)


@pytest.mark.parametrize("name", CASES)
def test_configurations(keras, name):
    make, x = CASES[name]
    keras.utils.clear_session()
    theirs, ours = make(keras), make(ironhorn)
    for called in (False, True):
        if called:
            call(keras, theirs, x)
            call(ironhorn, ours, x)
        form = through_json(keras.layers.serialize(theirs))
        assert through_json(ironhorn.layers.serialize(ours)) == form
        assert ironhorn.layers.deserialize(form).get_config() == ours.get_config()
        again = keras.layers.deserialize(through_json(ironhorn.layers.serialize(ours)))
        assert through_json(keras.layers.serialize(again)) == form


@pytest.mark.parametrize("name", CASES)
def test_shapes(keras, name):
    make, x = CASES[name]
    theirs, ours = make(keras), make(ironhorn)
    assert call(ironhorn, ours, x).shape == call(keras, theirs, x).shape


@pytest.mark.parametrize("layer", ["batch", "batch_axis"])
def test_statistics_of_batches(keras, layer):
    make, x = CASES[layer]
    theirs, ours = make(keras), make(ironhorn)
    for factor in (1.0, 3.0, -2.0):
        expected, got = np.asarray(theirs(x * factor, training=True)), ours(x * factor, training=True)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    for a, b in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [-1, 1, None, (1, 2)])
def test_what_normalization_measures(keras, axis):
    """Keras's own ``adapt`` asks for TensorFlow, so NumPy is the peer."""
    layer = ironhorn.layers.Normalization(axis=axis)
    layer.adapt(CUBE)
    keep = {-1: (2,), 1: (1,), None: (), (1, 2): (1, 2)}[axis]
    reduced = tuple(i for i in range(3) if i not in keep)
    mean, variance = CUBE.mean(reduced, keepdims=True), CUBE.var(reduced, keepdims=True)
    np.testing.assert_allclose(layer.mean, mean, atol=1e-6)
    np.testing.assert_allclose(layer.variance, variance, rtol=1e-5)
    np.testing.assert_allclose(layer(CUBE), (CUBE - mean) / np.sqrt(variance), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bins", [1, 2, 5, 20])
@pytest.mark.parametrize("epsilon", [0.01, 0.1])
def test_what_discretization_measures(keras, bins, epsilon):
    from keras.src.layers.preprocessing import discretization as peer

    ours = ironhorn.layers.Discretization(num_bins=bins, epsilon=epsilon)
    for parts in ([ROWS], [ROWS[:2], ROWS[2:]], [RNG.normal(size=500), RNG.uniform(size=333)]):
        ours.adapt(parts)
        summary = np.array([[], []], dtype="float32")
        for part in parts:
            summary = peer.merge_summaries(peer.summarize(part.astype("float32"), epsilon), summary, epsilon)
        np.testing.assert_allclose(ours.bin_boundaries, peer.get_bin_boundaries(summary, bins), rtol=1e-6)
