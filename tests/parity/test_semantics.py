"""What clones of Keras get wrong in their numbers: points 1 to 7 and 12 to 15 of the contract's 21, against Keras."""

import numpy as np
import pytest

import ironhorn
from semantics import CLASSES, LABELS, ONE_HOT, RNG, SPARSE, W, X, Y, compiled, evaluate, fit, net, packages, same


@pytest.mark.parametrize("share", [0.1, 0.25, 0.34])
def test_01_validation_split_takes_the_last_rows(twins, share):
    pair = twins(net(2), compiled())
    same(fit(pair, X, Y, validation_split=share))
    split = int(np.floor(22 * (1 - share)))
    logs = evaluate(pair, X[split:], Y[split:])
    np.testing.assert_allclose(logs[1]["loss"], pair[1].history.history["val_loss"][-1], rtol=1e-5)


def test_01_a_split_with_an_empty_side_is_an_error(twins):
    for model in twins(net(2), compiled()):
        with pytest.raises(ValueError, match="not sufficient to split"):
            model.fit(X[:1], Y[:1], validation_split=0.1, verbose=0)
        history = model.fit(X[:2], Y[:2], validation_split=0.1, verbose=0).history
        assert len(history["val_loss"]) == 1


def test_02_training_loss_is_the_running_mean_while_weights_change_with_regularizers(twins):
    pair = twins(net(2, kernel_regularizer="l2", activity_regularizer="l1"), compiled(rate=0.5))
    same(fit(pair, X, Y, validation_data=(X, Y)))
    same(evaluate(pair, X, Y, batch_size=8))
    # The mean over batches of 8, 8 and 6 rows by hand: each batch's loss before its step.
    peer, model = twins(net(2, kernel_regularizer="l2"), compiled(rate=0.5))
    clone = ironhorn.models.clone_model(model)
    clone.compile(**compiled(rate=0.5)(ironhorn))
    clone.set_weights(model.get_weights())
    parts = [(clone.train_on_batch(X[i : i + 8], Y[i : i + 8]), len(X[i : i + 8])) for i in (0, 8, 16)]
    by_hand = sum(loss * rows for loss, rows in parts) / 22
    for history in fit((peer, model), X, Y, epochs=1):
        assert history["loss"] == [pytest.approx(by_hand, rel=1e-5)]


def test_02_dropout_is_active_in_the_training_loss_only(twins):
    def layers(k):
        return [k.Input((4,)), k.layers.Dropout(0.5), k.layers.Dense(2)]

    pair = twins(layers, compiled(rate=0.0))
    for model, history in zip(pair, fit(pair, X, Y, epochs=1, validation_data=(X, Y)), strict=True):
        plain = model.evaluate(X, Y, verbose=0)
        assert history["val_loss"] == [pytest.approx(plain, rel=1e-5)]
        assert abs(history["loss"][0] - plain) > 0.01 * plain


def test_03_sum_over_batch_size_divides_by_the_number_of_values(keras, twins):
    for reduction, divisor in (("sum_over_batch_size", 22), ("mean", 22), ("mean_with_sample_weight", W.sum())):
        by_hand = (((X[:, :2] - Y) ** 2).mean(-1) * W).sum() / divisor
        for package in packages(keras):
            loss = package.losses.MeanSquaredError(reduction=reduction)
            assert float(loss(Y, X[:, :2], sample_weight=W)) == pytest.approx(by_hand, rel=1e-5)
        pair = twins(
            net(2),
            lambda k, r=reduction: {"optimizer": k.optimizers.SGD(0.1), "loss": k.losses.MeanSquaredError(reduction=r)},
        )
        same(fit(pair, X, Y, sample_weight=W))


