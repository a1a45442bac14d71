"""Batches that come one at a time, from generators, iterables and data sets by number: the bits of whole arrays."""

import itertools
import threading

import numpy as np
import pytest

import ironhorn
from ironhorn import Model, Sequential, callbacks, layers, losses
from streams import STARTS, Loader, Numbered, W, X, Y, batches, counted, endless, net, reference, weights

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize(
    ("make", "steps"),
    [
        (lambda: (batch for batch in endless()), 7),
        (endless, 7),
        (lambda: Loader(True), None),
        (lambda: Loader(False), None),
        (lambda: Loader(True), 7),
        (lambda: Numbered(), None),
        (lambda: Numbered(workers=3, max_queue_size=2), None),
        (lambda: Numbered(workers=2, use_multiprocessing=True), 7),
    ],
    ids=["generator", "iterator", "loader", "unsized", "loader-steps", "dataset", "workers", "workers-steps"],
)
def test_batches_and_arrays_give_the_same_bits(make, steps, built):
    expected, history = reference(validation_data=(X, Y))
    model = net(built)
    options = {"steps_per_epoch": steps, "validation_data": make(), "validation_steps": steps}
    got = model.fit(make(), epochs=3, shuffle=False, verbose=0, **options)
    np.testing.assert_array_equal(weights(model), expected)
    assert got.history == history


def test_evaluate_and_predict():
    model = net()
    model.fit(X, Y, verbose=0)
    expected = model.evaluate(X, Y, 16, verbose=0)
    assert model.evaluate(Loader(), verbose=0) == expected
    assert model.evaluate(endless(), steps=7, verbose=0) == expected
    assert model.evaluate(Numbered(), verbose=0, return_dict=True) == dict(
        zip(model.metrics_names, expected, strict=True)
    )
    outputs = model.predict(X, verbose=0)
    for given, steps in ((Loader(), None), (Numbered(), None), (endless(X), 7), (iter([X[:50], X[50:]]), None)):
        np.testing.assert_array_equal(model.predict(given, steps=steps, verbose=0), outputs)
    np.testing.assert_array_equal(model.predict(endless(X), steps=2, verbose=0), outputs[:32])


def test_weights_of_samples_and_of_classes():
    expected, history = reference(sample_weight=W)
    model = net()
    assert model.fit(endless(X, Y, W), steps_per_epoch=7, epochs=3, verbose=0).history == history
    np.testing.assert_array_equal(weights(model), expected)
    chosen = {0: 2.0, 2: 0.5}
    expected, history = reference(class_weight=chosen)
    model = net()
    assert model.fit(Numbered(), epochs=3, verbose=0, shuffle=False, class_weight=chosen).history == history
    np.testing.assert_array_equal(weights(model), expected)
    with pytest.raises(ValueError, match="`class_weight` is not supported for Python generator"):
        model.fit(endless(), steps_per_epoch=2, class_weight=chosen)
    with pytest.raises(ValueError, match="`class_weight` and `sample_weight`"):
        model.fit(Numbered(X, Y, W), class_weight=chosen)


def test_weighted_metrics_over_batches():
    logs = [
        net(weighted_metrics=["accuracy"], metrics=None).fit(*given, batch_size=16, shuffle=False, verbose=0, **more)
        for given, more in (((X, Y), {"sample_weight": W}), ((endless(X, Y, W),), {"steps_per_epoch": 7}))
    ]
    assert logs[0].history == logs[1].history and "accuracy" in logs[0].history


def test_lists_and_dicts_of_inputs_and_outputs():
    def make():
        ironhorn.utils.clear_session()
        ironhorn.utils.set_random_seed(1)
        a, b = layers.Input((2,), name="a"), layers.Input((4,), name="b")
        hidden = layers.Concatenate()([a, b])
        outputs = [layers.Dense(3, "softmax", name="kind")(hidden), layers.Dense(1, name="size")(hidden)]
        model = Model([a, b], outputs)
        model.compile("sgd", {"kind": "sparse_categorical_crossentropy", "size": "mse"})
        return model

    size = X[:, :1]
    model = make()
    model.fit([X[:, :2], X[:, 2:]], [Y, size], 16, shuffle=False, verbose=0)
    expected = weights(model)
    forms = [
        lambda i: ([X[i : i + 16, :2], X[i : i + 16, 2:]], [Y[i : i + 16], size[i : i + 16]]),
        lambda i: (
            {"b": X[i : i + 16, 2:], "a": X[i : i + 16, :2]},
            {"size": size[i : i + 16], "kind": Y[i : i + 16]},
        ),
        lambda i: (
            (X[i : i + 16, :2], X[i : i + 16, 2:]),
            (Y[i : i + 16], size[i : i + 16]),
            np.ones(len(Y[i : i + 16])),
        ),
    ]
    for form in forms:
        model = make()
        model.fit((form(i) for i in STARTS), verbose=0)
        np.testing.assert_array_equal(weights(model), expected)
    outputs = model.predict((({"a": X[i : i + 16, :2], "b": X[i : i + 16, 2:]},) for i in STARTS), verbose=0)
    for got, want in zip(outputs, model.predict([X[:, :2], X[:, 2:]], verbose=0), strict=True):
        np.testing.assert_array_equal(got, want)


