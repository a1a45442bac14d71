"""Callbacks: order, arguments, foreign objects, EarlyStopping, interruption."""

import signal
import threading

import numpy as np
import pytest

from ironhorn import callbacks, optimizers
from ironhorn.callbacks import Callback, CallbackList, EarlyStopping, History, LambdaCallback

X, Y = np.ones((6, 1), np.float32), np.ones(6, np.float32)


class Recorder(Callback):
    """Notes every call."""

    def __init__(self):
        self.calls = []

    def __getattribute__(self, name):
        if name.startswith("on_") and "_batch_" not in name:
            return lambda *args: self.calls.append((name, *[a for a in args if not isinstance(a, dict)]))
        return super().__getattribute__(name)


class BatchRecorder(Callback):
    def __init__(self):
        self.calls = []

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("end", batch, dict(logs)))


def test_the_order_of_calls(line):
    recorder = Recorder()
    line().fit(X, Y, epochs=2, validation_data=(X, Y), callbacks=[recorder], verbose=0)
    epoch = [("on_epoch_begin",), ("on_test_begin",), ("on_test_end",), ("on_epoch_end",)]
    expected = [("on_train_begin",)]
    for i in range(2):
        expected += [("on_epoch_begin", i), *epoch[1:3], ("on_epoch_end", i)]
    assert recorder.calls == [*expected, ("on_train_end",)]


def test_batches_are_called_one_by_one_where_asked_for(line):
    recorder = BatchRecorder()
    history = line(metrics=["mae"]).fit(X, Y, batch_size=2, callbacks=[recorder], verbose=0)
    assert [call[:2] for call in recorder.calls] == [(k, i) for i in range(3) for k in ("begin", "end")]
    ends = [call[2] for call in recorder.calls if call[0] == "end"]
    assert all(list(logs) == ["loss", "mae"] for logs in ends)
    assert ends[-1]["loss"] == pytest.approx(history.history["loss"][0])
    assert ends[0]["loss"] > ends[-1]["loss"]


