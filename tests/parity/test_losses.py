"""Every loss next to Keras's: values with every reduction and form of weights, gradients, traced losses in training."""

import json

import numpy as np
import pytest

import ironhorn
from ironhorn import _core, losses, ops

RNG = np.random.default_rng(5)
P = RNG.uniform(0.02, 1, (6, 3)).astype(np.float32)
P /= P.sum(1, keepdims=True)
Z = RNG.normal(size=(6, 3)).astype(np.float32) * 2
CLASSES = np.array([0, 2, 1, 1, 0, 2])
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
SOFT = RNG.dirichlet((1, 1, 1), 6).astype(np.float32)
SIGNS = np.where(ONE_HOT == 1, np.float32(1), np.float32(-1))
REAL = RNG.normal(size=(6, 3)).astype(np.float32)
COUNTS = RNG.poisson(2.0, (6, 3)).astype(np.float32)
W = np.array([1.0, 0.5, 0.0, 2.0, 1.5, 0.25], np.float32)
SMOOTH, LOGITS, FOCUS = {"label_smoothing": 0.2}, {"from_logits": True}, {"gamma": 1.5, "alpha": 0.4}
# fmt: off
CASES = [
    ("MeanSquaredError", {}, REAL, Z), ("MeanAbsoluteError", {}, REAL, Z),
    ("MeanAbsolutePercentageError", {}, REAL, Z), ("MeanSquaredLogarithmicError", {}, COUNTS, Z),
    ("LogCosh", {}, REAL, Z), ("LogCosh", {}, REAL, Z * 40), ("Huber", {}, REAL, Z), ("Huber", {"delta": 0.3}, REAL, Z),
    ("CosineSimilarity", {}, REAL, Z), ("KLDivergence", {}, SOFT, P), ("Poisson", {}, COUNTS, P * 4),
    ("BinaryCrossentropy", {}, ONE_HOT, P), ("BinaryCrossentropy", LOGITS | SMOOTH, ONE_HOT, Z),
    ("BinaryFocalCrossentropy", {}, ONE_HOT, P), ("BinaryFocalCrossentropy", SMOOTH | FOCUS, SOFT, P),
    ("BinaryFocalCrossentropy", LOGITS | SMOOTH | FOCUS | {"apply_class_balancing": True}, ONE_HOT, Z),
    ("CategoricalCrossentropy", {}, ONE_HOT, P), ("CategoricalCrossentropy", LOGITS | SMOOTH, SOFT, Z),
    ("CategoricalFocalCrossentropy", {}, ONE_HOT, P * 2), ("CategoricalFocalCrossentropy", SMOOTH | FOCUS, SOFT, P),
    ("CategoricalFocalCrossentropy", LOGITS | FOCUS, ONE_HOT, Z),
    ("CategoricalFocalCrossentropy", LOGITS | {"alpha": [0.2, 0.5, 0.3]}, ONE_HOT, Z),
    ("SparseCategoricalCrossentropy", {}, CLASSES, P), ("SparseCategoricalCrossentropy", LOGITS, CLASSES, Z),
    ("CategoricalGeneralizedCrossEntropy", {}, CLASSES, P),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.8}, CLASSES, P),
    ("Hinge", {}, SIGNS, Z), ("Hinge", {}, ONE_HOT, Z),
    ("SquaredHinge", {}, SIGNS, Z), ("SquaredHinge", {}, ONE_HOT, Z),
    ("CategoricalHinge", {}, ONE_HOT, Z), ("Dice", {"axis": -1}, ONE_HOT, P),
    ("Tversky", {"axis": -1}, SOFT, P), ("Tversky", {"axis": -1, "alpha": 0.3, "beta": 0.9}, ONE_HOT, P),
]
ALONE = [
    ("Dice", {}, ONE_HOT, P), ("Dice", {"axis": (0,)}, ONE_HOT, P), ("Tversky", {"alpha": 0.3}, ONE_HOT, P),
    ("Hinge", {}, np.sign(REAL) * (COUNTS > 1), Z), ("SquaredHinge", {}, np.sign(REAL) * (COUNTS > 1), Z),
    ("CosineSimilarity", {"axis": 0}, REAL, Z), ("BinaryCrossentropy", {"axis": 0}, ONE_HOT, P),
    ("CategoricalCrossentropy", {"axis": 0}, ONE_HOT, P), ("BinaryFocalCrossentropy", {"axis": 0}, ONE_HOT, P),
    ("CategoricalFocalCrossentropy", {"axis": 0}, ONE_HOT, P), ("MeanSquaredError", {}, REAL[:, :1], Z),
    ("MeanAbsoluteError", {}, np.stack([REAL, Z]), np.stack([Z, Z])), ("Huber", {}, REAL[:, 0], Z[:, :1]),
    ("CosineSimilarity", {}, 0 * REAL, Z), ("KLDivergence", {}, ONE_HOT, ONE_HOT[::-1]),
]
# fmt: on
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def label(case):
    return case[0] + "".join(f"-{value}" for value in case[1].values()) if isinstance(case, tuple) else str(case)


