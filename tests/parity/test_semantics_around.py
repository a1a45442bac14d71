"""What clones of Keras get wrong around the numbers: points 8 to 11 and 16 to 21 of the contract's 21, against Keras.

Of 21 there is the half that holds today: names of Keras's own files are refused, and nothing is written under them.
"""

import re
import shutil
import warnings
import zipfile

import numpy as np
import pytest

import ironhorn
from semantics import LABELS, X, Y, compiled, fit, net, packages, same


def stopped(keras, twins, rates, **options):
    """Both, trained at one rate an epoch and stopped early: the losses and the weight that is left.

    The loss is w², so a rate r turns w into w·(1 - 2r): above 1 the loss grows.
    """

    def layers(k):
        return [k.Input((1,)), k.layers.Dense(1, use_bias=False)]

    def arguments(k):
        schedule = k.optimizers.schedules.PiecewiseConstantDecay(list(range(len(rates) - 1)), rates)
        return {"optimizer": k.optimizers.SGD(schedule), "loss": "mse"}

    found = []
    for package, model in zip(packages(keras), twins(layers, arguments), strict=True):
        model.set_weights([np.full((1, 1), 2.0)])
        callback = package.callbacks.EarlyStopping(monitor="loss", **options)
        data = np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32)
        history = model.fit(*data, epochs=len(rates), verbose=0, callbacks=[callback])
        found.append((history.history["loss"], float(model.get_weights()[0][0, 0]), callback.stopped_epoch))
    (expected, kept, epoch), (got, ours, our_epoch) = found
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    assert ours == pytest.approx(kept, rel=1e-4) and our_epoch == epoch
    return got, ours


def test_08_early_stopping_restores_even_where_it_never_triggered(keras, twins):
    losses, kept = stopped(keras, twins, [0.2, 0.2, 1.2, 1.2], patience=20, restore_best_weights=True)
    assert len(losses) == 4 and losses[2] == min(losses)
    assert kept == pytest.approx(2 * 0.6 * 0.6 * -1.4, rel=1e-5)  # at the end of the best epoch


def test_08_early_stopping_cannot_stop_at_epoch_0(keras, twins):
    losses, _ = stopped(keras, twins, [0.0, 0.0, 0.0], patience=0, baseline=1e-3)
    assert len(losses) == 2


def test_08_the_baseline_gates_only_that_the_wait_begins_anew(keras, twins):
    rates = [0.2, 0.2, 0.2, 1.2, 1.2, 1.2]
    patient, _ = stopped(keras, twins, rates, patience=3)
    assert len(patient) == 6  # the wait began anew at the fourth epoch
    losses, kept = stopped(keras, twins, rates, patience=3, baseline=1e-3, restore_best_weights=True)
    assert len(losses) == 5  # the loss fell, so nothing stopped, but never to the baseline
    assert kept == pytest.approx(2 * 0.6**3 * -1.4, rel=1e-5)


def test_09_the_direction_of_auto_is_the_metric_s_and_unknown_is_an_error(keras, twins):
    pair = twins(net(1, "sigmoid"), compiled("binary_crossentropy", metrics=["accuracy"]))
    for package, model in zip(packages(keras), pair, strict=True):
        for monitor, upwards in (("accuracy", True), ("val_accuracy", True), ("loss", False), ("val_loss", False)):
            callback = package.callbacks.EarlyStopping(monitor=monitor)
            model.fit(X, LABELS, verbose=0, validation_data=(X, LABELS), callbacks=[callback])
            assert bool(callback.monitor_op(2.0, 1.0)) == upwards, monitor
        with pytest.raises(ValueError, match="mode"):
            model.fit(X, LABELS, verbose=0, callbacks=[package.callbacks.EarlyStopping(monitor="unheard_of")])