def test_03_metrics_ignore_weights_and_weighted_metrics_use_them(twins):
    pair = twins(net(2), compiled(metrics=["mae"], weighted_metrics=["mse"]))
    same(fit(pair, X, Y, sample_weight=W, validation_data=(X, Y, W)))
    same(evaluate(pair, X, Y, sample_weight=W))
    logs = pair[1].evaluate(X, Y, sample_weight=W, return_dict=True, verbose=0)
    errors = pair[1].predict(X, verbose=0) - Y
    assert logs["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert logs["mse"] == pytest.approx(((errors**2).mean(-1) * W).sum() / W.sum(), rel=1e-5)


def test_04_class_weight_with_sample_weight_raises(twins):
    for model in twins(net(3, "softmax"), compiled(SPARSE)):
        for call in (model.fit, model.train_on_batch):
            with pytest.raises(ValueError, match=r"sample_weight|class_weight"):
                call(X, CLASSES, sample_weight=W, class_weight={0: 2.0})


def test_04_classes_that_are_not_named_weigh_one(twins, same_weights):
    pair = twins(net(3, "softmax"), compiled(SPARSE, weighted_metrics=["accuracy"]))
    same(fit(pair, X, CLASSES, class_weight={1: 3.0}))
    same_weights(*(model.get_weights() for model in pair))
    weights = np.where(CLASSES == 1, 3.0, 1.0).astype(np.float32)
    logs = [model.train_on_batch(X, CLASSES, class_weight={1: 3.0}, return_dict=True) for model in pair]
    pair = twins(net(3, "softmax"), compiled(SPARSE, weighted_metrics=["accuracy"]))
    other = fit(pair, X, CLASSES, sample_weight=weights)
    same(other)
    same([model.train_on_batch(X, CLASSES, sample_weight=weights, return_dict=True) for model in pair])
    same(logs)


@pytest.mark.parametrize(
    ("rows", "options", "steps"),
    [(70, {}, 3), (64, {}, 2), (70, {"steps_per_epoch": 4}, 4), (70, {"batch_size": 16, "steps_per_epoch": 2}, 2)],
)
def test_05_batches_are_of_32_or_what_the_steps_ask_for_and_the_last_is_kept(twins, rows, options, steps):
    x, y = np.resize(X, (rows, 4)), np.resize(Y, (rows, 2))
    pair = twins(net(2), compiled())
    options = {"batch_size": None, "epochs": 1} | options
    same(fit(pair, x, y, **options))
    assert [int(model.optimizer.iterations) for model in pair] == [steps, steps]


@pytest.mark.parametrize(
    ("units", "activation", "loss", "y", "meant"),
    [
        (1, None, "mse", LABELS, "BinaryAccuracy"),  # 0.5, although these are no probabilities
        (1, "sigmoid", "binary_crossentropy", LABELS[:, None], "BinaryAccuracy"),
        (3, "softmax", SPARSE, CLASSES, "SparseCategoricalAccuracy"),
        (3, "softmax", SPARSE, CLASSES[:, None], "SparseCategoricalAccuracy"),
        (3, "softmax", "categorical_crossentropy", ONE_HOT, "CategoricalAccuracy"),
        (3, "sigmoid", "binary_crossentropy", ONE_HOT, "CategoricalAccuracy"),
    ],
)
def test_06_accuracy_is_the_one_that_the_shapes_ask_for(twins, units, activation, loss, y, meant):
    pair = twins(net(units, activation), compiled(loss, metrics=["accuracy"]))
    pair[1].fit(X, y, epochs=3, verbose=0)
    pair[0].set_weights(pair[1].get_weights())
    logs = evaluate(pair, X, y)
    same(logs)
    metric = getattr(ironhorn.metrics, meant)()
    metric.update_state(np.reshape(y, (22, -1)), pair[1].predict(X, verbose=0))
    assert logs[1]["accuracy"] == pytest.approx(float(metric.result()))


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
def test_07_crossentropy_clips_probabilities_and_categorical_renormalises_first(keras, name):
    rows = np.array([[0.0, 0.0, 1.0], [1e-9, 0.5, 0.5], [0.2, 0.3, 0.1], [2.0, 1.0, 1.0]], np.float32)
    rows = np.clip(rows, 0, 1) if name == "BinaryCrossentropy" else rows
    y = np.array([0, 0, 2, 1]) if name.startswith("Sparse") else np.eye(3, dtype=np.float32)[[0, 0, 2, 1]]
    expected, got = (np.asarray(getattr(package.losses, name)(reduction=None)(y, rows)) for package in packages(keras))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    if name == "CategoricalCrossentropy":
        np.testing.assert_allclose(got, -np.log([1e-7, 1e-7, 1 / 6, 0.25]), rtol=1e-4)


@pytest.mark.parametrize(
    ("units", "activation", "loss", "y"),
    [(1, "sigmoid", "binary_crossentropy", LABELS), (3, "softmax", SPARSE, CLASSES)],
)
def test_07_after_softmax_or_sigmoid_it_is_keras_s_away_from_saturation_and_finite_in_it(
    twins, same_weights, units, activation, loss, y
):
    peer, model = twins(net(units, activation), compiled(loss))
    same(fit((peer, model), X, y))
    same_weights(peer.get_weights(), model.get_weights())
    weights = [w * 0 for w in model.get_weights()]
    weights[-1] = np.linspace(-60, 60, units + 1, dtype=np.float32)[1:]  # certain of the last class
    wrong = np.zeros_like(y)
    model.set_weights(weights)
    gap = weights[-1][-1] - (weights[-1][0] if units > 1 else 0)
    assert model.evaluate(X, wrong, verbose=0) == pytest.approx(gap, rel=1e-4)
    gradient = model.gradients(X, wrong).variables[-1]
    assert np.isfinite(gradient).all() and gradient[-1] == pytest.approx(1, rel=1e-4)


def normalized(k):
    return [k.Input((4,)), k.layers.BatchNormalization(momentum=0.9, name="norm"), k.layers.Dense(2, name="out")]


def test_12_batch_normalization_keeps_the_old_value_by_momentum_and_the_biased_variance(twins, same_weights):
    pair = twins(normalized, compiled())
    for model in pair:
        model.get_layer("norm").set_weights([np.ones(4), np.zeros(4), np.zeros(4), np.ones(4)])
    same(fit(pair, X, Y, batch_size=22, epochs=1))
    same_weights(*(model.get_weights() for model in pair))
    mean, variance = pair[1].get_layer("norm").get_weights()[2:]
    np.testing.assert_allclose(mean, 0.1 * X.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * X.var(0), rtol=1e-4)
    same(evaluate(pair, X, Y))


def test_12_batch_normalization_that_is_not_trainable_infers(keras, twins, same_weights):
    def frozen(k):
        layers = normalized(k)
        layers[1].trainable = False
        return layers

    pair = twins(frozen, compiled())
    before = [w.astype(np.float32) for w in (np.ones(4), np.zeros(4), X.mean(0) + 0.1, X.var(0) * 2)]
    for model in pair:
        model.get_layer("norm").set_weights(before)
    same(fit(pair, X, Y))
    same_weights(*(model.get_weights() for model in pair))
    for a, b in zip(before, pair[1].get_layer("norm").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for model in pair:  # called for training too it takes the moving statistics
        layer = model.get_layer("norm")
        np.testing.assert_allclose(layer(X, training=True), layer(X, training=False), rtol=1e-5)


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "Adagrad"])
def test_13_where_epsilon_sits(keras, name):
    start, g, rate, epsilon = np.array([1.0, -2.0], np.float32), np.array([1e-3, 0.2], np.float32), 0.1, 1e-2
    if name == "Adam":  # the bias correction is folded into the rate: epsilon is beside the uncorrected root
        corrected = rate * np.sqrt(1 - 0.999) / (1 - 0.9)
        by_hand = start - corrected * 0.1 * g / (np.sqrt(0.001 * g**2) + epsilon)
    elif name == "RMSprop":
        by_hand = start - rate * g / np.sqrt(0.1 * g**2 + epsilon)
    else:
        by_hand = start - rate * g / np.sqrt(0.1 + g**2 + epsilon)
    array, variable = start.copy(), keras.Variable(start)
    for package, weights in ((keras, variable), (ironhorn, array)):
        optimizer = getattr(package.optimizers, name)(rate, epsilon=epsilon)
        optimizer.build([weights])
        optimizer.apply([g], [weights])
    np.testing.assert_allclose(array, by_hand, rtol=1e-5)
    np.testing.assert_allclose(array, variable.numpy(), rtol=1e-6)


