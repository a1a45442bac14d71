"""Validation inside of fit: the split, the data, how often."""

import numpy as np
import pytest

from ironhorn import optimizers


def test_the_split_takes_the_last_rows_before_shuffling(line):
    x = np.ones((10, 1))
    y = np.array([1.0] * 7 + [3.0] * 3)
    history = line(optimizers.SGD(0.0)).fit(x, y, validation_split=0.3, batch_size=1, verbose=0)
    assert history.params["steps"] == 7
    assert history.history["loss"] == [pytest.approx(1.0)]
    assert history.history["val_loss"] == [pytest.approx(9.0)]


@pytest.mark.parametrize(("n", "share", "kept"), [(10, 0.25, 7), (3, 0.5, 1), (11, 0.1, 9), (100, 0.07, 93)])
def test_the_split_is_at_the_floor(line, n, share, kept):
    history = line().fit(np.zeros((n, 1)), np.zeros(n), validation_split=share, batch_size=1, verbose=0)
    assert history.params["steps"] == kept


@pytest.mark.parametrize(("n", "share"), [(1, 0.5), (10, 0.999), (2, 0.9)])
def test_an_empty_side_is_an_error(line, n, share):
    with pytest.raises(ValueError, match=f"contains {n} samples, which is not sufficient"):
        line().fit(np.zeros((n, 1)), np.zeros(n), validation_split=share, verbose=0)


@pytest.mark.parametrize("share", [-0.1, 1.0, 2, float("nan")])
def test_a_share_outside_of_its_range(line, share):
    with pytest.raises(ValueError, match="`validation_split`"):
        line().fit(np.zeros((4, 1)), np.zeros(4), validation_split=share, verbose=0)


def test_validation_data_overrides_the_split(line):
    x, y = np.ones((10, 1)), np.ones(10)
    history = line(optimizers.SGD(0.0)).fit(
        x, y, validation_split=0.5, validation_data=(x, 3 * y), batch_size=1, verbose=0
    )
    assert history.params["steps"] == 10
    assert history.history["val_loss"] == [pytest.approx(9.0)]


def test_weights_split_with_the_rows_and_count_in_validation(line):
    x, y = np.ones((4, 1)), np.array([1.0, 1.0, 2.0, 2.0])
    history = line(optimizers.SGD(0.0)).fit(
        x, y, sample_weight=np.array([1.0, 0.0, 3.0, 0.0]), validation_split=0.5, verbose=0
    )
    assert history.history["loss"] == [pytest.approx(0.5)]
    assert history.history["val_loss"] == [pytest.approx(6.0)]
    history = line(optimizers.SGD(0.0)).fit(x, y, validation_data=(x, y, np.zeros(4)), verbose=0)
    assert history.history["val_loss"] == [0.0]


def test_class_weights_do_not_weigh_validation(line):
    x, y = np.ones((4, 1)), np.array([1.0, 1.0, 2.0, 2.0])
    history = line(optimizers.SGD(0.0)).fit(x, y, class_weight={1: 5.0, 2: 5.0}, validation_split=0.5, verbose=0)
    assert history.history["loss"] == [pytest.approx(5.0)]
    assert history.history["val_loss"] == [pytest.approx(4.0)]


@pytest.mark.parametrize(("frequency", "count"), [(1, 5), (2, 2), ([1, 4], 2), (9, 0), ((5,), 1)])
def test_validation_freq(line, frequency, count):
    x, y = np.ones((4, 1)), np.ones(4)
    history = line().fit(x, y, epochs=5, validation_data=(x, y), validation_freq=frequency, verbose=0)
    assert len(history.history.get("val_loss", [])) == count
    assert len(history.history["loss"]) == 5


@pytest.mark.parametrize("frequency", [0, -1, 2.5, "2", None, True])
def test_a_wrong_validation_freq(line, frequency):
    with pytest.raises(ValueError, match="`validation_freq`"):
        line().fit(np.ones((4, 1)), np.ones(4), validation_freq=frequency, verbose=0)


def test_validation_batches_and_steps(line):
    x, y = np.ones((6, 1)), np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0])
    model = line(optimizers.SGD(0.0))
    history = model.fit(x, y, validation_data=(x, y), validation_batch_size=2, validation_steps=2, verbose=0)
    assert history.history["val_loss"] == [pytest.approx(2.5)]


@pytest.mark.parametrize("data", [np.zeros((4, 1)), (np.zeros((4, 1)),), (1, 2, 3, 4), "xy", 5])
def test_validation_data_of_a_wrong_form(line, data):
    with pytest.raises((ValueError, TypeError), match="validation_data"):
        line().fit(np.ones((4, 1)), np.ones(4), validation_data=data, verbose=0)


def test_validation_data_of_wrong_lengths_and_shapes(line):
    model = line()
    for data in [(np.zeros((4, 1)), np.zeros(3)), (np.zeros((4, 2)), np.zeros(4)), (np.zeros((0, 1)), np.zeros(0))]:
        with pytest.raises(ValueError):
            model.fit(np.ones((4, 1)), np.ones(4), validation_data=data, verbose=0)
    assert model.optimizer.iterations == 0 and (model.get_weights()[0] == 0).all()


def test_val_loss_is_evaluate_s(blobs, classifier):
    x, y = blobs
    model = classifier()
    history = model.fit(x, y, validation_data=(x[:50], y[:50]), verbose=0)
    loss, accuracy = model.evaluate(x[:50], y[:50], verbose=0)
    assert history.history["val_loss"] == [pytest.approx(loss, rel=1e-6)]
    assert history.history["val_accuracy"] == [pytest.approx(accuracy)]
