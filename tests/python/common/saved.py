"""The models that the tests of files save, and the data they are fitted to."""

import numpy as np

from ironhorn import layers, optimizers
from ironhorn.layers import BatchNormalization, Dense, Dropout, Embedding, Flatten, Input
from ironhorn.models import Model, Sequential

RNG = np.random.default_rng(11)
X = RNG.normal(size=(96, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 96)


def same(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def chain(optimizer="adam", **kwargs):
    model = Sequential([Input((6,)), Dense(8, "relu"), Dropout(0.4), Dense(3, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", **{"metrics": ["accuracy"]} | kwargs)
    return model


def branched(optimizer="adam"):
    """Shared layer, two inputs, two outputs in a dict, noise, statistics, a model inside."""
    a, b = Input((6,), name="a"), Input((6,), name="b")
    shared = Dense(4, "tanh", name="shared")
    inner = Sequential([Input((4,)), Dense(4, "relu", kernel_regularizer="l2"), Dropout(0.2)], name="inner")
    left = BatchNormalization()(inner(shared(a)))
    right = layers.GaussianNoise(0.1)(layers.PReLU()(shared(b)))
    both = layers.Concatenate()([left, right])
    outputs = {"p": Dense(3, "softmax", name="p")(both), "q": Dense(1, name="q")(layers.Add()([left, right]))}
    model = Model([a, b], outputs)
    loss = {"p": "sparse_categorical_crossentropy", "q": "mse"}
    model.compile(optimizer, loss, loss_weights={"p": 1.0, "q": 0.3}, metrics={"p": ["accuracy"], "q": ["mae"]})
    return model


def table():
    model = Sequential(
        [Input((5,)), Embedding(20, 3), Flatten(), Dense(2, use_bias=False, kernel_constraint="max_norm")]
    )
    model.compile(optimizers.SGD(0.1, momentum=0.9), "mse")
    return model


CHAIN = (X, Y)
BRANCHED = ([X, X[::-1].copy()], {"p": Y, "q": X[:, :1].copy()})
TABLE = (RNG.integers(0, 20, (96, 5)), X[:, :2].copy())


def fit(model, data, epochs):
    model.fit(*data, epochs=epochs, batch_size=10, verbose=0)
