"""Losses, metrics, schedules and layers of one's own in the model file; pickle and copies."""

import copy
import pickle

import numpy as np
import pytest

import ironhorn
from ironhorn import losses, metrics, ops, optimizers
from ironhorn.errors import LoadError
from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential
from saved import BRANCHED, CHAIN, X, branched, chain, fit, same


def steep(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred) + ops.abs(y_pred) * 0.1, axis=-1)


class Weighted(losses.Loss):
    def __init__(self, factor=2.0, name="weighted", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name, reduction, dtype)
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * ops.mean(ops.square(y_true - y_pred), axis=-1)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def numpy_loss(y_true, y_pred):
    return np.mean((y_pred - y_true) ** 2, -1), 2 * (y_pred - y_true) / y_pred.shape[-1]


class Largest(metrics.Metric):
    def __init__(self, name="largest", dtype=None):
        super().__init__(dtype, name)
        self.value = self.add_variable((), name="value")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value.assign(max(float(self.value.numpy()), float(np.max(y_pred))))

    def result(self):
        return self.value.numpy()


def regression(loss, metric=()):
    model = Sequential([Input((6,)), Dense(4, "tanh"), Dense(2)])
    model.compile(optimizers.Adam(0.01), loss, metrics=list(metric))
    return model


@pytest.mark.parametrize("loss", [steep, Weighted(3.0), losses.Huber(0.5), losses.mean_absolute_error, "mse"])
def test_losses_that_the_engine_runs_need_nothing_to_be_handed_in(loss, tmp_path):
    data = (X, X[:, :2].copy())
    model = regression(loss, [steep, "mae", metrics.RootMeanSquaredError(), losses.LogCosh()])
    fit(model, data, 2)
    model.save(tmp_path / "net")
    loaded = ironhorn.load_model(tmp_path / "net")
    assert loaded.evaluate(*data, verbose=0, return_dict=True) == model.evaluate(*data, verbose=0, return_dict=True)
    fit(model, data, 2)
    fit(loaded, data, 2)
    same(loaded.get_weights(), model.get_weights())
    loaded.save(tmp_path / "again")
    fit(loaded, data, 1)
    fit(model, data, 1)
    same(loaded.get_weights(), model.get_weights())


def test_a_traced_loss_can_be_called_after_loading_and_be_handed_in(tmp_path):
    model = regression(Weighted(3.0))
    model.save(tmp_path / "net")
    y, p = X[:4, :2], X[4:8, :2]
    loaded = ironhorn.load_model(tmp_path / "net")
    np.testing.assert_allclose(loaded.loss(y, p), Weighted(3.0)(y, p), rtol=1e-6)
    handed = ironhorn.load_model(tmp_path / "net", custom_objects={"Weighted": Weighted})
    assert isinstance(handed.loss, Weighted) and handed.loss.factor == 3.0


def test_what_only_python_computes_is_handed_in(tmp_path):
    data = (X, X[:, :2].copy())
    model = regression(losses.PythonLoss(numpy_loss), [Largest()])
    fit(model, data, 1)
    model.save(tmp_path / "net")
    with pytest.raises(LoadError, match=r"net.*custom_objects=.'numpy_loss'"):
        ironhorn.load_model(tmp_path / "net")
    assert not ironhorn.load_model(tmp_path / "net", compile=False).compiled
    loaded = ironhorn.load_model(tmp_path / "net", {"numpy_loss": numpy_loss, "Largest": Largest})
    assert loaded.evaluate(*data, verbose=0, return_dict=True) == model.evaluate(*data, verbose=0, return_dict=True)
    fit(model, data, 1)
    fit(loaded, data, 1)
    same(loaded.get_weights(), model.get_weights())


class Halving(optimizers.schedules.LearningRateSchedule):
    def __init__(self, start):
        self.start = start

    def __call__(self, step):
        return self.start / (1 + int(step))

    def get_config(self):
        return {"start": self.start}


def test_a_schedule_of_ones_own_is_handed_in(tmp_path):
    model = chain(optimizers.SGD(Halving(0.5)))
    fit(model, CHAIN, 1)
    model.save(tmp_path / "net")
    with pytest.raises(LoadError, match="Halving"):
        ironhorn.load_model(tmp_path / "net")
    loaded = ironhorn.load_model(tmp_path / "net", custom_objects={"Halving": Halving})
    fit(model, CHAIN, 1)
    fit(loaded, CHAIN, 1)
    same(loaded.get_weights(), model.get_weights())


class Wide(Dense):
    """A layer of one's own, without a computation of its own."""


def halves(shape, dtype=None):
    return np.full(shape, 0.5, np.float32)


def test_layers_and_initializers_of_ones_own_are_handed_in(tmp_path):
    model = Sequential([Input((6,)), Wide(4, kernel_initializer=halves), Dense(2)])
    model.set_weights([w + 1 for w in model.get_weights()])
    model.save(tmp_path / "net")
    with pytest.raises(LoadError, match="Wide"):
        ironhorn.load_model(tmp_path / "net")
    loaded = ironhorn.load_model(tmp_path / "net", {"Wide": Wide, "halves": halves})
    assert type(loaded.layers[0]) is Wide and loaded.layers[0].kernel_initializer is halves
    same(loaded.get_weights(), model.get_weights())
    other = copy.deepcopy(model)
    assert type(other.layers[0]) is Wide
    same(other.get_weights(), model.get_weights())


# Copies


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
@pytest.mark.parametrize(("make", "data"), [(chain, CHAIN), (branched, BRANCHED)])
def test_copies_train_on_alone(make, data, copied):
    model = make()
    fit(model, data, 1)
    other = copied(model)
    before = model.get_weights()
    fit(other, data, 2)
    same(model.get_weights(), before)
    fit(model, data, 2)
    same(model.get_weights(), other.get_weights())


def test_a_copy_takes_along_what_a_file_cannot_hold():
    data = (X, X[:, :2].copy())
    model = regression(losses.PythonLoss(lambda t, p: numpy_loss(t, p)), [Largest()])
    fit(model, data, 1)
    other = copy.deepcopy(model)
    fit(model, data, 1)
    fit(other, data, 1)
    same(model.get_weights(), other.get_weights())
