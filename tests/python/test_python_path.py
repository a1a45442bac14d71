"""Losses, metrics and learning rates that are written in Python, inside of fit; and the user's own loop."""

import numpy as np
import pytest

import ironhorn
from ironhorn import layers, losses, metrics, optimizers

rng = np.random.default_rng(3)
X = rng.normal(size=(64, 5)).astype(np.float32)
Y = (X @ rng.normal(size=(5, 2)) + 0.1 * rng.normal(size=(64, 2))).astype(np.float32)
WEIGHT = rng.uniform(0.2, 2.0, 64).astype(np.float32)


def net(seed: int = 5, dropout: float = 0.0) -> ironhorn.Sequential:
    ironhorn.utils.set_random_seed(seed)
    return ironhorn.Sequential([layers.Input((5,)), layers.Dense(7, "tanh"), layers.Dropout(dropout), layers.Dense(2)])


def squared(y_true, y_pred):
    error = y_pred - y_true
    return (error**2).mean(-1), 2 * error / error.shape[-1]


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_a_loss_in_python_trains_like_the_engine_s(reduction, weight):
    histories, weights = [], []
    for loss in (losses.MeanSquaredError(reduction), losses.PythonLoss(squared, reduction, name="squared")):
        model = net(dropout=0.3)
        model.compile(optimizers.SGD(0.01, momentum=0.9), loss, metrics=["mae"])
        history = model.fit(X, Y, 10, 3, verbose=0, sample_weight=weight, validation_data=(X[:20], Y[:20]))
        histories.append(history.history)
        weights.append(model.get_weights())
    assert list(histories[0]) == list(histories[1])
    for key, values in histories[0].items():
        np.testing.assert_allclose(histories[1][key], values, rtol=2e-5, err_msg=key)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_one_of_several_losses_may_be_python_s():
    weights = []
    for second in ("mse", losses.PythonLoss(squared)):
        ironhorn.utils.set_random_seed(1)
        x = layers.Input((5,))
        hidden = layers.Dense(4, "relu")(x)
        outputs = [layers.Dense(2, name="a")(hidden), layers.Dense(2, name="b")(hidden)]
        model = ironhorn.Model(x, outputs)
        model.compile("sgd", ["mae", second], loss_weights=[1.0, 0.3])
        logs = model.fit(X, [Y, Y], 16, 2, verbose=0, shuffle=False).history
        assert set(logs) == {"loss", "a_loss", "b_loss"}
        weights.append((*model.get_weights(), *(np.asarray(logs[k]) for k in sorted(logs))))
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


def test_a_loss_that_raises_leaves_the_last_whole_step():
    calls = []

    def angry(y_true, y_pred):
        calls.append(len(y_true))
        if len(calls) > 2:
            raise KeyError("enough")
        return squared(y_true, y_pred)

    model = net()
    model.compile("adam", losses.PythonLoss(angry))
    with pytest.raises(KeyError, match="enough"):
        model.fit(X, Y, 16, verbose=0)
    assert model.optimizer.iterations == 2
    model.compile("adam", "mse")
    assert np.isfinite(model.evaluate(X, Y, verbose=0))