def test_14_weight_decay_is_decoupled_times_the_rate_and_takes_biases_too(twins, same_weights):
    def arguments(k):
        return {"optimizer": k.optimizers.Adam(0.1, weight_decay=0.5), "loss": "mse"}

    pair = twins(net(2), arguments)
    same(fit(pair, X, Y))
    same_weights(*(model.get_weights() for model in pair))
    array = np.array([2.0, -4.0], np.float32)  # a gradient of zero leaves the decay alone
    optimizer = ironhorn.optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.build([array])
    optimizer.apply([np.zeros(2, np.float32)], [array])
    np.testing.assert_allclose(array, [2.0 * 0.95, -4.0 * 0.95], rtol=1e-6)


def test_14_clipnorm_is_by_variable_and_one_clip_excludes_the_others(keras, twins, same_weights):
    for option in ("clipnorm", "global_clipnorm", "clipvalue"):
        pair = twins(net(2), lambda k, o=option: {"optimizer": k.optimizers.SGD(0.5, **{o: 0.05}), "loss": "mse"})
        same(fit(pair, X, Y))
        same_weights(*(model.get_weights() for model in pair))
    arrays = [np.zeros(2, np.float32), np.zeros(2, np.float32)]
    optimizer = ironhorn.optimizers.SGD(1.0, clipnorm=1.0)
    optimizer.build(arrays)
    optimizer.apply([np.array([3.0, 4.0]), np.array([0.3, 0.4])], arrays)
    np.testing.assert_allclose(arrays, [[-0.6, -0.8], [-0.3, -0.4]], rtol=1e-6)
    for package in packages(keras):
        with pytest.raises(ValueError, match="Only one of"):
            package.optimizers.SGD(clipnorm=1.0, clipvalue=1.0)


