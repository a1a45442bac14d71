"""A loss that becomes NaN or infinite ends fit: the error names the place, and the weights stay as before the step."""

import numpy as np
import pytest

import ironhorn
from ironhorn import layers, losses, optimizers
from ironhorn.callbacks import Callback
from ironhorn.errors import NonFiniteError

BAD = [np.nan, np.inf, -np.inf]
X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = np.zeros((40, 2), np.float32)


def net(*between, optimizer="sgd", loss="mse", metrics=None, **kwargs):
    model = ironhorn.Sequential(
        [ironhorn.Input((3,)), layers.Dense(4, name="first"), *between, layers.Dense(2, name="last")]
    )
    model.compile(optimizer, loss, metrics=metrics, **kwargs)
    return model


def put(layer, value, weight=0):
    weights = layer.get_weights()
    weights[weight].flat[-1] = value
    layer.set_weights(weights)


def test_the_error_is_one_of_arithmetic():
    assert issubclass(NonFiniteError, FloatingPointError) and issubclass(NonFiniteError, ArithmeticError)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("count", [1, 2])
def test_bad_inputs_end_fit_at_their_step_with_the_weights_before_it(bad, count, threads):
    threads(count)
    x = X.copy()
    x[21, 1] = bad
    model, twin = net(layers.BatchNormalization()), net(layers.BatchNormalization())
    twin.set_weights(model.get_weights())
    with pytest.raises(NonFiniteError) as caught:
        model.fit(x, Y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    text = str(caught.value)
    assert "epoch 1/3, step 3/5" in text and "`x` (row 21)" in text
    assert "first bad layer is 'first': its output is not finite" in text
    # Two good steps were made, and nothing of the third: not even moving statistics.
    assert model.optimizer.iterations == 2
    twin.fit(x[:16], Y[:16], batch_size=8, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    model.fit(X, Y, epochs=2, verbose=0)  # the model is as usable as before
    assert np.isfinite(model.evaluate(X, Y, verbose=0))


MAKERS = {
    "Dense": lambda: layers.Dense(4, name="bad"),
    "BatchNormalization": lambda: layers.BatchNormalization(name="bad"),
    "LayerNormalization": lambda: layers.LayerNormalization(name="bad"),
    "PReLU": lambda: layers.PReLU(name="bad", alpha_initializer="ones"),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("bad", BAD)
def test_bad_weights_name_their_layer(kind, bad):
    model = net(MAKERS[kind](), layers.Dropout(0.1), layers.Activation("relu"))
    if kind == "PReLU":  # whose slope counts for negative inputs
        model.get_layer("first").set_weights([np.zeros((3, 4)), -np.ones(4)])
    put(model.get_layer("bad"), bad)
    before = model.get_weights()
    with pytest.raises(NonFiniteError, match="first bad layer is 'bad': its weights are not finite"):
        model.fit(X, Y, batch_size=40, epochs=2, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_embedding_with_bad_rows():
    model = ironhorn.Sequential(
        [ironhorn.Input((2,), dtype="int32"), layers.Embedding(5, 3, name="table"), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    put(model.get_layer("table"), np.nan)
    ids = np.zeros((6, 2), np.int32)
    model.fit(ids, np.zeros(6), verbose=0)  # row 4 is not used, and the loss is finite
    ids[5] = 4
    with pytest.raises(NonFiniteError, match="'table': its weights"):
        model.fit(ids, np.zeros(6), verbose=0)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Rescaling(3e38, name="bad"),
        lambda: layers.Activation("exponential", name="bad"),
    ],
)
def test_a_layer_whose_output_overflows(layer):
    model = net(layer())
    model.get_layer("first").set_weights([np.full((3, 4), 1000.0), np.zeros(4)])
    with pytest.raises(NonFiniteError, match="first bad layer is 'bad': its output is not finite"):
        model.fit(np.abs(X) + 1, Y, verbose=0)


def test_branches_and_models_inside():
    inner = ironhorn.Sequential([ironhorn.Input((3,)), layers.Dense(3, name="inside")], name="inner")
    a = ironhorn.Input((3,), name="a")
    left = layers.Dense(3, name="left")(a)
    total = layers.Add(name="total")([left, inner(a)])
    model = ironhorn.Model(a, [layers.Dense(1, name="u")(total), layers.Dense(1, name="v")(left)])
    model.compile("adam", ["mse", "mae"])
    y = [np.zeros((40, 1)), np.zeros((40, 1))]
    put(model.get_layer("v"), np.inf)
    with pytest.raises(NonFiniteError, match="'v': its weights"):
        model.fit(X, y, verbose=0)
    put(inner.get_layer("inside"), np.nan)
    with pytest.raises(NonFiniteError, match="'inside': its weights"):
        model.fit(X, y, verbose=0)


REGRESSION = [
    losses.MeanSquaredError(), losses.MeanAbsoluteError(), losses.MeanAbsolutePercentageError(), losses.LogCosh(),
    losses.Huber(), losses.CosineSimilarity(), losses.Poisson(), losses.Hinge(), losses.SquaredHinge(),
    losses.CategoricalHinge(), losses.CategoricalCrossentropy(from_logits=True),
    losses.BinaryCrossentropy(from_logits=True),
]  # fmt: skip


@pytest.mark.parametrize("loss", REGRESSION, ids=lambda loss: loss.name)
@pytest.mark.parametrize("bad", BAD)
def test_every_loss_of_a_bad_output_is_caught(loss, bad):
    model = net(loss=loss)
    put(model.get_layer("first"), bad)
    before = model.get_weights()
    with pytest.raises(NonFiniteError, match="'first': its weights"):
        model.fit(X, np.tile(np.float32([0, 1]), (40, 1)), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


OPTIMIZERS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl", "Lion", "Lamb"]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("options", [{}, {"clipnorm": 1.0}, {"use_ema": True}, {"gradient_accumulation_steps": 2}])
def test_every_optimizer_keeps_weights_and_slots(name, options):
    model = net(optimizer=getattr(optimizers, name)(1e-3, **options))
    model.fit(X, Y, batch_size=20, shuffle=False, verbose=0)
    before = [*model.get_weights(), *(variable.numpy() for variable in model.optimizer.variables)]
    x = X.copy()
    x[5] = np.inf
    with pytest.raises(NonFiniteError, match="epoch 1/1, step 1/2"):
        model.fit(x, Y, batch_size=20, shuffle=False, verbose=0)
    after = [*model.get_weights(), *(variable.numpy() for variable in model.optimizer.variables)]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_rate_that_is_too_high_is_told_with_its_epoch():
    model = net(optimizer=optimizers.SGD(1e4))
    with pytest.raises(
        NonFiniteError, match=r"fit: expected a finite loss, received (NaN|inf) in epoch \d+/50, step 1/1"
    ):
        model.fit(X, Y + 1, batch_size=40, epochs=50, verbose=0)
    assert 0 < len(model.history.epoch) < 50 and np.isfinite(model.history.history["loss"]).all()


def test_the_loss_itself_can_be_too_large():
    model = net()
    model.get_layer("last").set_weights([np.zeros((4, 2)), np.full(2, 3e38)])
    with pytest.raises(NonFiniteError, match="it is the loss itself, or a penalty"):
        model.fit(X, Y, verbose=0)


def test_a_penalty_can_be_too_large():
    model = ironhorn.Sequential(
        [ironhorn.Input((3,)), layers.Dense(2, kernel_regularizer=ironhorn.regularizers.L2(1e300), name="d")]
    )
    model.compile("sgd", "mse")
    put(model.get_layer("d"), 3e38)
    with pytest.raises(NonFiniteError):
        model.fit(X * 0, Y, verbose=0)


def test_weights_of_samples_that_are_not_finite_are_named():
    model = net()
    weights = np.ones(40)
    weights[33] = 1e200  # finite in the array, infinite as the engine's float32
    with pytest.raises(NonFiniteError, match=r"`sample_weight` \(row 33\)"):
        model.fit(X, Y + 1, sample_weight=weights, verbose=0)


def test_opting_out_trains_on_as_keras_does():
    model = net(check_finite=False)
    x = X.copy()
    x[0] = np.nan
    history = model.fit(x, Y, epochs=2, verbose=0)
    assert np.isnan(history.history["loss"]).all() and np.isnan(model.get_weights()[0]).any()
    assert model.get_compile_config()["check_finite"] is False
    again = net()
    again.compile_from_config(model.get_compile_config())
    assert np.isnan(again.fit(x, Y, verbose=0).history["loss"][0])
    again.compile("sgd", "mse")  # a new compile asks for it again
    again.set_weights([np.ones_like(w) for w in again.get_weights()])
    with pytest.raises(NonFiniteError):
        again.fit(x, Y, verbose=0)


class TerminateOnNaN(Callback):
    """As Keras has it."""

    def on_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            self.model.stop_training = True


class Own(TerminateOnNaN):
    """One derived from it."""


@pytest.mark.parametrize("kind", [TerminateOnNaN, Own])
def test_with_terminate_on_nan_the_callback_stops_training(kind):
    x = X.copy()
    x[17] = np.nan
    model = net()
    history = model.fit(x, Y, batch_size=8, epochs=5, shuffle=False, verbose=0, callbacks=[[kind()]])
    assert history.epoch == [0] and np.isnan(history.history["loss"][0]) and model.optimizer.iterations == 3
    model.set_weights([np.ones_like(w) for w in model.get_weights()])
    with pytest.raises(NonFiniteError):  # the next fit has no such callback
        model.fit(x, Y, verbose=0)


def test_a_single_batch_gives_its_loss_as_keras_does():
    x = X.copy()
    x[0] = np.inf
    model = net()
    assert not np.isfinite(model.train_on_batch(x, Y))
    assert not np.isfinite(net().evaluate(x, Y, verbose=0))


def test_callbacks_see_the_steps_before_and_not_the_end(capsys):
    seen = []

    class Note(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

        def on_train_end(self, logs=None):
            seen.append("end")

    x = X.copy()
    x[30] = np.nan
    with pytest.raises(NonFiniteError, match="step 4/5"):
        net().fit(x, Y, batch_size=8, shuffle=False, callbacks=[Note()], verbose=0)
    assert seen == [0, 1, 2]


def test_losses_written_in_python_are_watched_too():
    def own(y_true, y_pred):
        values = np.where(np.abs(y_pred) < 1e3, np.square(y_pred - y_true), np.nan)
        return values.mean(axis=-1), 2 * (y_pred - y_true) / y_pred.shape[-1]

    model = net(loss=losses.PythonLoss(own))
    model.fit(X, Y, verbose=0)
    put(model.get_layer("last"), 1e6, weight=1)
    before = model.get_weights()
    with pytest.raises(NonFiniteError, match="received nan in epoch 1/1, step 1/2"):
        model.fit(X, Y, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
