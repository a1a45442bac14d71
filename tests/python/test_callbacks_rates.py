"""Callbacks that decide by the logs: directions, rates, stops, averages; which of them cost an engine call a batch."""

import numpy as np
import pytest

import ironhorn
from ironhorn import callbacks, metrics, optimizers
from ironhorn.callbacks import (
    Callback,
    CallbackList,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    MonitorCallback,
    ReduceLROnPlateau,
    StopAtValue,
    SwapEMAWeights,
    TerminateOnNaN,
)

X, Y = np.ones((6, 1), np.float32), np.ones(6, np.float32)


def test_semantics_8_early_stopping_restores_the_best_weights_even_when_it_never_triggered(line):
    model, kept = line(optimizers.SGD(1.5)), []  # diverges
    note = LambdaCallback(on_epoch_end=lambda *args: kept.append(model.get_weights()[0][0, 0]))
    stopper = EarlyStopping("loss", patience=9, restore_best_weights=True)
    history = model.fit(X, Y, epochs=3, callbacks=[note, stopper], verbose=0)
    assert len(history.epoch) == 3 and stopper.stopped_epoch == 0
    assert model.get_weights()[0][0, 0] == kept[int(np.argmin(history.history["loss"]))] != kept[-1]


def test_semantics_8_early_stopping_cannot_stop_at_epoch_0_and_baseline_gates_only_the_wait(line):
    history = line().fit(X, Y, epochs=5, callbacks=[EarlyStopping("loss", baseline=-1.0)], verbose=0)
    # Each epoch improves, so none of them stops it, but a wait that is never reset does not matter then.
    assert history.epoch == [0, 1, 2, 3, 4]
    history = line(optimizers.SGD(0.0)).fit(X, Y, epochs=5, callbacks=[EarlyStopping("loss")], verbose=0)
    assert history.epoch == [0, 1]


def test_semantics_9_auto_uses_the_metrics_direction_and_raises_when_unknown(blobs, classifier):
    x, y = blobs
    cases = {"accuracy": True, "val_accuracy": True, "loss": False, "val_loss": False, "top": True, "sparse": False}
    for monitor, rising in cases.items():
        model = classifier(
            metrics=[
                "accuracy",
                metrics.SparseTopKCategoricalAccuracy(2, name="top"),
                metrics.SparseCategoricalCrossentropy(name="sparse"),
            ]
        )
        for make in (EarlyStopping, ReduceLROnPlateau, StopAtValue):
            options = {"value": 99.0 if rising else -99.0} if make is StopAtValue else {}
            callback = make(monitor=monitor, **options)
            model.fit(x, y, validation_data=(x, y), callbacks=[callback], verbose=0)
            assert callback.monitor_op(1.0, 0.0) is rising and callback.monitor_op(0.0, 1.0) is not rising
    for make in (EarlyStopping, ReduceLROnPlateau, lambda monitor: StopAtValue(1.0, monitor)):
        with pytest.raises(ValueError, match=r"received monitor=val_f1.*pass `mode='min'`"):
            classifier().fit(x, y, callbacks=[make("val_f1")], verbose=0)


def test_semantics_10_rates_are_added_to_the_history_and_cannot_be_set_on_a_schedule(line):
    model = line(optimizers.SGD(0.25))
    halve = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    history = model.fit(X, Y, epochs=3, callbacks=[halve], verbose=0)
    assert history.history["learning_rate"] == [0.25, 0.125, 0.0625] and list(history.history)[-1] == "learning_rate"
    plateau = ReduceLROnPlateau("loss", patience=1, min_delta=9.0, factor=0.5)
    history = line(optimizers.SGD(0.25)).fit(X, Y, epochs=4, callbacks=[plateau], verbose=0)
    assert history.history["learning_rate"] == [0.25, 0.25, 0.125, 0.0625]  # the rate an epoch was trained with
    schedule = optimizers.schedules.ExponentialDecay(0.5, 2, 0.5)
    for callback in (halve, plateau):
        with pytest.raises(TypeError, match="LearningRateSchedule"):
            line(optimizers.SGD(schedule)).fit(X, Y, epochs=3, callbacks=[callback], verbose=0)


def test_rates_that_are_no_floats_are_refused(line):
    for bad in (1, "0.1", None):
        with pytest.raises(ValueError, match=f"should be a float. Got: {bad}"):
            line().fit(X, Y, callbacks=[LearningRateScheduler(lambda epoch, rate, bad=bad: bad)], verbose=0)
    with pytest.raises(ValueError, match=r"factor >= 1\.0\. Received factor=1\.0"):
        ReduceLROnPlateau(factor=1.0)


