"""Generators, data sets by number and sparse matrices: the same weights and logs as Keras, and as arrays."""

import re

import numpy as np
import pytest

import ironhorn

RNG = np.random.default_rng(12)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 40)
W = RNG.uniform(0, 2, 40).astype(np.float32)
STARTS = range(0, 40, 12)


def layers(k):
    return [k.Input((4,), name="x"), k.layers.Dense(5, "tanh", name="hidden"), k.layers.Dense(3, "softmax", name="out")]


def arguments(k):
    return {
        "optimizer": k.optimizers.Adam(0.01),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "weighted_metrics": [k.metrics.SparseCategoricalCrossentropy(name="weighted")],
    }


def cut(i, *arrays):
    return tuple(a[i : i + 12] for a in arrays)


def endless(*arrays):
    while True:
        for i in STARTS:
            yield cut(i, *arrays)


def dataset(k, *arrays):
    class Numbered(k.utils.PyDataset):
        def __len__(self):
            return len(STARTS)

        def __getitem__(self, index):
            return cut(12 * index, *arrays)

    return Numbered()


def same_logs(expected, got):
    assert list(got) == list(expected)
    for name in expected:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-4, err_msg=name)


CASES = {
    "generator": lambda k: ((endless(X, Y),), {"steps_per_epoch": 4}),
    "weights": lambda k: ((endless(X, Y, W),), {"steps_per_epoch": 4}),
    "fewer steps": lambda k: ((endless(X, Y, W),), {"steps_per_epoch": 3}),
    "validation": lambda k: (
        (endless(X, Y),),
        {"steps_per_epoch": 4, "validation_data": dataset(k, X[::-1], Y[::-1], W), "validation_steps": 2},
    ),
    "validation seldom": lambda k: (
        (X, Y, 12),
        {"validation_data": endless(X, Y), "validation_steps": 4, "validation_freq": 2},
    ),
    "dataset": lambda k: ((dataset(k, X, Y, W),), {"validation_data": dataset(k, X, Y)}),
    "dataset and arrays": lambda k: ((dataset(k, X, Y),), {"validation_data": (X, Y, W)}),
    "classes": lambda k: ((dataset(k, X, Y),), {"class_weight": {0: 2.0, 2: 0.5}}),
}


@pytest.mark.parametrize("case", CASES)
def test_fit(keras, twins, same_weights, case):
    peer, model = twins(layers, arguments)
    histories = []
    for package, each in ((keras, peer), (ironhorn, model)):
        given, options = CASES[case](package)
        histories.append(each.fit(*given, epochs=3, shuffle=False, verbose=0, **options).history)
    same_logs(*histories)
    same_weights(peer.get_weights(), model.get_weights())


def test_a_generator_and_arrays_of_the_same_batches_give_the_same_bits(twins):
    model, other = (twins(layers, arguments)[1] for _ in range(2))
    other.set_weights(model.get_weights())
    history = model.fit(X, Y, 12, epochs=3, shuffle=False, verbose=0, sample_weight=W).history
    trained = model.get_weights()
    assert other.fit(endless(X, Y, W), steps_per_epoch=4, epochs=3, verbose=0).history == history
    for a, b in zip(trained, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_evaluate_and_predict(keras, twins):
    peer, model = twins(layers, arguments)
    expected, got = (each.evaluate(endless(X, Y, W), steps=3, verbose=0, return_dict=True) for each in (peer, model))
    same_logs(expected, got)
    results = [
        (each.predict(endless(X), steps=3, verbose=0), each.predict(dataset(package, X, Y), verbose=0))
        for package, each in ((keras, peer), (ironhorn, model))
    ]
    for expected, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_data_set_of_keras_itself(keras, twins, same_weights):
    peer, model = twins(layers, arguments)
    for each in (peer, model):
        each.fit(dataset(keras, X, Y), epochs=2, shuffle=False, verbose=0)
    same_weights(peer.get_weights(), model.get_weights())


SIGNED = W - 0.5


def test_negative_weights_count_in_every_form(keras, twins, same_weights):
    """As the advantages of a policy gradient do, which raise the probabilities of some actions and lower others."""
    pair = twins(layers, arguments)
    for fit in (
        lambda k, model: model.fit(X, Y, 12, 1, 0, shuffle=False, sample_weight=SIGNED),
        lambda k, model: model.fit(X, Y, 12, 1, 0, shuffle=False, class_weight={0: -0.5, 2: 2.0}),
        lambda k, model: model.fit(endless(X, Y, SIGNED), steps_per_epoch=4, shuffle=False, verbose=0),
        lambda k, model: model.fit(dataset(k, X, Y, SIGNED), shuffle=False, verbose=0),
    ):
        same_logs(*(fit(k, model).history for k, model in zip((keras, ironhorn), pair, strict=True)))
        same_weights(*(model.get_weights() for model in pair))
    x, y, weights = cut(0, X, Y, SIGNED)
    for method in ("test_on_batch", "train_on_batch"):
        same_logs(*(getattr(model, method)(x, y, weights, return_dict=True) for model in pair))


def test_what_a_generator_brings_itself(keras, twins):
    for options, text in (
        ({"y": Y}, "`y` should not be passed"),
        ({"sample_weight": W}, "`sample_weights` should not be passed"),
        ({"class_weight": {0: 1.0}}, "`class_weight` is not supported"),
    ):
        for each in twins(layers, arguments):
            with pytest.raises(ValueError, match=text):
                each.fit(endless(X, Y), steps_per_epoch=1, shuffle=False, **options)


def test_the_end_of_the_data_is_told(twins):
    for each in twins(layers, arguments):
        with pytest.warns(UserWarning, match="Your input ran out of data; interrupting training"):
            each.fit((cut(i, X, Y) for i in STARTS), steps_per_epoch=10, shuffle=False, verbose=0)


def test_methods_on_batches_clear_the_metrics(twins):
    pair = twins(layers, arguments)
    for x, y, w in (cut(0, X, Y, W), cut(12, X, Y, W)):
        expected, got = (each.train_on_batch(x, y, w, return_dict=True) for each in pair)
        same_logs(expected, got)
        expected, got = (each.test_on_batch(x, y, return_dict=True) for each in pair)
        same_logs(expected, got)
    expected, got = (each.train_on_batch(X, Y, class_weight={1: 3.0}) for each in pair)
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    np.testing.assert_allclose(pair[1].predict_on_batch(X), pair[0].predict_on_batch(X), rtol=1e-4)


@pytest.mark.parametrize("verbose", [1, 2])
def test_bars_of_an_unknown_length(twins, capsys, verbose):
    texts = []
    for each in twins(layers, arguments):
        each.fit(endless(X, Y), steps_per_epoch=4, epochs=2, verbose=verbose, shuffle=False)
        each.evaluate(endless(X, Y), steps=4, verbose=verbose)
        each.predict(endless(X), steps=4, verbose=verbose)
        text = re.sub(r"\x1b\[\d+m|\x08", "", capsys.readouterr().out)
        texts.append([line.split("\r")[-1].split(" ")[0] for line in text.split("\n")])
    assert texts[1] == texts[0]
