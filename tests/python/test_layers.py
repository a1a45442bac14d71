"""Layers alone: arguments, attributes, shapes, calls on arrays, adapting, configurations."""

import json
import warnings

import numpy as np
import pytest

import ironhorn
from ironhorn import layers
from ironhorn.layers import (
    BatchNormalization,
    CategoryEncoding,
    Dense,
    Discretization,
    Dropout,
    Embedding,
    Input,
    Normalization,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Dense(0), "`units`"),
        (lambda: Embedding(0, 2), "`input_dim` must be a positive integer"),
        (lambda: Embedding(2, True), "`output_dim` must be a positive integer"),
        (lambda: Dropout(1.5), "`rate`"),
        (lambda: layers.GaussianNoise(-1), "`stddev`"),
        (lambda: layers.GaussianDropout(2), "`rate`"),
        (lambda: layers.AlphaDropout("a"), "`rate`"),
        (lambda: layers.ReLU(max_value=-1), "max_value of a ReLU"),
        (lambda: layers.ReLU(threshold=None), "threshold of a ReLU"),
        (lambda: layers.LeakyReLU(-0.1), "Leaky ReLU"),
        (lambda: layers.Reshape((2, -2)), "Each dimension in `target_shape`"),
        (lambda: layers.Reshape((-1, -1)), "at most one unknown"),
        (lambda: layers.Permute((1, 3)), "`dims`"),
        (lambda: layers.RepeatVector(0), "positive integer"),
        (lambda: BatchNormalization(synchronized=True), "synchronized"),
        (lambda: Normalization(mean=1.0), "both `mean` and `variance`"),
        (lambda: Normalization(mean=[1.0], variance=1.0), "same shape"),
        (lambda: Normalization(axis=None, mean=[1.0], variance=[1.0]), "rank of `mean`"),
        (lambda: Discretization(), "either `num_bins` or `bin_boundaries`"),
        (lambda: Discretization([1.0], num_bins=2), "should not be set"),
        (lambda: Discretization(num_bins=-1), "`num_bins`"),
        (lambda: Discretization([1.0], output_mode="x"), "`output_mode`"),
        (lambda: CategoryEncoding(), "num_tokens must be set"),
        (lambda: CategoryEncoding(0), "`num_tokens`"),
        (lambda: CategoryEncoding(2, "x"), "output_mode"),
        (lambda: Dense(2, nonsense=1), "Unrecognized keyword arguments passed to Dense"),
        (lambda: Dense(2, kernel_regularizer="l3"), "l3"),
        (lambda: Dense(2, bias_constraint="tall"), "tall"),
    ],
)
def test_arguments_out_of_range(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: layers.RepeatVector(1.5), "integer"),
        (lambda: layers.LayerNormalization(axis="a"), "axis"),
        (lambda: layers.UnitNormalization(axis={}), "axis"),
        (lambda: layers.Softmax(axis=1.5), "axis"),
        (lambda: layers.Reshape((2.5,)), "target_shape"),
        (lambda: CategoryEncoding(2.5), "num_tokens"),
    ],
)
def test_arguments_of_the_wrong_type(make, text):
    with pytest.raises(TypeError, match=text):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (lambda: layers.Reshape((3, -1)), (None, 12), (None, 3, 4)),
        (lambda: layers.Permute((2, 1)), (None, 3, 4), (None, 4, 3)),
        (lambda: layers.RepeatVector(3), (None, 5), (None, 3, 5)),
        (lambda: Embedding(7, 2), (None, 5), (None, 5, 2)),
        (lambda: Embedding(7, 2), (None,), (None, 2)),
        (lambda: CategoryEncoding(4, "one_hot"), (None, 1), (None, 4)),
        (lambda: CategoryEncoding(4, "one_hot"), (None, 3), (None, 3, 4)),
        (lambda: CategoryEncoding(4), (None, 3), (None, 4)),
        (lambda: Dense(3), (8, 2), (8, 3)),
        (lambda: layers.Flatten(), (None, 2, 3), (None, 6)),
    ],
)
def test_shapes(layer, shape, expected):
    assert layer().compute_output_shape(shape) == expected
    assert layer()(Input(batch_shape=shape)).shape == expected


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (lambda: layers.Permute((2, 1)), (None, 3), "expected ndim=3, found ndim=2"),
        (lambda: layers.RepeatVector(3), (None, 5, 2), "expected ndim=2, found ndim=3"),
        (lambda: layers.Reshape((5,)), (None, 4), "total size"),
        (lambda: layers.Reshape((3, -1)), (None, 4), "total size"),
        (lambda: layers.LayerNormalization(axis=3), (None, 4), "out of bounds"),
        (lambda: layers.UnitNormalization(axis=[1, 2]), (None, 4), "out of bounds"),
        (lambda: Normalization(axis=3), (None, 4), "axis"),
        (lambda: Dense(2), (None,), "expected min_ndim=2"),
    ],
)
def test_shapes_that_a_layer_does_not_take(layer, shape, text):
    with pytest.raises(ValueError, match=text):
        layer()(Input(batch_shape=shape))