@pytest.mark.numeric
@pytest.mark.parametrize("case", CASES, ids=label)
def test_values(keras, case):
    name, arguments, y_true, y_pred = case
    for reduction in REDUCTIONS:
        theirs, ours = (getattr(p.losses, name)(reduction=reduction, **arguments) for p in (keras, ironhorn))
        for weights in (None, 2.5, W, W[:, None], 0 * W):
            expected, got = (np.asarray(f(y_true, y_pred, sample_weight=weights)) for f in (theirs, ours))
            assert got.shape == expected.shape and got.dtype == expected.dtype
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6, err_msg=f"{reduction} {weights}")


@pytest.mark.parametrize("case", ALONE, ids=label)
def test_values_of_what_stands_alone(keras, case):
    name, arguments, y_true, y_pred = case
    for reduction in REDUCTIONS:
        theirs, ours = (getattr(p.losses, name)(reduction=reduction, **arguments) for p in (keras, ironhorn))
        expected, got = (np.asarray(f(y_true, y_pred)) for f in (theirs, ours))
        assert got.shape == expected.shape and got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6, err_msg=str(reduction))


@pytest.mark.parametrize("case", CASES, ids=label)
def test_gradients(keras, case):
    jax = pytest.importorskip("jax")
    name, arguments, y_true, y_pred = case
    theirs, ours = (getattr(p.losses, name)(reduction="sum", **arguments) for p in (keras, ironhorn))
    if arguments.get("gamma") == 1.5 and not arguments.get("from_logits"):
        y_pred = y_pred * np.float32(0.9)  # a fractional power of 1 - p has no derivative at rounding's 0
    expected = np.asarray(jax.grad(lambda p: theirs(y_true, p))(y_pred))
    got = _core.loss_gradient(json.dumps(losses.serialize(ours)), y_true, y_pred)
    assert got.shape == y_pred.shape and got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5 * np.abs(expected).max())


def test_every_loss_is_here(keras):
    missing = {"CTC", "Circle", "ctc", "circle", "deserialize", "get", "serialize"}
    theirs = {name for name in dir(keras.losses) if callable(getattr(keras.losses, name))} - missing
    assert theirs <= set(dir(losses)) and {case[0] for case in CASES} <= theirs
    tested = {case[0] for case in CASES}
    assert tested == {name for name in theirs if name[0].isupper()} - {"Loss"}
    short = {"mse", "MSE", "mae", "MAE", "mape", "MAPE", "msle", "MSLE", "kld", "KLD", "bce", "BCE"}
    # Keras exports these two, and its `get` does not know them.
    unknown = {"CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy"}
    for spelling in (short | theirs) - unknown - {"Loss"}:
        pair = (keras.losses.get(spelling), losses.get(spelling))
        names = [getattr(entry, "__name__", type(entry).__name__) for entry in pair]
        assert names[0] == names[1]


