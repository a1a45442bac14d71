"""Weights of samples and classes, validation, metrics, logs, lines: as fit and evaluate of Keras have them."""

import re

import numpy as np
import pytest

import ironhorn
from ironhorn.models import Sequential
from ironhorn.models.data import pack, split

RNG = np.random.default_rng(11)
X = RNG.normal(size=(30, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 30)
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
LABELS = (X[:, :1] > 0).astype(np.int32)
W = RNG.uniform(0, 2, 30).astype(np.float32)


def layers(units, activation):
    return lambda k: [
        k.Input((4,), name="x"),
        k.layers.Dense(5, activation="tanh", name="hidden"),
        k.layers.Dense(units, activation=activation, name="out"),
    ]


def same_logs(expected, got):
    assert list(got) == list(expected)
    for name in expected:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-4, err_msg=name)


def run(twins, layers, arguments, *args, **kwargs):
    """Fits both and compares their histories."""
    peer, model = twins(layers, arguments)
    shared = {"epochs": 3, "batch_size": 15, "shuffle": False, "verbose": 0} | kwargs
    same_logs(*(m.fit(*args, **shared).history for m in (peer, model)))
    return peer, model


def sgd(loss, *metrics):
    return lambda k: {"optimizer": k.optimizers.SGD(0.1), "loss": loss, "metrics": list(metrics)}


@pytest.mark.parametrize(
    ("units", "activation", "loss", "y"),
    [
        (1, "sigmoid", "binary_crossentropy", LABELS),
        (3, "sigmoid", "binary_crossentropy", ONE_HOT),
        (3, "softmax", "categorical_crossentropy", ONE_HOT),
        (3, "softmax", "sparse_categorical_crossentropy", CLASSES),
        (3, "softmax", "sparse_categorical_crossentropy", CLASSES[:, None]),
        (1, None, "mse", LABELS[:, 0]),
    ],
)
def test_metrics_in_the_logs(twins, units, activation, loss, y):
    names = ["accuracy"] if "sparse" in loss else ["mae", "accuracy", "mse"]
    peer, model = run(twins, layers(units, activation), sgd(loss, *names), X, y, validation_split=0.5)
    model.set_weights(peer.get_weights())
    expected, got = (m.evaluate(X[:15], y[:15], 15, verbose=0) for m in (peer, model))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    expected, got = (m.evaluate(X[:15], y[:15], 15, verbose=0, return_dict=True) for m in (peer, model))
    same_logs(expected, got)
    assert model.metrics_names[0] == peer.metrics_names[0] == "loss"


def test_metric_objects_and_their_names(twins):
    def arguments(k):
        chosen = [k.metrics.BinaryAccuracy(threshold=0.3), k.metrics.MeanSquaredError(name="own"), "bce", "acc"]
        return {"optimizer": "sgd", "loss": "bce", "metrics": chosen}

    run(twins, layers(1, "sigmoid"), arguments, X, LABELS)


def test_names_of_functions_in_the_logs(twins):
    def arguments(k):
        def MyError(y_true, y_pred):
            return k.ops.abs(y_true - y_pred)

        return {"optimizer": "sgd", "loss": "mse", "metrics": [MyError, lambda y, p: k.ops.square(y - p)]}

    run(twins, layers(1, None), arguments, X, LABELS.astype(np.float32))


def test_sample_weights(twins, same_weights):
    pair = run(twins, layers(3, "softmax"), sgd("sparse_categorical_crossentropy", "accuracy"), X, CLASSES,
               sample_weight=W, validation_split=0.5)  # fmt: skip
    same_weights(*(m.get_weights() for m in pair))
    expected, got = (m.evaluate(X, CLASSES, 15, sample_weight=W, verbose=0) for m in pair)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_class_weights(twins, same_weights):
    for y, loss in ((CLASSES, "sparse_categorical_crossentropy"), (ONE_HOT, "categorical_crossentropy")):
        pair = run(twins, layers(3, "softmax"), sgd(loss), X, y, class_weight={0: 2.0, 2: 0.5}, validation_split=0.5)
        same_weights(*(m.get_weights() for m in pair))


def test_validation_data_with_weights_and_another_batch_size(twins):
    data = (X[20:], LABELS[20:], W[20:])
    options = {"validation_data": data, "validation_batch_size": 5, "validation_freq": 2, "epochs": 4}
    run(twins, layers(1, "sigmoid"), sgd("bce", "accuracy"), X[:15], LABELS[:15], **options)


