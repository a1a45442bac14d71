"""What callbacks decide, print and write, held against Keras's: both are driven by the same scripted logs."""

import csv
import warnings

import numpy as np
import pytest

import ironhorn


class Optimizer:
    """As much of an optimizer as callbacks see; Keras keeps the rate in float32."""

    def __init__(self, rate):
        self.learning_rate = rate
        self.name = "fake"

    @property
    def learning_rate(self):
        return self._rate

    @learning_rate.setter
    def learning_rate(self, value):
        self._rate = np.float32(value)


class Scripted:
    """A model whose weights are the number of the epoch, and that notes what is saved."""

    metrics = ()

    def __init__(self, rate=0.1):
        self.stop_training = False
        self.weights = None
        self.saved = []
        self.optimizer = Optimizer(rate)

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def save(self, filepath, overwrite):
        self.saved.append((self.weights, filepath.rsplit(".", 1)[0], overwrite))

    def save_weights(self, filepath, overwrite):
        self.saved.append((self.weights, filepath.removesuffix(".weights.h5").removesuffix(".ironhorn"), overwrite))


def curve(generator, length=25):
    """Losses of one of the ways they come: falling, flat in places, in steps, with NaN."""
    kind = generator.integers(4)
    falling = np.cumprod(generator.uniform(0.7, 1.25, length))
    if kind == 0:
        return falling.tolist()
    if kind == 1:
        return np.round(falling, 1).tolist()
    if kind == 2:
        return generator.choice([0.1, 0.2, 0.3, 0.7, 0.8, 1.0], length).tolist()
    return np.where(generator.random(length) < 0.2, np.nan, falling).tolist()


def play(callback, script, model, name):
    """Drives one callback as ``fit`` would; gives everything that it did."""
    callback.set_params({"verbose": 0, "epochs": len(script), "steps": 1})
    callback.set_model(model)
    callback.on_train_begin({})
    trace = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for epoch, value in enumerate(script):
            model.weights = epoch
            callback.on_epoch_begin(epoch, {})
            logs = {"loss": 9.0, name: value}
            callback.on_epoch_end(epoch, logs)
            trace.append((model.stop_training, float(model.optimizer.learning_rate), list(logs), logs))
            if model.stop_training:
                break
        callback.on_train_end({})
    return str(trace), model.weights, model.saved


def pick(generator, **choices):
    """One value an option, each as often as not left at its default."""
    return {
        name: values[generator.integers(len(values))] for name, values in choices.items() if generator.random() < 0.6
    }


def hold(keras, capsys, name, options, script, monitor="val_loss"):
    """Both do the same, and print the same but for the files' suffixes."""
    results = []
    for package, suffix in ((keras, ".keras"), (ironhorn, ".ironhorn")):
        given = dict(options)
        if "filepath" in given:
            weights = given.get("save_weights_only") and package is keras
            given["filepath"] += ".weights.h5" if weights else suffix
        callback = getattr(package.callbacks, name)(**given)
        done = play(callback, script, Scripted(), monitor)
        state = {
            key: str(getattr(callback, key, None)) for key in ("wait", "best", "cooldown_counter", "stopped_epoch")
        }
        text = capsys.readouterr().out.replace(".weights.h5", "").replace(".keras", "").replace(".ironhorn", "")
        results.append((*done, state, text))
    assert results[0] == results[1], (name, options, script)


@pytest.mark.parametrize("seed", range(300))
def test_early_stopping(keras, capsys, seed):
    generator = np.random.default_rng(seed)
    options = pick(
        generator, patience=[0, 1, 2, 4], min_delta=[0, 0.1, -0.1, 0.001], mode=["min", "max", "auto"],
        baseline=[0.2, 0.8, 1.5], restore_best_weights=[True, False], start_from_epoch=[0, 1, 5], verbose=[0, 1],
    )  # fmt: skip
    hold(keras, capsys, "EarlyStopping", options, curve(generator))


@pytest.mark.parametrize("seed", range(300))
def test_reduce_lr_on_plateau(keras, capsys, seed):
    generator = np.random.default_rng(seed)
    options = pick(
        generator, patience=[0, 1, 2, 4], min_delta=[0, 0.1, 0.001], mode=["min", "max", "auto"],
        factor=[0.5, 0.1, 0.3], cooldown=[0, 1, 3], min_lr=[0.0, 0.01, 0.05, 0.1], verbose=[0, 1],
    )  # fmt: skip
    hold(keras, capsys, "ReduceLROnPlateau", {"patience": 2} | options, curve(generator))


@pytest.mark.parametrize("seed", range(300))
def test_model_checkpoint(keras, capsys, tmp_path, seed):
    generator = np.random.default_rng(seed)
    options = pick(
        generator, save_best_only=[True, True, False], save_weights_only=[True, False], mode=["min", "max", "auto"],
        initial_value_threshold=[0.2, 0.8, 1.5], verbose=[0, 1],
    )  # fmt: skip
    name = ["best", "{epoch:02d}", "{epoch}-{val_loss:.2f}-{loss}", "in/a/{epoch:04d}"][generator.integers(4)]
    hold(keras, capsys, "ModelCheckpoint", {"filepath": str(tmp_path / name)} | options, curve(generator))