def test_batch_callbacks_do_not_change_the_training(blobs, classifier):
    import ironhorn

    x, y = blobs

    def run(given):
        ironhorn.utils.set_random_seed(9)
        model = classifier()
        model.fit(x, y, epochs=2, callbacks=given, verbose=0)
        return model.get_weights()

    for a, b in zip(run([]), run([BatchRecorder()]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_only_callbacks_with_batch_methods_cost_a_call_a_batch():
    class Old(Callback):
        def on_batch_end(self, batch, logs=None):
            pass

    class Foreign:
        def on_train_batch_end(self, batch, logs=None):
            pass

    cheap = [History(), EarlyStopping(), LambdaCallback(on_epoch_end=print), Recorder()]
    assert not CallbackList(cheap, add_progbar=True).wants_batches("train")
    for asking in (BatchRecorder(), Old(), Foreign(), LambdaCallback(on_train_batch_end=print)):
        assert CallbackList([*cheap, asking]).wants_batches("train")
        assert not CallbackList([*cheap, asking]).wants_batches("test")


def test_objects_with_some_of_the_methods(line):
    class Some:
        def __init__(self):
            self.epochs = []

        def on_epoch_end(self, epoch, logs):
            self.epochs.append((epoch, sorted(logs)))

    class WithParams(Some):
        def set_params(self, params):
            self.params = params

        def set_model(self, model):
            self.net = model

    some, more, model = Some(), WithParams(), line()
    model.fit(X, Y, epochs=2, callbacks=[some, [more]], verbose=0)
    assert some.epochs == [(0, ["loss"]), (1, ["loss"])]
    assert more.net is model and more.params == {"verbose": 0, "epochs": 2, "steps": 1}


def test_things_that_are_no_callbacks(line):
    for bad in [object(), 3, "EarlyStopping", EarlyStopping]:
        with pytest.raises(TypeError, match="`callbacks`"):
            line().fit(X, Y, callbacks=[bad], verbose=0)


def test_a_single_callback_needs_no_list(line):
    recorder = Recorder()
    line().fit(X, Y, callbacks=recorder, verbose=0)
    assert recorder.calls[0] == ("on_train_begin",) and recorder.params["epochs"] == 1


def test_lambda_callback(line):
    seen = []
    callback = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(("begin", epoch)),
        on_train_end=lambda logs: seen.append(("end", sorted(logs))),
        on_test_begin=lambda logs: seen.append("test"),
    )
    line().fit(X, Y, validation_data=(X, Y), callbacks=[callback], verbose=0)
    assert seen == [("begin", 0), "test", ("end", ["loss", "val_loss"])]


def test_evaluate_and_predict_call_their_own(line):
    model = line()
    outputs = []
    seen = Recorder()
    batches = LambdaCallback(on_predict_batch_end=lambda batch, logs: outputs.append((batch, logs["outputs"].shape)))
    model.evaluate(X, Y, callbacks=[seen], verbose=0)
    model.predict(X, batch_size=4, callbacks=[seen, batches], verbose=0)
    assert [call[0] for call in seen.calls] == ["on_test_begin", "on_test_end", "on_predict_begin", "on_predict_end"]
    assert outputs == [(0, (4, 1)), (1, (2, 1))]


def test_stop_training_ends_at_the_batch_or_the_epoch(line):
    model = line(optimizers.SGD(0.1))

    def stop(*args):
        model.stop_training = True

    history = model.fit(X, Y, batch_size=1, epochs=9, callbacks=[LambdaCallback(on_train_batch_end=stop)], verbose=0)
    assert history.epoch == [0] and model.optimizer.iterations == 1
    history = model.fit(X, Y, batch_size=1, epochs=9, callbacks=[LambdaCallback(on_epoch_end=stop)], verbose=0)
    assert history.epoch == [0] and model.optimizer.iterations == 7


def test_what_a_callback_adds_to_the_logs_reaches_the_history(line):
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["learning_rate"] = self.model.optimizer.learning_rate

    history = line(optimizers.SGD(0.25)).fit(X, Y, callbacks=[Adds()], verbose=0)
    assert history.history["learning_rate"] == [pytest.approx(0.25)]


def test_an_own_history_is_the_one_that_fit_returns(line):
    mine = History()
    assert line().fit(X, Y, callbacks=[mine], verbose=0) is mine


def test_a_callback_that_raises_ends_training_and_leaves_a_usable_model(line):
    class Boom(Exception):
        pass

    def boom(*args):
        raise Boom

    model, ended = line(), []
    for hook in ("on_epoch_end", "on_train_batch_end", "on_train_begin", "on_epoch_begin"):
        with pytest.raises(Boom):
            model.fit(X, Y, callbacks=[LambdaCallback(**{hook: boom}, on_train_end=ended.append)], verbose=0)
    assert ended == []
    assert model.fit(X, Y, verbose=0).epoch == [0]


def test_control_c_ends_fit_between_steps(line):
    model = line()
    timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(np.ones((64, 1)), np.ones(64), epochs=10**9, verbose=0)
    timer.join()
    history = model.history
    assert 0 < len(history.epoch) < 10**9 and len(history.history["loss"]) == len(history.epoch)
    assert np.isfinite(model.get_weights()[0]).all()
    assert model.fit(X, Y, verbose=0).epoch == [0]


class Scripted:
    """A model whose losses are a script."""

    def __init__(self):
        self.stop_training = False
        self.weights = None

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights


def play(callback, script, name="val_loss"):
    """The epochs that ran, and the weights at the end; the weights of epoch i are i."""
    model = Scripted()
    callback.set_model(model)
    callback.on_train_begin()
    ran = 0
    for epoch, value in enumerate(script):
        model.weights = epoch
        callback.on_epoch_end(epoch, {name: value})
        ran += 1
        if model.stop_training:
            break
    callback.on_train_end()
    return ran, model.weights


@pytest.mark.parametrize(
    ("arguments", "script", "ran", "weights"),
    [
        ({}, [1.0, 0.9, 0.95, 0.1], 3, 2),
        ({}, [1.0, 1.0, 0.5], 2, 1),
        ({"patience": 2}, [1.0, 1.1, 1.2, 0.1], 3, 2),
        ({"patience": 2}, [1.0, 1.1, 0.9, 1.1, 1.2, 0.1], 5, 4),
        ({"min_delta": 0.2}, [1.0, 0.9, 0.5], 2, 1),
        ({"mode": "max"}, [1.0, 2.0, 1.5, 3.0], 3, 2),
        ({"restore_best_weights": True, "patience": 1}, [1.0, 0.5, 0.7, 0.1], 3, 1),
        ({"restore_best_weights": True, "patience": 9}, [1.0, 0.5, 0.7], 3, 1),
        ({"baseline": 0.4, "patience": 2}, [1.0, 0.9, 0.8, 0.7], 4, 3),
        ({"baseline": 0.4, "patience": 2}, [0.3, 0.5, 0.6, 0.1], 3, 2),
        ({"start_from_epoch": 2}, [1.0, 2.0, 3.0, 4.0, 5.0], 4, 3),
        ({"patience": 0, "mode": "min"}, [float("nan"), float("nan")], 2, 1),
    ],
)
def test_early_stopping_decides_as_keras_does(arguments, script, ran, weights):
    assert play(EarlyStopping(**arguments), script) == (ran, weights)


def test_early_stopping_can_serve_twice():
    callback = EarlyStopping(patience=1, restore_best_weights=True)
    assert play(callback, [1.0, 2.0, 3.0]) == (2, 0)
    assert play(callback, [5.0, 4.0, 3.0]) == (3, 2)


def test_early_stopping_finds_the_direction_of_metrics(blobs, classifier):
    x, y = blobs
    callback = EarlyStopping("val_accuracy", patience=1)
    history = classifier().fit(x, y, epochs=3, validation_data=(x, y), callbacks=[callback], verbose=0)
    assert callback.monitor_op(1, 0) and callback.best == max(history.history["val_accuracy"])
    callback = EarlyStopping("loss", patience=1)
    classifier().fit(x, y, callbacks=[callback], verbose=0)
    assert callback.monitor_op(0, 1)


def test_early_stopping_of_an_unknown_direction_raises(line):
    with pytest.raises(ValueError, match=r"monitor=zz.*mode='max'"):
        line().fit(X, Y, callbacks=[EarlyStopping("zz")], verbose=0)


def test_early_stopping_of_a_missing_value_warns(line):
    with pytest.warns(UserWarning, match="`zz` which is not available. Available metrics are: loss"):
        line().fit(X, Y, callbacks=[EarlyStopping("zz", mode="min")], verbose=0)
    with pytest.warns(UserWarning, match="mode 'least' is unknown"):
        assert EarlyStopping(mode="least").mode == "auto"


def test_early_stopping_in_fit_restores_the_best_weights(capsys):
    import ironhorn

    model = ironhorn.Sequential([ironhorn.Input((1,)), ironhorn.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(optimizers.SGD(1.5), "mse")  # diverges
    first = LambdaCallback(on_epoch_end=lambda e, logs: kept.append(model.get_weights()[0][0, 0]))
    kept = []
    stopper = EarlyStopping("loss", patience=2, restore_best_weights=True, verbose=1)
    history = model.fit(X, Y, epochs=50, callbacks=[first, stopper], verbose=0)
    assert len(history.epoch) == 3
    assert model.get_weights()[0][0, 0] == kept[0]
    assert capsys.readouterr().out == (
        "Epoch 3: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    )


def test_the_list_of_names():
    assert {"Callback", "CallbackList", "EarlyStopping", "History", "LambdaCallback", "ProgbarLogger"} <= set(
        callbacks.__all__
    )
