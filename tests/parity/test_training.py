"""The same script on Keras and on Ironhorn: a table of nets, losses and optimizers, batch sizes too."""

import numpy as np
import pytest

N = 40
RNG = np.random.default_rng(5)
X = RNG.normal(size=(N, 12)).astype(np.float32)
CLASSES = RNG.integers(0, 3, N)
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
LABELS = RNG.integers(0, 2, (N, 3))
VALUES = (np.tanh(X[:, :3]) + 0.1 * RNG.normal(size=(N, 3))).astype(np.float32)
POINTS = (X[:, :3] @ RNG.normal(size=(3, 2))).astype(np.float32)


def dense(*activations):
    """Hidden layers, after an input of 12."""
    return lambda k: [k.Input((12,)), *(k.layers.Dense(7, activation=name) for name in activations)]


# fmt: off
NETS = {
    "logistic": dense(),
    "relu": lambda k: [k.Input((12,)), k.layers.Dense(9, activation="relu")],
    "tanh-gelu": dense("tanh", "gelu"),
    "deep": dense("elu", "selu", "softplus", "silu", "softsign", "mish"),
    "3-D": lambda k: [k.Input((3, 4)), k.layers.Flatten(), k.layers.Dense(8, activation="leaky_relu")],
    "3-D dense": lambda k: [k.Input((3, 4)), k.layers.Dense(5, activation="sigmoid"), k.layers.Flatten(),
                            k.layers.Dense(6, activation="hard_silu", use_bias=False)],
    "layers": lambda k: [k.Input((12,)), k.layers.Dense(7), k.layers.LeakyReLU(0.1), k.layers.Dense(6), k.layers.ELU(),
                         k.layers.Dense(6), k.layers.ReLU(max_value=2.0, negative_slope=0.05),
                         k.layers.Dense(5), k.layers.Activation("log_softmax")],
}
# name: units and activation of the output, the loss, the targets
LOSSES = {
    "mse": (2, None, lambda k: "mse", POINTS),
    "mae": (2, None, lambda k: "mae", POINTS),
    "mse sum": (2, None, lambda k: k.losses.MeanSquaredError(reduction="sum"), POINTS * 0.1),
    "mse of tanh": (3, "tanh", lambda k: k.losses.MeanSquaredError(), VALUES),
    "mse of softmax": (3, "softmax", lambda k: "mean_squared_error", ONE_HOT),
    "bce of one": (1, "sigmoid", lambda k: "binary_crossentropy", LABELS[:, 0]),
    "bce": (3, "sigmoid", lambda k: "binary_crossentropy", LABELS),
    "bce logits": (3, None, lambda k: k.losses.BinaryCrossentropy(from_logits=True), LABELS),
    "bce smooth": (3, "sigmoid", lambda k: k.losses.BinaryCrossentropy(label_smoothing=0.2), LABELS),
    "bce logits smooth": (3, None, lambda k: k.losses.BinaryCrossentropy(True, 0.1), LABELS),
    "cce": (3, "softmax", lambda k: "categorical_crossentropy", ONE_HOT),
    "cce logits": (3, None, lambda k: k.losses.CategoricalCrossentropy(from_logits=True), ONE_HOT),
    "cce smooth": (3, "softmax", lambda k: k.losses.CategoricalCrossentropy(label_smoothing=0.2), ONE_HOT),
    "cce logits smooth": (3, None, lambda k: k.losses.CategoricalCrossentropy(True, 0.1), ONE_HOT),
    "cce of sigmoid": (3, "sigmoid", lambda k: "categorical_crossentropy", ONE_HOT),
    "scce": (3, "softmax", lambda k: "sparse_categorical_crossentropy", CLASSES),
    "scce logits": (3, None, lambda k: k.losses.SparseCategoricalCrossentropy(from_logits=True), CLASSES[:, None]),
    "scce ignore": (3, "softmax", lambda k: k.losses.SparseCategoricalCrossentropy(ignore_class=1), CLASSES),
    "scce of sigmoid": (3, "sigmoid", lambda k: "sparse_categorical_crossentropy", CLASSES),
}
OPTIMIZERS = {
    "sgd": lambda k: k.optimizers.SGD(0.05),
    "momentum": lambda k: k.optimizers.SGD(0.02, momentum=0.8),
    "nesterov": lambda k: k.optimizers.SGD(0.02, momentum=0.8, nesterov=True),
    "sgd clipvalue": lambda k: k.optimizers.SGD(0.05, clipvalue=0.01),
    "momentum clipnorm": lambda k: k.optimizers.SGD(0.05, momentum=0.5, clipnorm=0.05),
    "sgd global_clipnorm": lambda k: k.optimizers.SGD(0.05, global_clipnorm=0.1),
    "nesterov clipvalue": lambda k: k.optimizers.SGD(0.05, momentum=0.3, nesterov=True, clipvalue=0.02),
    "nesterov decay": lambda k: k.optimizers.SGD(0.02, momentum=0.5, nesterov=True, weight_decay=0.1),
    "adam": lambda k: k.optimizers.Adam(0.005),
    "adam betas": lambda k: k.optimizers.Adam(0.003, beta_1=0.8, beta_2=0.95, epsilon=1e-4),
    "amsgrad": lambda k: k.optimizers.Adam(0.005, amsgrad=True),
    "adam decay": lambda k: k.optimizers.Adam(0.005, weight_decay=0.05),
    "adam clipnorm": lambda k: k.optimizers.Adam(0.005, clipnorm=0.02),
    "amsgrad global_clipnorm": lambda k: k.optimizers.Adam(0.003, amsgrad=True, global_clipnorm=0.05),
    "adam clipvalue": lambda k: k.optimizers.Adam(0.003, clipvalue=0.005),
}
BATCHES = (40, 16, 20, 1)
# fmt: on