def test_14_averages_of_the_weights_overwrite_them_when_fit_ends(twins, same_weights):
    pair = twins(net(2), lambda k: {"optimizer": k.optimizers.SGD(0.3, use_ema=True, ema_momentum=0.7), "loss": "mse"})
    plain = twins(net(2), compiled(rate=0.3))[1]
    same(fit(pair, X, Y))
    same_weights(*(model.get_weights() for model in pair))
    fit((plain,), X, Y)
    assert np.abs(plain.get_weights()[0] - pair[1].get_weights()[0]).max() > 1e-3


def test_15_l2_has_no_half_and_activity_is_divided_by_the_batch(keras, twins, same_weights):
    w = RNG.normal(size=(3, 4)).astype(np.float32)
    for package in packages(keras):
        assert float(package.regularizers.L2(0.3)(w)) == pytest.approx(0.3 * (w**2).sum(), rel=1e-5)
        for name in ("l1", "l2"):
            config = package.regularizers.get(name).get_config()
            assert config[name] == pytest.approx(0.01)
    pair = twins(net(2, kernel_regularizer="l2", activity_regularizer="l2"), compiled())
    same(fit(pair, X, Y))
    same_weights(*(model.get_weights() for model in pair))
    model = pair[1]
    hidden = np.tanh(X @ model.get_weights()[0] + model.get_weights()[1])
    penalty = 0.01 * ((model.get_weights()[0] ** 2).sum() + (hidden**2).sum() / 22)
    errors = ((model.predict(X, verbose=0) - Y) ** 2).mean()
    assert model.evaluate(X, Y, batch_size=22, verbose=0) == pytest.approx(errors + penalty, rel=1e-5)