def test_messages_of_new_rates(line, capsys):
    given = [
        LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1), verbose=1),
        ReduceLROnPlateau("loss", patience=1, min_delta=9.0, factor=0.5, verbose=1),
    ]
    line().fit(X, Y, epochs=2, callbacks=given, verbose=0)
    assert capsys.readouterr().out == (
        "\nEpoch 1: LearningRateScheduler setting learning rate to 0.5.\n"
        "\nEpoch 2: LearningRateScheduler setting learning rate to 0.25.\n"
        "\nEpoch 2: ReduceLROnPlateau reducing learning rate to 0.125.\n"
    )


def test_a_missing_value_warns(line):
    for callback, text in (
        (
            ReduceLROnPlateau("zz", mode="min"),
            r"metric `zz` which is not available. Available metrics are: loss,learning",
        ),
        (StopAtValue(1.0, "zz", mode="min"), "stop is conditioned on metric `zz`.*Available metrics are: loss"),
    ):
        with pytest.warns(UserWarning, match=text):
            line().fit(X, Y, callbacks=[callback], verbose=0)


def test_stop_at_value(line, capsys):
    losses = line().fit(X, Y, epochs=20, verbose=0).history["loss"]
    stop = StopAtValue(losses[7] * 1.0001, verbose=1)
    model = line()
    assert model.fit(X, Y, epochs=20, callbacks=[stop], verbose=0).epoch == list(range(8)) and stop.stopped_epoch == 7
    assert capsys.readouterr().out == f"Epoch 8: loss reached {stop.value:g}, stopping\n"
    assert line().fit(X, Y, epochs=20, callbacks=[StopAtValue(99)], verbose=0).epoch == [0]
    assert line().fit(X, Y, epochs=20, callbacks=[StopAtValue(0.5, mode="max")], verbose=0).epoch == [0]
    assert line().fit(X, Y, epochs=3, callbacks=[StopAtValue(-1.0)], verbose=0).epoch == [0, 1, 2]
    for bad in (float("nan"), "0.1", True):
        with pytest.raises(ValueError, match="`value` must be a number"):
            StopAtValue(bad)


def test_stop_at_value_by_accuracy(blobs, classifier):
    x, y = blobs
    history = classifier(optimizer=optimizers.Adam(0.05)).fit(
        x, y, epochs=60, validation_data=(x, y), callbacks=[StopAtValue(0.9, "val_accuracy")], verbose=0
    )
    reached = [value >= 0.9 for value in history.history["val_accuracy"]]
    assert reached == [False] * (len(reached) - 1) + [True] and 1 < len(reached) < 60


def test_only_callbacks_that_ask_for_batches_cost_a_call_a_batch(tmp_path):
    path = tmp_path / "a.ironhorn"
    cheap = [
        ModelCheckpoint(path), EarlyStopping(), ReduceLROnPlateau(), StopAtValue(1), SwapEMAWeights(),
        LearningRateScheduler(lambda epoch: 0.1), callbacks.CSVLogger(tmp_path / "a.csv"), callbacks.RemoteMonitor(),
        callbacks.BackupAndRestore(tmp_path), callbacks.BackupAndRestore(tmp_path, save_freq=False), CallbackList([]),
    ]  # fmt: skip

    class Own(ModelCheckpoint):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)

    class Bar(callbacks.ProgbarLogger):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)

    for mode in ("train", "test", "predict"):
        assert not CallbackList(cheap, add_history=True, add_progbar=True).wants_batches(mode)
    for asking in (
        ModelCheckpoint(path, save_freq=3), callbacks.BackupAndRestore(tmp_path, save_freq=2), TerminateOnNaN(), Bar(),
        Own(path), CallbackList([TerminateOnNaN()]),
    ):  # fmt: skip
        assert CallbackList([*cheap, asking]).wants_batches("train")
        assert not CallbackList([*cheap, asking]).wants_batches("test")


def test_a_list_counts_what_has_begun():
    calls = CallbackList([], add_history=True)
    for mode in ("train", "test", "predict"):
        with pytest.raises(ValueError, match="without corresponding"):
            getattr(calls, f"on_{mode}_end")()
    seen = []
    calls = CallbackList([LambdaCallback(on_batch_end=lambda batch, logs: seen.append(batch))])
    calls.on_batch_begin(0)
    calls.on_batch_end(3)
    assert seen == [3]