@pytest.mark.parametrize("save_freq", [1, 2, 3, 5, 7])
def test_model_checkpoint_at_batches(keras, tmp_path, save_freq):
    saved = []
    for package, suffix in ((keras, "keras"), (ironhorn, "ironhorn")):
        path = str(tmp_path / "{epoch}-{batch}-{loss:.1f}.") + suffix
        callback = package.callbacks.ModelCheckpoint(path, save_freq=save_freq)
        model = Scripted()
        callback.set_model(model)
        for epoch in range(3):
            callback.on_epoch_begin(epoch, {})
            for batch in range(4):
                callback.on_train_batch_end(batch, {"loss": batch / 10})
            callback.on_epoch_end(epoch, {"loss": 0.5})
        saved.append(model.saved)
    assert saved[0] == saved[1] != []


def test_semantics_20_the_epoch_in_a_checkpoints_name_is_counted_from_one(tmp_path):
    callback = ironhorn.callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}.ironhorn")
    model = Scripted()
    callback.set_model(model)
    callback.on_epoch_end(0, {"loss": 1.0})
    callback.on_epoch_end(1, {"loss": 1.0})
    assert [name.rsplit("/")[-1] for _, name, _ in model.saved] == ["01", "02"]
    for path in ("a.keras", "a.h5", "a.weights.h5", "a"):
        for only in (False, True):
            with pytest.raises(ValueError, match=r"must end in `\.ironhorn`.*filepath=a"):
                ironhorn.callbacks.ModelCheckpoint(path, save_weights_only=only)


@pytest.mark.parametrize("name", ["EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"])
def test_a_value_that_is_not_there(keras, tmp_path, name):
    seen = []
    for package, suffix in ((keras, "keras"), (ironhorn, "ironhorn")):
        options = {"filepath": str(tmp_path / "a.") + suffix, "save_best_only": True} if name[0] == "M" else {}
        make = getattr(package.callbacks, name)
        for mode in ("min", "auto"):
            callback, model = make(monitor="zz", mode=mode, **options), Scripted()
            callback.set_model(model)
            callback.on_train_begin({})
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    callback.on_epoch_end(0, {"loss": 1.0, "acc": 0.5})
                except ValueError as error:
                    seen.append((package, str(error).replace("Keras", "Ironhorn")))
                seen.extend((package, str(warning.message)) for warning in caught)
    theirs, ours = ([text for package, text in seen if package is which] for which in (keras, ironhorn))
    assert ours == theirs and len(ours) == 2


@pytest.mark.parametrize("options", [{}, {"separator": "\t"}, {"append": True}])
def test_csv_logger_writes_the_same_text(keras, tmp_path, options):
    generator = np.random.default_rng(5)
    runs = [
        [{"loss": 1 / 3, "acc": 0.5, "val_loss": float(np.float32(0.1))}, {"loss": np.nan, "val_loss": 1e-9}],
        [{"loss": x, "a,b": y} for x, y in generator.normal(size=(4, 2)).tolist()]
        + [{"val_loss": np.inf, "loss": 2.0}],
        [{"loss": np.float32(0.1), "list": [1, 2.5], "array": np.arange(3), "text": 'say "x"', "zero": np.array(4.0)}],
        [{}, {"loss": 1.0}],
    ]
    texts = []
    for package in (keras, ironhorn):
        path = tmp_path / f"{package.__name__}.csv"
        callback = package.callbacks.CSVLogger(path, **options)
        written = b""
        for run in runs:
            callback.on_train_begin({})
            for epoch, logs in enumerate(run):
                callback.on_epoch_end(epoch, logs)
            callback.on_train_end({})
            written += path.read_bytes()
        texts.append(written)
    assert texts[0] == texts[1] and texts[0].count(b"\r\n") > 10


X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)
Y = X @ np.array([[2.0], [-1.0]], np.float32)


def regressions(twins, **arguments):
    """A linear model of two inputs in both libraries; ``arguments`` are functions of the package."""
    return twins(
        lambda package: [package.Input((2,)), package.layers.Dense(1, kernel_initializer="zeros")],
        lambda package: (
            {"optimizer": package.optimizers.SGD(0.1), "loss": "mse", "metrics": ["mae"]}
            | {name: value(package) for name, value in arguments.items()}
        ),
    )


def test_learning_rates_are_in_the_history(keras, twins):
    def schedule(epoch, rate):
        return 0.2 if epoch < 2 else rate * 0.7

    def old(epoch):
        return 0.3 / (epoch + 1)

    for make in (
        lambda c: c.LearningRateScheduler(schedule),
        lambda c: c.LearningRateScheduler(old),
        lambda c: c.ReduceLROnPlateau("val_loss", patience=1, min_delta=0.05, factor=0.3, cooldown=1),
    ):
        peer, model = regressions(twins)
        for each, package in ((peer, keras), (model, ironhorn)):
            each.fit(
                X, Y, batch_size=4, epochs=8, shuffle=False, validation_data=(X, Y), verbose=0,
                callbacks=[make(package.callbacks)],
            )  # fmt: skip
        theirs, ours = peer.history.history, model.history.history
        assert list(ours) == list(theirs) == ["loss", "mae", "val_loss", "val_mae", "learning_rate"]
        assert ours["learning_rate"] == theirs["learning_rate"] and len(set(ours["learning_rate"])) > 2
        np.testing.assert_allclose(ours["val_loss"], theirs["val_loss"], rtol=1e-4)