def test_a_built_layer_says_which_size_it_expects():
    for layer in (Dense(2), BatchNormalization(), layers.PReLU()):
        layer.build((None, 3))
        with pytest.raises(ValueError, match=f"'{layer.name}'.*axis -?1 of input shape to have value 3"):
            layer(np.zeros((2, 5)))


def test_weights_by_name():
    norm = BatchNormalization()
    assert norm.gamma is None and norm.moving_mean is None
    norm.build((None, 3))
    assert [w.name for w in norm.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [w.name for w in norm.trainable_weights] == ["gamma", "beta"]
    assert [w.name for w in norm.non_trainable_weights] == ["moving_mean", "moving_variance"]
    norm.trainable = False
    assert norm.trainable_weights == [] and len(norm.non_trainable_weights) == 4
    assert norm.gamma.shape == norm.moving_variance.shape == (3,)
    plain = layers.LayerNormalization(scale=False)
    plain.build((None, 3))
    assert plain.gamma is None and plain.beta.shape == (3,) and plain.axis == [-1]
    embedding = Embedding(4, 2)
    with pytest.raises(AttributeError, match="not built"):
        _ = embedding.embeddings
    table = np.arange(8.0).reshape(4, 2)
    embedding = Embedding(4, 2, weights=table)
    np.testing.assert_array_equal(embedding.embeddings.numpy(), table)
    prelu = layers.PReLU(shared_axes=[1])
    prelu.build((None, 3, 4))
    assert prelu.alpha.shape == (1, 4)


def test_regularizers_count_in_losses():
    layer = Dense(2, kernel_regularizer="l2", bias_regularizer=ironhorn.regularizers.L1(0.5))
    layer.build((None, 3))
    layer.set_weights([np.full((3, 2), 2.0), np.array([1.0, -3.0])])
    np.testing.assert_allclose(layer.losses, [0.01 * 24, 0.5 * 4], rtol=1e-6)
    layer.trainable = False
    assert layer.losses == []


def test_noise_is_drawn_in_training_only():
    x = np.ones((200, 50), np.float32)
    for layer in (Dropout(0.25), layers.GaussianNoise(0.5), layers.GaussianDropout(0.2), layers.AlphaDropout(0.25)):
        np.testing.assert_array_equal(layer(x), x)
        np.testing.assert_array_equal(layer(x, training=False), x)
        first, second = layer(x, training=True), layer(x, training=True)
        assert (first != x).any() and (first != second).any()
    zeros = np.mean(Dropout(0.25)(x, training=True) == 0)
    assert 0.2 < zeros < 0.3
    noise = layers.GaussianNoise(0.5)(x, training=True) - x
    assert abs(noise.mean()) < 0.03 and abs(noise.std() - 0.5) < 0.03
    alpha = layers.AlphaDropout(0.25)(RNG.normal(size=(400, 50)), training=True)
    assert abs(alpha.mean()) < 0.05 and abs(alpha.std() - 1) < 0.05


def test_batch_normalization_alone():
    x = RNG.normal(3.0, 2.0, size=(64, 3)).astype(np.float32)
    layer = BatchNormalization(momentum=0.5)
    np.testing.assert_allclose(layer(x), x / np.sqrt(1.001), rtol=1e-5)
    y = layer(x, training=True)
    np.testing.assert_allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), atol=1e-4)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.5 * x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.5 + 0.5 * x.var(0), rtol=1e-4)