def test_10_schedules_count_steps_and_the_rate_of_one_cannot_be_set(keras, twins, same_weights):
    pair = twins(
        net(2),
        lambda k: {"optimizer": k.optimizers.SGD(k.optimizers.schedules.ExponentialDecay(0.4, 2, 0.5)), "loss": "mse"},
    )
    same(fit(pair, X, Y))  # 6 steps
    same_weights(*(model.get_weights() for model in pair))
    for model in pair:
        assert float(model.optimizer.learning_rate) == pytest.approx(0.4 * 0.5**3, rel=1e-5)
        with pytest.raises(TypeError, match="LearningRateSchedule"):
            model.optimizer.learning_rate = 0.1


def test_10_the_rate_is_in_the_history_where_callbacks_change_it(keras, twins, same_weights):
    def callbacks(k):
        return {
            "schedule": [k.callbacks.LearningRateScheduler(lambda epoch, rate: float(rate) * 0.5)],
            "plateau": [k.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=10.0)],
            "neither": [k.callbacks.EarlyStopping("loss", patience=9)],
        }

    for name in callbacks(ironhorn):
        pair = twins(net(2), compiled(metrics=["mae"]))
        logs = [
            fit((model,), X, Y, epochs=4, validation_data=(X, Y), callbacks=callbacks(package)[name])[0]
            for package, model in zip(packages(keras), pair, strict=True)
        ]
        same(logs)
        assert ("learning_rate" in logs[1]) == (name != "neither")
        same_weights(*(model.get_weights() for model in pair))


def test_10_callbacks_cannot_set_the_rate_of_a_schedule(keras, twins):
    def arguments(k):
        return {"optimizer": k.optimizers.SGD(k.optimizers.schedules.ExponentialDecay(0.4, 2, 0.5)), "loss": "mse"}

    for package, model in zip(packages(keras), twins(net(2), arguments), strict=True):
        for callback in (
            package.callbacks.LearningRateScheduler(lambda epoch: 0.1),
            package.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=10.0),
        ):
            with pytest.raises(TypeError, match="LearningRateSchedule"):
                model.fit(X, Y, epochs=3, verbose=0, callbacks=[callback])


def test_11_logs_are_in_the_order_of_the_alphabet_and_evaluate_puts_the_loss_first(twins):
    pair = twins(net(2), compiled(metrics=["mse", "mae"], weighted_metrics=["cosine_similarity"]))
    same(fit(pair, X, Y, validation_data=(X, Y)))
    assert list(pair[1].evaluate(X, Y, verbose=0, return_dict=True)) == list(
        pair[0].evaluate(X, Y, verbose=0, return_dict=True)
    )
    expected, got = (model.evaluate(X, Y, verbose=0) for model in pair)
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    assert pair[1].metrics_names[0] == "loss"
    assert got[0] == pytest.approx(pair[1].evaluate(X, Y, verbose=0, return_dict=True)["loss"])


def test_16_a_first_layer_takes_an_input_shape_with_a_warning(keras):
    for package in packages(keras):
        with pytest.warns(UserWarning, match="input_shape"):
            layers = [package.layers.Dense(3, input_shape=(4,)), package.layers.Dense(2)]
        model = package.Sequential(layers)
        assert model.built and [w.shape for w in model.get_weights()] == [(4, 3), (3,), (3, 2), (2,)]


def test_16_without_any_shape_a_model_builds_at_the_first_data(keras):
    for package in packages(keras):
        model = package.Sequential([package.layers.Dense(3), package.layers.Dense(2)])
        assert not model.built and model.weights == []
        with pytest.raises(ValueError, match="isn't built"):
            model.count_params()
        model.compile("sgd", "mse")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.fit(X, Y, verbose=0)
        assert model.built and model.count_params() == 4 * 3 + 3 + 3 * 2 + 2