def test_configurations_are_keras_s(keras):
    for name, arguments, _, _ in CASES:
        theirs, ours = (getattr(p.losses, name)(reduction="sum", name="x", **arguments) for p in (keras, ironhorn))
        config = ours.get_config()
        assert theirs.get_config().items() <= config.items()
        assert getattr(keras.losses, name).from_config(config).get_config() == theirs.get_config()
        assert type(ours).from_config(theirs.get_config()).reduction == "sum"
        default = getattr(keras.losses, name)().name
        assert getattr(losses, name)().name == default


def pinball(ops):
    def loss(y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(0.9 * error, -0.1 * error), axis=-1)

    return loss


def weighted_logits(ops):
    def loss(y_true, y_pred):
        shifted = y_pred - ops.max(y_pred, axis=-1, keepdims=True)
        log_p = shifted - ops.log(ops.sum(ops.exp(shifted), axis=-1, keepdims=True))
        focus = ops.power(1.0 - ops.exp(log_p), 1.5)
        return -ops.sum(ops.cast(y_true, "float32") * focus * log_p, axis=-1)

    return loss


def robust(ops):
    def loss(y_true, y_pred):
        error = ops.abs(y_true - y_pred)
        inner = ops.where(ops.logical_and(error < 1.0, error > 0.2), ops.square(error), ops.log1p(error))
        return ops.mean(inner) + 0.1 * ops.mean(ops.softplus(y_pred))

    return loss


def each_element(ops):
    return lambda y_true, y_pred: ops.sqrt(ops.square(y_true - y_pred) + 0.01) * ops.clip(y_true, -0.5, 2.0) ** 2


@pytest.mark.parametrize("make", [pinball, weighted_logits, robust, each_element])
def test_traced_losses(keras, make):
    jax = pytest.importorskip("jax")
    theirs, ours = make(keras.ops), make(ops)
    y_true = ONE_HOT if make is weighted_logits else REAL
    expected = np.asarray(jax.grad(lambda p: keras.ops.mean(theirs(y_true, p)))(Z))
    traced = losses.resolve(ours)
    np.testing.assert_allclose(traced(y_true, Z), np.mean(theirs(y_true, Z)), rtol=1e-5)
    form = json.dumps(losses.serialize(traced))
    np.testing.assert_allclose(_core.loss_values(form, y_true, Z).mean(), np.mean(theirs(y_true, Z)), rtol=1e-5)
    np.testing.assert_allclose(_core.loss_gradient(form, y_true, Z) / len(Z), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [pinball, weighted_logits, robust, each_element])
def test_traced_losses_train(keras, twins, same_weights, make):
    x, y = RNG.normal(size=(40, 4)).astype("f4"), np.tile(ONE_HOT, (7, 1))[:40]
    peer, model = twins(
        lambda package: [package.Input((4,)), package.layers.Dense(5, activation="tanh"), package.layers.Dense(3)],
        lambda package: {"optimizer": package.optimizers.SGD(0.05), "loss": make(package.ops)},
    )
    for each in (peer, model):
        each.fit(x, y, epochs=3, batch_size=8, shuffle=False, verbose=0)
    same_weights(peer.get_weights(), model.get_weights())


@pytest.mark.parametrize("case", CASES, ids=label)
def test_training(keras, same_weights, case):
    """One step of SGD on rows that the loss can take: the gradient of the kernels in single precision."""
    name, arguments, y_true, y_pred = case
    positive = y_pred.min() >= 0
    results = []
    for package in (keras, ironhorn):
        layer = package.layers.Dense(3, activation="sigmoid" if positive else None)
        model = package.Sequential([package.Input((3,)), layer])
        loss = getattr(package.losses, name)(**arguments)
        model.compile(optimizer=package.optimizers.SGD(0.1), loss=loss)
        model.set_weights([np.eye(3, dtype="f4") * 0.7 + 0.1, np.array([0.1, -0.2, 0.3], "f4")])
        history = model.fit(REAL, y_true, epochs=2, batch_size=4, shuffle=False, verbose=0, sample_weight=W)
        results.append((model.get_weights(), history.history["loss"]))
    same_weights(results[0][0], results[1][0])
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-4)