def test_normalization_adapts_to_arrays_and_batches():
    x = RNG.normal(1000.0, 2.0, size=(90, 3)).astype(np.float32)
    whole, parts = Normalization(), Normalization()
    whole.adapt(x)
    parts.adapt([x[:50], x[50:51], x[51:]])
    mean, variance = x.mean(0, dtype=np.float64), x.var(0, dtype=np.float64)
    for layer in (whole, parts):
        np.testing.assert_allclose(layer.mean, mean[None], rtol=1e-6)
        np.testing.assert_allclose(layer.variance, variance[None], rtol=1e-5)
        np.testing.assert_allclose(layer(x), (x - mean) / np.sqrt(variance), atol=1e-3)
    single = Normalization(axis=None)
    single.adapt(x)
    assert single.mean.shape == (1, 1)
    back = Normalization(invert=True, mean=mean, variance=variance)
    np.testing.assert_allclose(back(whole(x)), x, rtol=1e-4)
    assert whole.trainable_weights == []
    with pytest.raises(ValueError, match="incompatible shape"):
        whole.adapt(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="empty iterable"):
        Normalization().adapt([])
    with pytest.raises(TypeError, match="Unsupported data type"):
        Normalization().adapt(3)
    with pytest.raises(TypeError, match="yields arrays"):
        Normalization().adapt([[1.0, 2.0]])
    with pytest.raises(ValueError, match="nothing to adapt"):
        back.adapt(x)


def test_a_model_uses_what_its_layers_adapted_to_later():
    norm, bins = Normalization(), Discretization(num_bins=3, output_mode="one_hot")
    x = np.arange(12.0).reshape(6, 2)
    norm.adapt(x)
    bins.adapt(x)
    model = ironhorn.Sequential([Input((2,)), norm])
    first = model.predict(x, verbose=0)
    norm.adapt(x + 100)
    assert (model.predict(x, verbose=0) != first).all()
    model = ironhorn.Sequential([Input((1,)), bins])
    assert model.predict(x[:, :1], verbose=0).argmax(1).tolist() == [0, 0, 1, 1, 2, 2]
    bins.adapt(x * 100)
    assert model.predict(x[:, :1], verbose=0).argmax(1).tolist() == [0] * 6


def test_discretization():
    layer = Discretization([0.0, 1.0, 2.0])
    x = np.array([[-1.0, 0.0], [0.5, 5.0]])
    assert layer(x).tolist() == [[0, 1], [1, 3]] and layer(x).dtype == np.int32
    assert layer(np.array([0.5, 2.0])).tolist() == [1, 3]
    with pytest.raises(ValueError, match="`num_bins` instead"):
        layer.adapt(x)
    with pytest.raises(ValueError, match="before you can start"):
        Discretization(num_bins=2)(x)
    adapted = Discretization(num_bins=2)
    adapted.adapt(np.arange(100.0))
    assert len(adapted.bin_boundaries) == 1
    again = Discretization.from_config(json.loads(json.dumps(adapted.get_config())))
    assert again.bin_boundaries == adapted.bin_boundaries and again.num_bins == 2


def test_category_encoding():
    assert CategoryEncoding(4, "one_hot")([3, 2, 0]).argmax(1).tolist() == [3, 2, 0]
    assert CategoryEncoding(4)([[0, 1], [3, 3]]).tolist() == [[1, 1, 0, 0], [0, 0, 0, 1]]
    assert CategoryEncoding(4, "count")([[0, 1], [3, 3]]).tolist() == [[1, 1, 0, 0], [0, 0, 0, 2]]
    assert CategoryEncoding(4, "count")([3, 3, 1]).tolist() == [0, 1, 0, 2]
    assert CategoryEncoding(4)([[0, 4], [-1, 9]]).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]