def test_batches_of_changing_size():
    cuts = [0, 5, 6, 30, 70, 100]
    parts = [(X[a:b], Y[a:b]) for a, b in itertools.pairwise(cuts)]
    model = net()
    history = model.fit(iter(parts), verbose=0).history
    other = net()
    losses_ = [other.train_on_batch(*part) for part in parts]
    np.testing.assert_array_equal(weights(model), weights(other))
    sizes = np.diff(cuts)
    assert history["loss"][0] == pytest.approx(np.average([loss for loss, _ in losses_], weights=sizes), rel=1e-6)


def test_losses_and_metrics_in_python():
    def squared(y, p):
        return ((y - p) ** 2).mean(-1)

    def with_gradient(y, p):
        return squared(y, p), 2 * (p - y)

    def make():
        ironhorn.utils.clear_session()
        ironhorn.utils.set_random_seed(1)
        model = Sequential([layers.Input((6,)), layers.Dense(1)])
        model.compile("sgd", losses.PythonLoss(with_gradient), metrics=[squared])
        return model

    y = X[:, :1]
    model, other = make(), make()
    expected = model.fit(X, y, 16, 2, shuffle=False, verbose=0).history
    assert other.fit(endless(X, y), steps_per_epoch=7, epochs=2, verbose=0).history == expected
    np.testing.assert_array_equal(weights(other), weights(model))


def test_a_data_set_by_number_is_told_of_epochs_and_shuffled():
    data = Numbered()
    net().fit(data, epochs=2, verbose=0)
    assert [mark for mark in data.seen if isinstance(mark, str)] == ["begin", "end"] * 2
    assert data.seen[0] == "begin" and data.seen[8] == "end"
    orders = [data.seen[1:8], data.seen[10:17]]
    assert all(sorted(order) == list(range(7)) for order in orders) and orders[0] != orders[1]
    again = Numbered()
    net().fit(again, epochs=2, verbose=0)
    assert again.seen == data.seen, "the same seed draws the same order"
    data = Numbered()
    net().fit(data, epochs=2, verbose=0, shuffle=False)
    assert data.seen == ["begin", *range(7), "end"] * 2


def test_an_endless_data_set():
    class Endless(Numbered):
        __len__ = None
        num_batches = None

        def __getitem__(self, index):
            return super().__getitem__(index % 7)

    model = net()
    model.fit(Endless(), steps_per_epoch=7, epochs=3, verbose=0)
    np.testing.assert_array_equal(weights(model), reference()[0])


def test_a_data_set_whose_constructor_forgot_the_base_warns():
    class Forgetful(Numbered):
        def __init__(self):
            self.arrays, self.seen = (X, Y), []

    with pytest.warns(UserWarning, match=r"call `super\(\).__init__"):
        net().fit(Forgetful(), verbose=0)


def test_steps_go_on_from_epoch_to_epoch():
    seen = []

    class Watched(Loader):
        def __iter__(self):
            for i in range(7):
                seen.append(i)
                yield X[:8], Y[:8]

    with pytest.warns(UserWarning, match="Your input ran out of data"):
        history = net().fit(Watched(False), steps_per_epoch=3, epochs=4, verbose=0)
    assert seen == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2] and len(history.epoch) == 4
    seen.clear()
    model = net()
    model.fit(Watched(False), steps_per_epoch=7, epochs=2, verbose=0)
    assert seen == list(range(7)) * 2 and model.optimizer.iterations == 14


def test_no_batch_is_made_beyond_the_steps():
    model, given = net(), counted(100)
    model.fit(given, steps_per_epoch=3, epochs=2, verbose=0)
    assert counted.made == 6
    model.fit(given, steps_per_epoch=3, epochs=1, verbose=0)
    assert counted.made == 9


def test_one_batch_ahead():
    ahead = []
    model, given = net(), counted(6)
    watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ahead.append(counted.made - batch - 1))
    model.fit(given, verbose=0, callbacks=[watch])
    assert ahead == [1, 1, 1, 1, 1, 0]


def test_the_generator_runs_on_the_callers_thread():
    threads = set()

    def watched():
        for batch in batches():
            threads.add(threading.get_ident())
            yield batch

    model = net()
    model.fit(watched(), verbose=0)
    model.evaluate(watched(), verbose=0)
    assert threads == {threading.get_ident()}
    made = set()

    class Watched(Numbered):
        def __getitem__(self, index):
            made.add(threading.current_thread().name.split("_")[0])
            return super().__getitem__(index)

    model.fit(Watched(workers=2), verbose=0)
    assert "ironhorn-data" in made


def test_a_generator_may_ask_the_model():
    model = net()

    def own():
        for x, y in batches():
            assert np.isfinite(model.predict(x, verbose=0)).all() and np.isfinite(weights(model)).all()
            yield x, y

    model.fit(own(), verbose=0)
    assert model.optimizer.iterations == 7


def test_outputs_of_each_batch_reach_the_callbacks():
    sizes = []
    watch = callbacks.LambdaCallback()
    watch.on_predict_batch_end = lambda batch, logs=None: sizes.append((batch, logs["outputs"].shape))
    model = net()
    model.predict(Loader(), verbose=0, callbacks=[watch])
    assert sizes == [(i, (16 if i < 6 else 4, 3)) for i in range(7)]


def test_the_bar_of_an_unknown_length(capsys):
    model = net()
    model.fit(Loader(False), epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "7/7", "Epoch 2/2", "7/7"]