def test_progress_bars_in_the_style_of_tqdm_and_loggers_in_the_style_of_wandb(line):
    class Bar:  # tqdm.keras's: functions for hooks, some of them set in __init__
        def __init__(self):
            self.seen = []
            self.on_epoch_end = lambda epoch, logs=None: self.seen.append((epoch, dict(logs)))
            self.on_batch_end = lambda batch, logs=None: self.seen.append(batch)

        def set_model(self, model):
            self.model = model

        def set_params(self, params):
            self.params = params

        def on_train_begin(self, *_):
            self.total = self.params["epochs"]

    class Logger:  # wandb's: everything there, model and params as attributes
        def __init__(self):
            self.rows, self.params, self.model = [], None, None

        def set_params(self, params):
            self.params = params

        def set_model(self, model):
            self.model = model

        def on_train_batch_end(self, batch, logs=None):
            self.rows.append({"batch": batch} | logs)

        def on_epoch_end(self, epoch, logs=None):
            rate = float(self.model.optimizer.learning_rate)
            self.rows.append({"epoch": epoch, "rate": rate} | {f"epoch/{key}": value for key, value in logs.items()})

    bar, logger, model = Bar(), Logger(), line()
    history = model.fit(X, Y, batch_size=3, epochs=2, callbacks=[bar, logger], verbose=0).history
    assert bar.total == 2 and bar.params["steps"] == 2 and bar.model is model
    assert [item for item in bar.seen if isinstance(item, int)] == [0, 1, 0, 1]
    assert [item[1]["loss"] for item in bar.seen if isinstance(item, tuple)] == history["loss"]
    assert [list(row) for row in logger.rows] == [["batch", "loss"]] * 2 + [["epoch", "rate", "epoch/loss"]] + [
        ["batch", "loss"]
    ] * 2 + [["epoch", "rate", "epoch/loss"]]


def test_an_exception_of_a_callback_arrives_unchanged(blobs, classifier):
    class Boom(Exception):
        pass

    x, y = blobs
    hooks = [name for name in vars(Callback) if name.startswith("on_") and "predict" not in name]
    model, after = classifier(), []
    for hook in hooks:
        error = Boom(hook)

        def boom(*args, error=error, **kwargs):
            raise error

        given = [LambdaCallback(**{hook: boom}), LambdaCallback(on_train_end=after.append)]
        with pytest.raises(Boom) as caught:
            model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=given, verbose=0)
        assert caught.value is error and caught.value.__cause__ is None and caught.value.__context__ is None
        assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert len(after) == 0
    assert model.fit(x, y, epochs=1, verbose=0).epoch == [0]
    model.predict(x, verbose=0)


def test_swap_ema_weights_puts_the_weights_back(line):
    model = line(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    seen, swap = [], SwapEMAWeights()

    def look(epoch, logs):
        weights = model.get_weights()
        averages = [average.numpy() for average in model.optimizer._model_variables_moving_average]
        given = model.evaluate(X, Y, callbacks=[swap], verbose=0)
        model.predict(X, callbacks=[swap], verbose=0)
        for a, b in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(averages, model.optimizer._model_variables_moving_average, strict=True):
            np.testing.assert_array_equal(a, b.numpy())
        seen.append((given, (averages[0][0, 0] + averages[1][0] - 1) ** 2, model.evaluate(X, Y, verbose=0)))

    model.fit(X, Y, epochs=3, callbacks=[LambdaCallback(on_epoch_end=look)], verbose=0)
    for given, expected, plain in seen:
        assert given == pytest.approx(expected, rel=1e-5)
        assert given > plain or given == seen[0][0]
    with pytest.raises(ValueError, match=r"`use_ema=True` is set on the optimizer\. Received: use_ema=False"):
        line().evaluate(X, Y, callbacks=[SwapEMAWeights()], verbose=0)


def test_states_go_from_object_to_object():
    class Fake:
        stop_training = False
        optimizer = optimizers.SGD(0.5)

        def get_weights(self):
            return [np.ones(2, np.float32)]

        def set_weights(self, weights):
            pass

    Fake.optimizer._create()
    script = [1.0, 0.9, 0.95, 0.97, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9]
    for make in (
        lambda: EarlyStopping("loss", patience=4, restore_best_weights=True),
        lambda: ReduceLROnPlateau("loss", patience=2, cooldown=1),
    ):
        whole = make()
        whole.set_model(Fake())
        whole.on_train_begin()
        states = []
        for epoch, value in enumerate(script):
            whole.on_epoch_end(epoch, {"loss": value})
            states.append({key: value for key, value in whole.get_state().items() if key != "best_weights"})
        for cut in range(1, len(script)):
            first, second = make(), make()
            for callback in (first, second):
                callback.set_model(Fake())
                callback.on_train_begin()
            for epoch in range(cut):
                first.on_epoch_end(epoch, {"loss": script[epoch]})
            state = callbacks.state.decode(callbacks.state.encode(first.get_state(), "x"))
            second.set_state(state)
            for epoch in range(cut, len(script)):
                second.on_epoch_end(epoch, {"loss": script[epoch]})
                got = {key: value for key, value in second.get_state().items() if key != "best_weights"}
                assert got == states[epoch]


def test_monitor_callback_is_a_base(line):
    class Best(MonitorCallback):
        def on_epoch_end(self, epoch, logs=None):
            if self.monitor_op is None:
                self._set_monitor_op()
            if self._is_improvement(logs[self.monitor], self.best):
                self.best = logs[self.monitor]

    best = Best("loss", min_delta=0.0)
    history = line().fit(X, Y, epochs=3, callbacks=[best], verbose=0)
    assert best.best == min(history.history["loss"])
    assert ironhorn.callbacks.MonitorCallback(mode="max", min_delta=0.5)._is_improvement(0.5, None)