def test_an_index_outside_of_an_embedding():
    layer = Embedding(3, 2)
    assert layer(np.array([[0, 2]])).shape == (1, 2, 2)
    for bad in (3, -1):
        with pytest.raises(ValueError, match=r"embedding|index|indices"):
            layer(np.array([[0, bad]]))


ALL = [
    layers.Activation("tanh"),
    layers.ActivityRegularization(0.1, 0.2),
    layers.Add(),
    layers.AlphaDropout(0.2, seed=3),
    layers.Average(),
    BatchNormalization(1, 0.5, 0.1, gamma_regularizer="l2", beta_constraint="non_neg"),
    CategoryEncoding(4, "count"),
    layers.Concatenate(1),
    Dense(3, "relu", kernel_regularizer="l1", bias_constraint="max_norm", activity_regularizer="l2"),
    Discretization([0.0, 1.0]),
    layers.Dot((1, 2), True),
    Dropout(0.1),
    layers.ELU(0.5),
    Embedding(5, 2, embeddings_constraint="unit_norm"),
    layers.Flatten(),
    layers.GaussianDropout(0.1),
    layers.GaussianNoise(0.1, seed=2),
    layers.Identity(),
    layers.InputLayer((3,)),
    layers.LayerNormalization([1, 2], center=False),
    layers.LeakyReLU(0.2),
    layers.Maximum(),
    layers.Minimum(),
    layers.Multiply(),
    Normalization(mean=[1.0, 2.0], variance=[1.0, 4.0]),
    layers.PReLU("ones", shared_axes=[1]),
    layers.Permute((2, 1)),
    layers.RMSNormalization(),
    layers.ReLU(6),
    layers.RepeatVector(2),
    layers.Rescaling(0.5, np.array([1.0, 2.0])),
    layers.Reshape((2, -1)),
    layers.Softmax(),
    layers.Subtract(),
    layers.UnitNormalization(),
]


def test_all_layers_are_in_the_list():
    assert {type(layer).__name__ for layer in ALL} == set(layers.ALL_OBJECTS)


@pytest.mark.parametrize("layer", ALL, ids=lambda layer: type(layer).__name__)
def test_configurations_there_and_back(layer):
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    form = json.loads(json.dumps(layers.serialize(layer)))
    assert json.loads(json.dumps(layers.deserialize(form).get_config())) == config


def test_deprecated_arguments_warn():
    with pytest.warns(UserWarning, match="`alpha` is deprecated"):
        assert layers.LeakyReLU(alpha=0.5).negative_slope == 0.5
    with pytest.warns(UserWarning, match="`input_length` is deprecated"):
        Embedding(3, 2, input_length=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Dense(2)


def test_what_is_not_there_says_so():
    for make in (
        lambda: Embedding(3, 2, mask_zero=True),
        lambda: Dropout(0.5, noise_shape=(None, 1)),
        lambda: BatchNormalization(renorm=True),
        lambda: Dense(2, lora_rank=1),
        lambda: CategoryEncoding(2, sparse=True),
        lambda: Dense(2)(np.zeros((1, 2)), mask=np.ones(1)),
    ):
        with pytest.raises(NotImplementedError):
            make()


@pytest.mark.parametrize("base", [layers.Layer, Dense, ironhorn.Sequential])
@pytest.mark.parametrize("method", ["call", "train_step", "compute_loss"])
def test_own_steps_are_refused_instead_of_ignored(base, method):
    cls = type("Own", (base,), {method: lambda self, *args, **kwargs: None})
    with pytest.raises(NotImplementedError, match=f"Own: a `{method}` of one's own is not there"):
        cls(2) if base is Dense else cls()
