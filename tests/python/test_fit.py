"""fit, evaluate, predict: what they compute, return and accept."""

import functools
import threading

import numpy as np
import pytest

import ironhorn
from ironhorn import activations, losses, metrics, optimizers
from ironhorn.layers import Dense, Dropout, Flatten, Input, LeakyReLU
from ironhorn.models import Sequential


def test_the_contract_s_snippet(blobs):
    x, y = blobs
    with pytest.warns(UserWarning, match="input_shape"):
        model = Sequential(
            [
                Flatten(input_shape=(5, 1)),
                Dense(32, activation=activations.relu),
                Dropout(0.2),
                Dense(3, activation=activations.softmax),
            ]
        )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[..., None], y, epochs=40, verbose=0)
    loss, accuracy = model.evaluate(x[..., None], y, verbose=0)
    assert accuracy >= 0.95 and loss < 0.3
    probabilities = model.predict(x[..., None], verbose=0)
    assert probabilities.dtype == np.float32 and probabilities.shape == (120, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_one_step_of_gradient_descent_by_hand(line):
    x, y = np.array([[1.0], [2.0]]), np.array([2.0, 4.0])
    model = line(optimizers.SGD(0.1))
    history = model.fit(x, y, batch_size=2, verbose=0)
    # loss = mean((wx + b - y)**2) at w = b = 0: 10; gradients -10 and -6.
    assert history.history["loss"] == [pytest.approx(10.0)]
    np.testing.assert_allclose(model.get_weights()[0], [[1.0]], rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[1], [0.6], rtol=1e-5)
    assert model.optimizer.iterations == 1


def test_the_partial_last_batch_is_kept_and_weighs_by_its_size(line):
    x, y = np.ones((3, 1)), np.array([1.0, 1.0, 4.0])
    model = line(optimizers.SGD(0.0))
    history = model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    assert history.params["steps"] == 2
    assert history.history["loss"] == [pytest.approx(6.0)]  # (1 + 1 + 16) / 3, and not the mean of batches' means
    assert model.evaluate(x, y, batch_size=2, verbose=0) == pytest.approx(6.0)


def test_batch_size_is_32_or_what_the_steps_ask_for(line):
    x, y = np.zeros((65, 1)), np.zeros(65)
    assert line().fit(x, y, verbose=0).params["steps"] == 3
    model = line(optimizers.SGD(0.1))
    assert model.fit(x, y, steps_per_epoch=5, verbose=0).params["steps"] == 5
    assert model.optimizer.iterations == 5
    assert line().fit(x, y, batch_size=10, steps_per_epoch=2, verbose=0).params["steps"] == 2


def test_more_steps_than_batches_warn(line):
    with pytest.warns(UserWarning, match="ran out of data"):
        history = line().fit(np.zeros((4, 1)), np.zeros(4), batch_size=2, steps_per_epoch=9, verbose=0)
    assert history.params["steps"] == 2


def test_shuffle_false_keeps_the_order_and_true_changes_it():
    def run(shuffle):
        ironhorn.utils.set_random_seed(1)
        model = Sequential([Input((1,)), Dense(1, kernel_initializer="zeros")])
        model.compile(optimizers.SGD(0.2), "mse")
        x = np.linspace(-1, 1, 16)[:, None]
        model.fit(x, x[:, 0] ** 2, batch_size=1, shuffle=shuffle, verbose=0)
        return model.get_weights()[0][0, 0]

    assert run(False) == run(False)
    assert run(True) == run(True)
    assert run(True) != run(False)


def test_the_seed_decides_weights_masks_and_order(blobs):
    x, y = blobs

    def run(seed):
        ironhorn.utils.set_random_seed(seed)
        model = Sequential([Dense(8, activation="relu"), Dropout(0.5), Dense(3, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        losses_seen = model.fit(x, y, epochs=2, verbose=0).history["loss"]
        return losses_seen, model.get_weights()

    one, two, three = run(5), run(5), run(6)
    assert one[0] == two[0]
    for a, b in zip(one[1], two[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert one[0] != three[0]


def test_history_holds_epochs_values_and_params(blobs, classifier):
    x, y = blobs
    model = classifier()
    history = model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0)
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert all(len(values) == 3 and type(values[0]) is float for values in history.history.values())
    assert history.epoch == [0, 1, 2] and history.params == {"verbose": 0, "epochs": 3, "steps": 4}
    assert model.history is history


def test_initial_epoch_counts_on(line):
    history = line().fit(np.zeros((2, 1)), np.zeros(2), epochs=5, initial_epoch=3, verbose=0)
    assert history.epoch == [3, 4]
    assert line().fit(np.zeros((2, 1)), np.zeros(2), epochs=0, verbose=0).history == {}


def test_evaluate_gives_a_number_a_list_or_a_dict(blobs, classifier):
    x, y = blobs
    model = classifier(metrics=[])
    assert isinstance(model.evaluate(x, y, verbose=0), float)
    model = classifier(metrics=["accuracy", "sparse_categorical_accuracy"])
    values = model.evaluate(x, y, verbose=0)
    by_name = model.evaluate(x, y, verbose=0, return_dict=True)
    assert list(by_name) == ["accuracy", "loss", "sparse_categorical_accuracy"]
    assert values == [by_name["loss"], by_name["accuracy"], by_name["sparse_categorical_accuracy"]]
    assert values[1] == values[2]


def test_evaluate_agrees_with_the_loss_and_metric_objects(blobs, classifier):
    x, y = blobs
    model = classifier()
    loss, accuracy = model.evaluate(x, y, batch_size=50, verbose=0)
    p = model.predict(x, batch_size=7, verbose=0)
    assert loss == pytest.approx(float(losses.SparseCategoricalCrossentropy()(y, p)), rel=1e-4)
    metric = metrics.SparseCategoricalAccuracy()
    assert accuracy == pytest.approx(float(metric(y, p)))


def test_predict_does_not_depend_on_the_batch_size(blobs, classifier):
    x, _ = blobs
    model = classifier()
    whole = model.predict(x, batch_size=120, verbose=0)
    np.testing.assert_allclose(model.predict(x, batch_size=7, verbose=0), whole, atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(x), whole, atol=1e-6)
    np.testing.assert_allclose(model.predict(x, batch_size=50, steps=1, verbose=0), whole[:50], atol=1e-6)


def test_predict_needs_no_compile():
    assert Sequential([Dense(2)]).predict(np.zeros((3, 4)), verbose=0).shape == (3, 2)


def test_one_batch_calls(line):
    x, y = np.array([[1.0], [2.0]]), np.array([2.0, 4.0])
    model = line(optimizers.SGD(0.1), metrics=["mae"])
    assert model.test_on_batch(x, y) == [pytest.approx(10.0), pytest.approx(3.0)]
    assert model.train_on_batch(x, y) == [pytest.approx(10.0), pytest.approx(3.0)]
    assert model.optimizer.iterations == 1
    after = model.test_on_batch(x, y, return_dict=True)
    assert after["loss"] == pytest.approx((0.4**2 + 1.4**2) / 2, rel=1e-4)
    weighted = model.test_on_batch(x, y, sample_weight=np.array([1.0, 0.0]), return_dict=True)
    assert weighted["loss"] == pytest.approx(0.4**2 / 2, rel=1e-4)


def test_each_train_on_batch_reports_its_own_batch(line):
    model = line(optimizers.SGD(0.0))
    assert model.train_on_batch(np.ones((1, 1)), np.array([1.0])) == pytest.approx(1.0)
    assert model.train_on_batch(np.ones((1, 1)), np.array([3.0])) == pytest.approx(9.0)


def test_sample_weights_scale_the_loss_and_not_the_metrics(line):
    x, y = np.ones((4, 1)), np.array([1.0, 1.0, 2.0, 2.0])
    w = np.array([1.0, 1.0, 0.0, 0.0])
    model = line(optimizers.SGD(0.0), metrics=["mae"])
    history = model.fit(x, y, sample_weight=w, shuffle=False, verbose=0)
    assert history.history["loss"] == [pytest.approx(0.5)]  # divided by 4 values, not by the weights' sum of 2
    assert history.history["mae"] == [pytest.approx(1.5)]
    assert model.evaluate(x, y, sample_weight=w[:, None], verbose=0)[0] == pytest.approx(0.5)


def test_class_weights_are_sample_weights_by_class(blobs, classifier):
    x, y = blobs

    def run(**kwargs):
        ironhorn.utils.set_random_seed(2)
        model = classifier()
        model.fit(x, kwargs.pop("y", y), shuffle=False, verbose=0, **kwargs)
        return model.get_weights()

    by_class = run(class_weight={0: 3.0, 2: 0.5})
    by_sample = run(sample_weight=np.choose(y, [3.0, 1.0, 0.5]))
    column = run(class_weight={0: 3.0, 2: 0.5}, y=y[:, None])
    plain = run()
    for a, b, c in zip(by_class, by_sample, column, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    assert any((a != b).any() for a, b in zip(by_class, plain, strict=True))


@pytest.mark.parametrize("kind", ["sparse", "column", "one-hot"])
def test_accuracy_suits_itself_to_the_targets(kind, blobs):
    x, y = blobs
    targets = {"sparse": y, "column": y[:, None], "one-hot": np.eye(3)[y]}[kind]
    model = Sequential([Input((5,)), Dense(3, activation="softmax")])
    loss = "categorical_crossentropy" if kind == "one-hot" else "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"])
    _, accuracy = model.evaluate(x, targets, verbose=0)
    assert accuracy == pytest.approx(float(np.mean(model.predict(x, verbose=0).argmax(1) == y)))


def test_accuracy_of_one_output_is_binary():
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    model = Sequential([Input((1,)), Dense(1, activation="sigmoid", kernel_initializer="ones")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    assert model.evaluate(x, np.array([0, 1, 1, 1]), verbose=0)[1] == pytest.approx(0.75)


def test_metric_names_in_the_logs(line):
    model = line(metrics=["mse", metrics.MeanSquaredError(), "mean_squared_error", losses.mean_absolute_error])
    logs = model.evaluate(np.zeros((2, 1)), np.zeros(2), verbose=0, return_dict=True)
    assert list(logs) == ["loss", "mean_absolute_error", "mean_squared_error", "mean_squared_error_1", "mse"]
    assert model.metrics_names[0] == "loss"
    model.compile("sgd", "mse", metrics=["acc", "accuracy", "accuracy"])
    logs = model.evaluate(np.zeros((2, 1)), np.zeros(2), verbose=0, return_dict=True)
    assert list(logs) == ["acc", "accuracy", "accuracy_1", "loss"]
    model.compile("sgd", "mse", metrics=[["mae"]])
    assert len(model.evaluate(np.zeros((2, 1)), np.zeros(2), verbose=0)) == 2
    model.compile("sgd", "mse", metrics=[metrics.MeanAbsoluteError(name="error")])
    assert "error" in model.evaluate(np.zeros((2, 1)), np.zeros(2), verbose=0, return_dict=True)


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        "MSE",
        "mean_squared_error",
        losses.mean_squared_error,
        losses.MeanSquaredError,
        losses.MeanSquaredError(),
        ["mse"],
        {"class_name": "MeanSquaredError", "config": {}},
    ],
)
def test_ways_to_name_a_loss(line, loss):
    assert line(loss=loss).evaluate(np.zeros((2, 1)), np.full(2, 3.0), verbose=0) == pytest.approx(9.0)


@pytest.mark.parametrize("loss", ["crossentropy", "ce"])
def test_crossentropy_suits_itself_to_the_targets(blobs, loss):
    x, y = blobs
    model = Sequential([Input((5,)), Dense(3, activation="softmax")])
    model.compile("sgd", loss)
    expected = float(losses.SparseCategoricalCrossentropy()(y, model.predict(x, verbose=0)))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-4)
    assert model.evaluate(x, np.eye(3)[y], verbose=0) == pytest.approx(expected, rel=1e-4)


def test_reduction_sum_is_the_textbook_s_error(line):
    model = line(optimizers.SGD(0.1), loss=losses.MeanSquaredError(reduction="sum"))
    x, y = np.array([[1.0], [2.0]]), np.array([2.0, 4.0])
    history = model.fit(x, y, verbose=0)
    assert history.history["loss"] == [pytest.approx(20.0)]
    np.testing.assert_allclose(model.get_weights()[0], [[2.0]], rtol=1e-5)


def test_ways_to_name_an_activation():
    x = np.array([[-1.0, 1.0]], np.float32)
    for activation, expected in [
        ("relu", [0, 1]),
        (activations.relu, [0, 1]),
        ("swish", [-0.26894143, 0.7310586]),
        (functools.partial(activations.leaky_relu, negative_slope=0.5), [-0.5, 1]),
        (LeakyReLU(0.25), [-0.25, 1]),
        (None, [-1, 1]),
    ]:
        model = Sequential([Input((2,)), Dense(2, activation=activation, kernel_initializer="identity")])
        np.testing.assert_allclose(model(x)[0], expected, atol=1e-6)


def test_the_learning_rate_can_be_read_and_set_after_compile(line):
    model = line(optimizers.SGD(0.5))
    assert model.optimizer.learning_rate == pytest.approx(0.5)
    model.optimizer.learning_rate = 0.0
    model.fit(np.ones((4, 1)), np.ones(4), verbose=0)
    assert (model.get_weights()[0] == 0).all()
    model.optimizer.learning_rate = 0.1
    model.fit(np.ones((4, 1)), np.ones(4), verbose=0)
    assert (model.get_weights()[0] != 0).all() and model.optimizer.iterations == 2


def test_compiling_again_starts_the_optimizer_again(line):
    model = line("adam")
    model.fit(np.ones((4, 1)), np.ones(4), verbose=0)
    model.compile("sgd", "mae")
    assert model.optimizer.iterations == 0
    assert model.evaluate(np.zeros((2, 1)), np.full(2, 100.0), verbose=0) == pytest.approx(100, abs=1)


def test_a_compiled_model_may_be_built_later():
    model = Sequential([Dense(1)])
    model.compile("sgd", "mse")
    assert not model.built
    model.fit(np.ones((4, 2)), np.ones(4), verbose=0)
    assert model.built and model.optimizer.iterations == 1


def test_stop_training_from_another_thread_ends_fit(line):
    model = line()
    timer = threading.Timer(0.2, lambda: setattr(model, "stop_training", True))
    timer.start()
    history = model.fit(np.ones((64, 1)), np.ones(64), epochs=10**9, verbose=0)
    timer.join()
    assert 0 < len(history.epoch) < 10**9


def test_predict_in_threads_during_fit_never_sees_a_mixture(line):
    model, x = line(optimizers.SGD(0.05), n=3), np.ones((300, 3), np.float32)
    mixed, calls, done = [], [], threading.Event()

    def predict():
        while not done.is_set():
            outputs = model.predict(x, batch_size=7, verbose=0)
            calls.append(1)
            if not (outputs == outputs[0]).all():
                mixed.append(outputs)

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    y = np.random.default_rng(0).normal(size=300)
    while len(calls) < 40:
        model.fit(x, y, batch_size=1, verbose=0)
    done.set()
    for thread in threads:
        thread.join()
    assert mixed == []


def test_validation_does_not_disturb_training(blobs, classifier):
    x, y = blobs

    def run(**kwargs):
        ironhorn.utils.set_random_seed(4)
        model = classifier()
        model.fit(x, y, epochs=2, verbose=0, **kwargs)
        return model.get_weights()

    for a, b in zip(run(), run(validation_data=(x[::2], y[::2])), strict=True):
        np.testing.assert_array_equal(a, b)