def rows(count):
    """Walks the four tables at once; their lengths have no common divisors, so that other entries meet in each row."""
    tables = [list(table) for table in (NETS, LOSSES, OPTIMIZERS, BATCHES)]
    return [tuple(table[i % len(table)] for table in tables) for i in range(count)]


@pytest.mark.numeric
@pytest.mark.parametrize(("net", "loss", "optimizer", "batch"), rows(38))
def test_five_epochs(twins, same_weights, net, loss, optimizer, batch):
    units, activation, make_loss, y = LOSSES[loss]
    x = X.reshape(N, 3, 4) if net.startswith("3-D") else X
    peer, model = twins(
        lambda k: [*NETS[net](k), k.layers.Dense(units, activation=activation)],
        lambda k: {"optimizer": OPTIMIZERS[optimizer](k), "loss": make_loss(k)},
    )
    check(peer, model, same_weights, x, y, batch, mean_of_rows=loss not in ("mse sum", "scce ignore"))


def check(peer, model, same_weights, x, y, batch, mean_of_rows=True):
    """Trains both, then compares losses, weights, predictions and evaluations."""
    start = model.get_weights()
    expected, got = (m.fit(x, y, batch, epochs=5, shuffle=False, verbose=0).history["loss"] for m in (peer, model))
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    same_weights(peer.get_weights(), model.get_weights())
    assert any(not np.array_equal(a, b) for a, b in zip(start, model.get_weights(), strict=True))
    model.set_weights(peer.get_weights())
    outputs, value = peer.predict(x, batch_size=N, verbose=0), peer.evaluate(x, y, N, verbose=0)
    for size in (N, 16) if mean_of_rows else (N,):
        np.testing.assert_allclose(model.predict(x, size, verbose=0), outputs, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(model.evaluate(x, y, size, verbose=0), value, rtol=1e-5)


@pytest.mark.numeric
def test_a_net_of_the_other_activations(twins, same_weights):
    names = ("celu", "squareplus", "hard_tanh", "log_sigmoid", "tanh_shrink", "hard_sigmoid", "sparse_plus",
             "sparse_sigmoid", "relu6", "soft_shrink", "softmax", "exponential")  # fmt: skip
    peer, model = twins(
        lambda k: [k.Input((12,)), *(k.layers.Dense(8, name) for name in names), k.layers.Dense(2)],
        lambda k: {"optimizer": k.optimizers.SGD(0.02), "loss": "mse"},
    )
    check(peer, model, same_weights, X, POINTS, 20)