def test_17_small_numbers_in_the_lines_of_an_epoch(twins, capsys):
    for error, shown in ((1.0, "loss: 1.x - mae: 1.x"), (1.5e-4, "loss: 2.xe-08 - mae: 1.xe-04")):
        lines = []
        for model in twins(net(2), compiled(rate=0.0, metrics=["mae"])):
            model.fit(X, model.predict(X, verbose=0) + error, verbose=2)
            text = re.sub(r"\d+(s|ms|us)", "T", capsys.readouterr().out)
            lines.append(re.sub(r"\.\d{4}(?!\d)", ".x", text))
        assert lines == [f"1/1 - T - T/step - {shown}\n"] * 2


def test_18_total_params_include_the_optimizer_s(keras, twins):
    def total(model):
        lines = []
        model.summary(print_fn=lambda text, **_: lines.append(text))
        return next(line for line in "\n".join(lines).splitlines() if "Total params" in line)

    totals = []
    for model in twins(net(2), lambda k: {"optimizer": "adam", "loss": "mse"}):
        before = total(model)
        model.fit(X, Y, verbose=0)
        totals.append((before, total(model)))
    assert totals[1] == totals[0]
    assert "37 " in totals[1][0] and "113 " in totals[1][1]  # 2 * 37 slots, the counter and the rate


def test_19_train_on_batch_begins_anew_each_time(twins):
    pair = twins(net(2), compiled(rate=0.0, metrics=["mae"]))
    for rows in (slice(0, 8), slice(8, 22)):
        expected, got = (model.train_on_batch(X[rows], Y[rows]) for model in pair)
        np.testing.assert_allclose(got, expected, rtol=1e-5)
        np.testing.assert_allclose(got, pair[1].evaluate(X[rows], Y[rows], verbose=0), rtol=1e-5)


def test_20_the_epoch_in_a_checkpoint_s_name_counts_from_1(keras, twins, tmp_path):
    names = []
    for package, model in zip(packages(keras), twins(net(2), compiled()), strict=True):
        folder, own = tmp_path / package.__name__, ".weights.h5" if package is keras else ".ironhorn"
        folder.mkdir()
        checkpoint = package.callbacks.ModelCheckpoint(f"{folder}/{{epoch:02d}}{own}", save_weights_only=True)
        model.fit(X, Y, epochs=3, initial_epoch=1, verbose=0, callbacks=[checkpoint])
        names.append(sorted(path.name.removesuffix(own) for path in folder.iterdir()))
        model.load_weights(folder / f"03{own}")
    assert names == [["02", "03"]] * 2


def test_20_weights_of_keras_end_in_weights_h5_which_is_refused_here(keras, twins, tmp_path):
    peer, model = twins(net(2), compiled())
    with pytest.raises(ValueError, match=r"\.weights\.h5"):
        keras.callbacks.ModelCheckpoint(str(tmp_path / "w.ironhorn"), save_weights_only=True)
    peer.save_weights(tmp_path / "w.weights.h5")
    for call in (model.save_weights, model.load_weights):
        with pytest.raises(ValueError, match=r"w\.weights\.h5"):
            call(tmp_path / "w.weights.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["w.weights.h5"]


def test_21_a_keras_file_is_an_archive_and_no_other_format_goes_by_that_name(keras, twins, tmp_path):
    peer, model = twins(net(2), compiled())
    peer.save(tmp_path / "peer.keras")
    with zipfile.ZipFile(tmp_path / "peer.keras") as archive:
        assert {"metadata.json", "config.json", "model.weights.h5"} <= set(archive.namelist())
    for call in (model.save, model.save_weights):
        with pytest.raises(ValueError, match=r"own\.keras"):
            call(tmp_path / "own.keras")
    with pytest.raises(ValueError, match=r"peer\.keras"):
        ironhorn.load_model(tmp_path / "peer.keras")
    shutil.copy(tmp_path / "peer.keras", tmp_path / "peer.ironhorn")
    with pytest.raises(ironhorn.errors.LoadError, match=r"peer\.ironhorn"):
        ironhorn.load_model(tmp_path / "peer.ironhorn")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["peer.ironhorn", "peer.keras"]