class Largest(metrics.Metric):
    """The largest error so far."""

    def __init__(self, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.largest = self.add_variable((), "zeros", name="largest")

    def update_state(self, y_true, y_pred, sample_weight=None):
        error = float(np.abs(np.asarray(y_true) - np.asarray(y_pred)).max())
        self.largest.assign(max(error, float(np.asarray(self.largest))))

    def result(self):
        return np.asarray(self.largest)


def test_metrics_in_python():
    model = net()
    model.compile("sgd", "mse", metrics=[Largest(), lambda t, p: np.abs(t - p).mean(-1), "mae"])
    history = model.fit(X, Y, 16, 2, verbose=0, validation_data=(X, Y)).history
    assert "val_largest" in history and len(history["largest"]) == 2
    predicted = model.predict(X, verbose=0)
    values = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert values["largest"] == pytest.approx(np.abs(predicted - Y).max(), rel=1e-5)
    own = next(value for key, value in values.items() if "lambda" in key)
    assert own == pytest.approx(values["mae"], rel=1e-5)


def test_schedules_in_python_are_asked_before_each_step():
    class Halves(optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1 * 0.5 ** float(step)

        def get_config(self):
            return {}

    weights = []
    for rate in (Halves(), optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)):
        model = net()
        model.compile(optimizers.SGD(rate), "mse")
        model.fit(X, Y, 16, 2, verbose=0, shuffle=False)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


OPTIMIZERS = {
    "sgd": optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "clipnorm": optimizers.Adam(0.01, clipnorm=0.1),
    "global_clipnorm": optimizers.RMSprop(0.01, global_clipnorm=0.1, momentum=0.5, centered=True),
    "clipvalue": optimizers.Adagrad(0.05, clipvalue=0.02, weight_decay=0.01),
    "lamb": optimizers.Lamb(0.01, weight_decay=0.02, clipnorm=0.5),
    "ema": optimizers.Nadam(0.01, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=2),
    "accumulation": optimizers.Adam(0.01, gradient_accumulation_steps=3, global_clipnorm=0.2, use_ema=True),
    "adamw": optimizers.AdamW(0.01),
    "schedule": optimizers.Lion(optimizers.schedules.CosineDecay(0.01, 5)),
    "ftrl": optimizers.Ftrl(0.1, l1_regularization_strength=0.01),
    "adadelta": optimizers.Adadelta(0.5),
    "adamax": optimizers.Adamax(0.02),
}


@pytest.mark.numeric
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_loop_of_one_s_own_is_fit(name):
    """gradients and apply, step by step, come to what fit makes."""
    config = OPTIMIZERS[name].get_config()
    regular = {"kernel_regularizer": "l2", "bias_regularizer": ironhorn.regularizers.L1(0.01)}
    ironhorn.utils.set_random_seed(2)
    model = ironhorn.Sequential(
        [layers.Input((5,)), layers.Dense(20, "gelu", **regular), layers.Dense(2, activity_regularizer="l1")]
    )
    optimizer = type(OPTIMIZERS[name]).from_config(config)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    own = type(OPTIMIZERS[name]).from_config(config)
    own.exclude_from_weight_decay(var_list=[])
    model.compile(optimizer, "mse")
    for step in range(7):
        arrays = model.get_weights()
        gradients = model.gradients(X, Y, WEIGHT)
        if step == 0:
            twins = [array.copy() for array in arrays]
            own.build(twins)
            own.exclude_from_weight_decay(var_list=[twins[1], twins[3]])
        own.apply(gradients.variables, twins)
        loss = model.train_on_batch(X, Y, WEIGHT)
        assert loss == pytest.approx(gradients.loss, rel=1e-5)
        for variable, twin in zip(model.trainable_variables, twins, strict=True):
            np.testing.assert_allclose(variable.numpy(), twin, rtol=2e-5, atol=2e-6, err_msg=f"{variable.path} {step}")


def test_averages_take_the_weights_place_when_fit_ends():
    model = net()
    model.compile(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
    model.fit(X, Y, 16, 1, verbose=0)
    averages = [v.numpy() for v in model.optimizer._model_variables_moving_average]
    for variable, average in zip(model.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(variable.numpy(), average)


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb", "accumulation", "adadelta"])
def test_steps_of_one_s_own_and_of_fit_share_their_memory(name):
    config = OPTIMIZERS[name].get_config()
    weights = []
    for own in ((), (1, 2, 4)):
        model = net(3)
        model.compile(type(OPTIMIZERS[name]).from_config(config), "mse")
        for step in range(6):
            if step in own:
                model.optimizer.apply(model.gradients(X, Y).variables, model.trainable_variables)
            else:
                model.train_on_batch(X, Y)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


def test_gradients_of_shared_names_and_of_indices():
    a, b = layers.Input((2,)), layers.Input((1,), dtype="int32")
    twice = layers.Add()([layers.Dense(1, name="k")(a), ironhorn.Sequential([layers.Dense(1, name="k")])(a)])
    model = ironhorn.Model([a, b], layers.Add()([twice, layers.Flatten()(layers.Embedding(4, 1)(b))]))
    model.compile("sgd", "mse")
    x = [np.ones((3, 2), "float32"), np.array([[0], [3], [0]])]
    gradients = model.gradients(x, np.zeros((3, 1), "float32"))
    assert len(gradients.by_path) == len(gradients.variables) == 5
    assert gradients.inputs[0].shape == (3, 2) and gradients.inputs[1] is None


def test_variables_are_arrays_for_numpy():
    layer = layers.Dense(2, kernel_initializer=np.eye(2), bias_initializer=lambda shape, dtype=None: np.ones(shape))
    layer.build((None, 2))
    np.testing.assert_array_equal(np.asarray(layer.kernel), np.eye(2))
    layer.bias.assign([2.0, 3.0])
    layer.bias.assign_sub(1.0)
    layer.bias.assign_add(np.array([0.5, 0.5]))
    assert np.sum(layer.bias) == 4.0 and layer.bias.dtype == "float32" and "dense" in repr(layer.bias)
    with pytest.raises(ValueError, match="shape"):
        layer.bias.assign(3.0)


def test_an_empty_subclass_is_its_base():
    class Mine(layers.Dense):
        pass

    assert Mine(3)(np.ones((2, 2))).shape == (2, 3)


def test_metric_objects_hold_what_training_came_to():
    y = (Y > 0).astype("float32")
    objects = [metrics.Precision(), metrics.AUC(num_thresholds=20), metrics.BinaryAccuracy()]
    model = net()
    model.compile("sgd", "bce", metrics=objects)
    history = model.fit(X, y, 16, 2, verbose=0).history
    for metric in objects:
        assert float(metric.result()) == pytest.approx(history[metric.name][-1], rel=1e-6)
    values = model.evaluate(X, y, verbose=0, return_dict=True)
    for metric in objects:
        assert float(metric.result()) == pytest.approx(values[metric.name], rel=1e-6)