@pytest.mark.parametrize(("n", "share"), [(30, 0.21), (29, 0.1), (10, 0.333), (7, 0.5), (3, 0.01)])
def test_the_split_is_at_the_same_row(keras, n, share):
    from keras.src.trainers.data_adapters import array_slicing

    rows = np.arange(n)
    try:
        (train,), (held_out,) = array_slicing.train_validation_split((rows,), share)
    except ValueError:
        with pytest.raises(ValueError, match="not sufficient to split"):
            split(pack(Sequential(), rows), share)
        return
    got = split(pack(Sequential(), rows), share)
    np.testing.assert_array_equal(got[0].x[0], train)
    np.testing.assert_array_equal(got[1].x[0], held_out)


def test_train_and_test_on_batch(twins):
    peer, model = twins(layers(1, "sigmoid"), sgd("bce", "mae", "accuracy"))
    for _ in range(2):
        expected, got = (m.train_on_batch(X[:15], LABELS[:15], sample_weight=W[:15]) for m in (peer, model))
        np.testing.assert_allclose(got, expected, rtol=1e-4)
    expected, got = (m.test_on_batch(X[:15], LABELS[:15], return_dict=True) for m in (peer, model))
    same_logs(expected, got)


def lines(text):
    """Without colours, numbers and times; of a bar that was drawn over itself the last state."""
    plain = re.sub(r"\x1b\[\d+m|\x08", "", text)
    states = [line.split("\r")[-1].rstrip() for line in plain.split("\n")]
    return [re.sub(r"\d\.\d{4}", "x", re.sub(r"\d+(s|ms|us)\b", "T", line)) for line in states]


@pytest.mark.parametrize("verbose", [1, 2])
def test_lines_and_bars(twins, capsys, verbose):
    peer, model = twins(layers(1, "sigmoid"), sgd("bce", "mae"))
    texts = []
    for each in (peer, model):
        each.fit(X, LABELS, 15, epochs=2, verbose=verbose, shuffle=False, validation_split=0.5)
        each.fit(X, LABELS, 15, verbose=verbose, shuffle=False)
        each.evaluate(X, LABELS, 15, verbose=verbose)
        each.predict(X, 15, verbose=verbose)
        texts.append(capsys.readouterr().out)
    assert lines(texts[1]) == lines(texts[0])
    assert "x" in "".join(lines(texts[1])) and (verbose == 1) == ("━" in texts[1])


def test_early_stopping(keras, twins):
    falling = [5, 4, 4, 4.05, 3.9, 3.95, 3.99, 3.0, 3.1, 3.2, 3.3, 3.4]
    curves = [falling, falling[::-1], [1.0] * 6, [float("nan"), 2, 1, float("nan"), 3, 3], [3, 2, 1], [0.5, 0.6]]
    options = [
        {}, {"patience": 1}, {"patience": 3}, {"patience": 2, "min_delta": 0.1}, {"patience": 2, "baseline": 3.5},
        {"patience": 1, "start_from_epoch": 3}, {"patience": 2, "mode": "max"},
        {"patience": 2, "mode": "max", "baseline": 3.95, "min_delta": 0.04}, {"patience": 0, "start_from_epoch": 1},
    ]  # fmt: skip
    peer, model = twins(lambda k: [k.Input((1,)), k.layers.Dense(1)], sgd("mse"))

    def decisions(package, each, curve, chosen):
        callback = package.callbacks.EarlyStopping(monitor="loss", restore_best_weights=True, **chosen)
        callback.set_model(each)
        each.stop_training = False
        callback.on_train_begin()
        seen = []
        for epoch, value in enumerate(curve):
            each.set_weights([np.full((1, 1), float(epoch)), np.zeros(1)])
            callback.on_epoch_end(epoch, {"loss": value})
            seen.append((epoch, callback.wait, callback.best_epoch, callback.stopped_epoch, each.stop_training))
            if each.stop_training:
                break
        callback.on_train_end()
        return seen, float(each.get_weights()[0][0, 0])

    for curve in curves:
        for chosen in options:
            expected = decisions(keras, peer, curve, chosen)
            assert decisions(ironhorn, model, curve, chosen) == expected, (curve, chosen)