def test_log_keys_of_callbacks_and_their_order(keras, twins):
    def noting(calls, hook):
        def method(self, *args, **kwargs):
            calls.append((hook, *[list(a) if isinstance(a, dict) else a for a in (*args, *kwargs.values())]))

        return method

    seen = {}
    for package, each in zip((keras, ironhorn), regressions(twins), strict=True):
        calls = seen[package.__name__] = []
        base = package.callbacks.Callback
        hooks = [name for name in dir(base) if name.startswith("on_") and "on_batch" not in name]
        Notes = type("Notes", (base,), {hook: noting(calls, hook) for hook in hooks})
        arguments = {"batch_size": 6, "verbose": 0, "callbacks": [Notes()]}
        each.fit(X, Y, epochs=2, validation_data=(X, Y), **arguments)
        each.evaluate(X, Y, **arguments)
        each.predict(X, **arguments)
    assert seen["ironhorn"] == seen["keras"] and len(seen["keras"]) == 38


def test_callbacks_of_keras_itself_work_by_their_methods(keras, twins, tmp_path):
    """They subclass nothing of Ironhorn's, and their batch methods that do nothing cost nothing."""
    _, model = regressions(twins)
    path = tmp_path / "log.csv"
    theirs = [
        keras.callbacks.CSVLogger(path),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.5 * rate),
        keras.callbacks.EarlyStopping("loss", mode="min", patience=1, min_delta=1e9),
    ]
    assert not ironhorn.callbacks.CallbackList(theirs).wants_batches("train")
    history = model.fit(X, Y, epochs=5, callbacks=theirs, verbose=0)
    assert history.epoch == [0, 1]
    with path.open() as file:
        assert [row["loss"] for row in csv.DictReader(file)] == [str(loss) for loss in history.history["loss"]]
    assert history.history["learning_rate"] == pytest.approx([0.05, 0.025])


def test_rates_of_schedules_cannot_be_set(keras, twins):
    peer, model = regressions(
        twins, optimizer=lambda package: package.optimizers.SGD(package.optimizers.schedules.CosineDecay(0.1, 10))
    )
    for each, package in ((peer, keras), (model, ironhorn)):
        for make in (
            lambda c: c.LearningRateScheduler(lambda epoch, rate: 0.1),
            lambda c: c.ReduceLROnPlateau("loss", patience=1, min_delta=1e9),
        ):
            with pytest.raises(TypeError, match="LearningRateSchedule"):
                each.fit(X, Y, epochs=3, callbacks=[make(package.callbacks)], verbose=0)


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_swap_ema_weights(keras, twins, same_weights, swap_on_epoch):
    peer, model = regressions(
        twins, optimizer=lambda package: package.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8)
    )
    seen = {}
    for package, each in ((keras, peer), (ironhorn, model)):
        weights = seen[package.__name__] = []
        watch = package.callbacks.LambdaCallback(
            on_epoch_end=lambda *args, each=each, weights=weights: weights.extend(each.get_weights()),
            on_epoch_begin=lambda *args, each=each, weights=weights: weights.extend(each.get_weights()),
        )
        swap = package.callbacks.SwapEMAWeights(swap_on_epoch=swap_on_epoch)
        each.fit(
            X, Y, batch_size=4, epochs=3, shuffle=False, validation_data=(X, Y), callbacks=[swap, watch], verbose=0
        )
    same_weights(seen["keras"], seen["ironhorn"])
    same_weights(peer.get_weights(), model.get_weights())
    np.testing.assert_allclose(model.history.history["val_loss"], peer.history.history["val_loss"], rtol=1e-4)
    before = model.get_weights()
    logs = model.evaluate(X, Y, return_dict=True, verbose=0)
    assert logs["loss"] == pytest.approx(model.history.history["val_loss"][-1], rel=1e-6)
    same_weights(before, model.get_weights())


def test_terminate_on_nan(keras, capsys):
    for loss in (1.0, np.nan, np.inf, -np.inf, None):
        done = []
        for package in (keras, ironhorn):
            callback, model = package.callbacks.TerminateOnNaN(), Scripted()
            callback.set_model(model)
            callback.on_train_batch_end(3, {} if loss is None else {"loss": loss})
            done.append((model.stop_training, capsys.readouterr().out))
            strict = package.callbacks.TerminateOnNaN(raise_error=True)
            try:
                strict.on_train_batch_end(3, {} if loss is None else {"loss": loss})
            except RuntimeError as error:
                done[-1] += (str(error),)
        assert done[0] == done[1]
