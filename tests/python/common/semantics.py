"""Data, nets and comparisons of the tests of the 21 points; ``twins`` makes the same model of Keras and of Ironhorn."""

import numpy as np

import ironhorn

RNG = np.random.default_rng(21)
X = RNG.normal(size=(22, 4)).astype(np.float32)
Y = (X[:, :2] + 0.3 * RNG.normal(size=(22, 2))).astype(np.float32)
CLASSES = RNG.integers(0, 3, 22)
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
LABELS = (X[:, 0] > 0).astype(np.int32)
W = RNG.uniform(0, 2, 22).astype(np.float32)
SPARSE = "sparse_categorical_crossentropy"


def net(units, activation=None, **first):
    return lambda k: [
        k.Input((4,)),
        k.layers.Dense(5, "tanh", name="hidden", **first),
        k.layers.Dense(units, activation, name="out"),
    ]


def compiled(loss="mse", rate=0.1, **arguments):
    return lambda k: {"optimizer": k.optimizers.SGD(rate), "loss": loss, **arguments}


def same(logs):
    """Two histories or dicts of logs: the same names in the same order, the same numbers."""
    expected, got = logs
    assert list(got) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def fit(pair, x, y, **options):
    """The histories of both."""
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0} | options
    return [model.fit(x, y, **options).history for model in pair]


def evaluate(pair, x, y, **options):
    return [model.evaluate(x, y, verbose=0, return_dict=True, **options) for model in pair]


def packages(keras):
    return (keras, ironhorn)
