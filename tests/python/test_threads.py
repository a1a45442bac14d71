"""Several threads: of the engine, and of the caller."""

import threading
import time

import numpy as np
import pytest

import ironhorn
from ironhorn.callbacks import LambdaCallback
from ironhorn.layers import Dense, Dropout, Input
from ironhorn.models import Sequential

RNG = np.random.default_rng(4)
X = RNG.normal(size=(400, 64)).astype(np.float32)
Y = RNG.integers(0, 10, 400)


def net(width=256, rate=0.0, seed=1):
    """Large enough for several threads to take part."""
    ironhorn.utils.set_random_seed(seed)
    model = Sequential([Input((64,)), Dense(width, "relu"), Dropout(rate), Dense(width, "tanh"), Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def in_threads(functions):
    """Runs them all at once; the first error is raised."""
    failures = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]


def assert_same(got, expected):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_predict_from_eight_threads_during_fit_sees_whole_steps(threads):
    """All columns of the weights, and so of the outputs, are equal at each step; in a mixture they are not."""
    threads(2)
    model = Sequential([Input((8,)), Dense(2000, kernel_initializer="ones"), Dense(64, kernel_initializer="ones")])
    model.compile(ironhorn.optimizers.SGD(1e-9, momentum=0.9), "mse")
    x = np.ones((40, 8), np.float32)
    seen, calls, done = set(), [], threading.Event()

    def predict():
        while not done.is_set():
            outputs = model.predict(x[: 1 + len(calls) % 40], batch_size=16, verbose=0)
            assert (outputs == outputs[0, 0]).all()
            seen.add(outputs[0, 0])
            calls.append(1)

    def fit():
        until = time.monotonic() + 20
        try:
            while (len(calls) < 1500 or len(seen) < 20) and time.monotonic() < until:
                model.fit(x, np.zeros((40, 64)), batch_size=1, verbose=0)
        finally:
            done.set()

    in_threads([fit] + [predict] * 8)
    assert len(calls) >= 100 and len(seen) >= 5


@pytest.mark.numeric
def test_the_number_of_threads_does_not_change_a_bit(threads):
    def run(first, *then):
        threads(first)
        model, counts = net(120, 0.3), list(then)
        turn = LambdaCallback(on_epoch_end=lambda epoch, logs: threads(counts.pop(0)) if counts else None)
        history = model.fit(X, Y, batch_size=48, epochs=3, validation_split=0.2, callbacks=[turn], verbose=0)
        return [*history.history.values(), model.predict(X, verbose=0), *model.get_weights()]

    expected = run(1)
    for counts in ((2,), (3,), (1, 3, 2), (3, 1)):
        assert_same(run(*counts), expected)


def test_arrays_that_change_during_fit():
    x, y, model, done = X.copy(), Y.copy(), net(32), threading.Event()

    def change():
        while not done.is_set():
            x[...] = RNG.normal(size=x.shape)
            y[...] = 10**6
            y[...] = Y

    def fit():
        try:
            for _ in range(100):
                try:
                    model.fit(x, y, verbose=0)
                except ValueError as error:
                    assert "y: expected class ids" in str(error)  # noqa: PT017
        finally:
            done.set()

    in_threads([fit, change])
    assert all(np.isfinite(w).all() for w in model.get_weights())
    model.fit(X, Y, verbose=0)


def test_models_that_share_an_encoder_train_in_turn_and_at_once():
    encoder = Dense(96, "relu")
    models = [Sequential([Input((64,)), encoder, Dense(10, "softmax")]) for _ in range(2)]
    for model in models:
        model.compile("adam", "sparse_categorical_crossentropy")
    for turn in range(4):
        here, there = models[turn % 2], models[1 - turn % 2]
        before, head = there.predict(X, verbose=0), there.get_weights()[2]
        here.fit(X, Y, verbose=0)
        assert not np.array_equal(there.predict(X, verbose=0), before)
        assert_same(there.get_weights()[:2], here.get_weights()[:2])
        assert_same([there.get_weights()[2]], [head])
    in_threads([lambda model=model: model.fit(X, Y, epochs=5, verbose=0) for model in models])
    assert_same(models[0].get_weights()[:2], models[1].get_weights()[:2])
    assert all(np.isfinite(w).all() for model in models for w in model.get_weights())


def test_fits_of_several_models_at_once_equal_those_in_turn():
    def run(model):
        model.fit(X, Y, batch_size=64, epochs=3, verbose=0)
        return model.get_weights()

    expected = [run(net(100, 0.2, seed)) for seed in range(4)]
    models = [net(100, 0.2, seed) for seed in range(4)]
    in_threads([lambda model=model: run(model) for model in models])
    for model, weights in zip(models, expected, strict=True):
        assert_same(model.get_weights(), weights)


def test_two_fits_of_one_model_at_once():
    model, outcomes, start = net(64), [], threading.Barrier(2)

    def fit():
        start.wait()
        try:
            outcomes.append(len(model.fit(X, Y, epochs=20, verbose=0).epoch))
        except RuntimeError as error:
            outcomes.append(str(error))

    in_threads([fit, fit])
    assert 20 in outcomes and all(outcome == 20 or "train" in outcome for outcome in outcomes), outcomes
    assert model.fit(X, Y, verbose=0).epoch == [0]
