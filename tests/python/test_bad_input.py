"""Bad input: the exception's type, a text that names what was expected and received, and nothing changed."""

import numpy as np
import pytest

import ironhorn
from ironhorn import losses, metrics, optimizers
from ironhorn.layers import ELU, Activation, Dense, Dropout, Flatten, Input, InputLayer, LeakyReLU, ReLU
from ironhorn.models import Sequential

X, Y = np.ones((6, 3), np.float32), np.ones(6, np.float32)


class Opaque:
    pass


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"y": Y[:5]}, ValueError, r"(?s)cardinality.*'x' sizes: 6.*'y' sizes: 5"),
        ({"x": X[:0], "y": Y[:0]}, ValueError, "`x` holds no samples"),
        ({"x": None}, ValueError, "`x` must be given"),
        ({"y": None}, ValueError, "`y` must be given"),
        ({"x": X.astype(object)}, TypeError, "`x` must hold numbers.*object"),
        ({"x": np.array([["a"] * 3] * 6)}, TypeError, "`x` must hold numbers.*<U1"),
        ({"x": X.astype(complex)}, TypeError, "`x` must hold numbers.*complex"),
        ({"y": np.array(["a"] * 6)}, TypeError, "`y` must hold numbers"),
        ({"y": Y.astype("datetime64[s]")}, TypeError, "`y` must hold numbers"),
        ({"x": [[1, 2, 3], [1, 2]]}, ValueError, "`x` does not form an array"),
        ({"x": 3.0}, ValueError, "`x` must have at least one dimension"),
        ({"x": "abc"}, TypeError, "`x` must be a NumPy array"),
        ({"x": {"a": X}}, ValueError, "Missing data for input .* keys in `x`"),
        ({"x": (row for row in X)}, TypeError, "`x` must be a NumPy array.*generator"),
        ({"x": Opaque()}, TypeError, "`x` must be a NumPy array.*Opaque"),
        ({"x": np.ones((6, 4))}, ValueError, "4"),
        ({"x": np.ones((6, 3, 2))}, ValueError, "3"),
        ({"y": np.ones((6, 2))}, ValueError, "2"),
        ({"sample_weight": np.ones(5)}, ValueError, "cardinality"),
        ({"sample_weight": np.ones((6, 2))}, ValueError, "`sample_weight`"),
        ({"sample_weight": np.array(["a"] * 6)}, TypeError, "`sample_weight`"),
        ({"sample_weight": Y, "class_weight": {0: 1.0}}, ValueError, "You cannot `class_weight` and `sample_weight`"),
        ({"class_weight": [1.0, 2.0]}, TypeError, "`class_weight` must be a dict"),
        ({"class_weight": {0: "heavy"}}, TypeError, "`class_weight` must hold numbers"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1"),
        ({"batch_size": -4}, ValueError, "`batch_size` must be at least 1"),
        ({"batch_size": 2.5}, TypeError, "`batch_size` must be an integer"),
        ({"epochs": -1}, ValueError, "`epochs` must be at least 0"),
        ({"epochs": "3"}, TypeError, "`epochs` must be an integer"),
        ({"initial_epoch": -1}, ValueError, "`initial_epoch`"),
        ({"steps_per_epoch": 0}, ValueError, "`steps_per_epoch`"),
        ({"validation_steps": 1.5}, TypeError, "`validation_steps`"),
        ({"shuffle": "batch"}, ValueError, "`shuffle`"),
        ({"verbose": 7}, ValueError, "`verbose`"),
        ({"callbacks": [5]}, TypeError, "`callbacks`"),
    ],
)
def test_fit_refuses_and_changes_nothing(line, arguments, error, text):
    model = line(n=3)
    with pytest.raises(error, match=text):
        model.fit(**({"x": X, "y": Y, "verbose": 0} | arguments))
    assert model.optimizer.iterations == 0 and (model.get_weights()[0] == 0).all()
    assert not hasattr(model, "history")
    assert model.fit(X, Y, verbose=0).epoch == [0]


@pytest.mark.parametrize("y", [np.ones((6, 7)), np.ones(5), np.array(["a"] * 6)])
def test_refused_targets_leave_an_unbuilt_model_unbuilt(y):
    model = Sequential([Dense(4), Sequential([Dense(1)])])
    model.compile("sgd", "mse")
    with pytest.raises((ValueError, TypeError)):
        model.fit(np.ones((6, 9)), y, verbose=0)
    assert not model.built and not model.layers[0].built and not model.layers[1].built
    model.fit(np.ones((6, 2)), np.ones(6), verbose=0)
    assert model.input_shape == (None, 2)


@pytest.mark.parametrize(
    "y",
    [
        np.array([0, 1, 3, 0, 0, 0]),
        np.array([0, 1, -1, 0, 0, 0]),
        np.array([0, 1, 2**40, 0, 0, 0]),
        np.array([0, 1, np.nan, 0, 0, 0]),
        np.array([0, 1, np.inf, 0, 0, 0]),
    ],
)
def test_class_indices_out_of_range_are_refused(y):
    model = Sequential([Input((3,)), Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.get_weights()[0]
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError):
            call(X, y, verbose=0)
    with pytest.raises(ValueError):
        model.train_on_batch(X, y)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    assert model.optimizer.iterations == 0


def test_a_model_that_is_not_compiled():
    model = Sequential([Input((3,)), Dense(1)])
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=r"You must call `compile\(\)`"):
            call(X, Y)
    model.compile("sgd")
    with pytest.raises(ValueError, match="No loss to compute"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"optimizer": "addam"}, ValueError, "Unknown optimizer: 'addam'. Did you mean 'adam'"),
        ({"optimizer": "muon"}, ValueError, "Unknown optimizer: 'muon'.*adam.*sgd"),
        ({"optimizer": 3}, ValueError, "optimizer"),
        ({"optimizer": None}, ValueError, "optimizer"),
        ({"loss": "mss"}, ValueError, "Unknown loss: 'mss'. Did you mean 'mse'"),
        ({"loss": lambda t, p: 0.0}, TypeError, "cannot be traced: it returned float"),
        ({"loss": 5}, ValueError, "loss"),
        ({"loss": ["mse", "mae"]}, ValueError, "`loss` must have one entry"),
        ({"metrics": "accuracy"}, ValueError, "Expected `metrics` argument to be a list"),
        ({"metrics": ["acuracy"]}, ValueError, "Unknown metric: 'acuracy'. Did you mean 'accuracy'"),
        ({"metrics": [3.5]}, ValueError, "Could not interpret metric"),
        ({"metrics": [metrics.Mean()]}, TypeError, "Mean"),
        ({"weighted_metrics": "mae"}, ValueError, "weighted_metrics"),
        ({"loss_weights": [0.5, 0.5]}, ValueError, "loss_weights"),
    ],
)
def test_compile_refuses_and_stays_as_it_was(line, arguments, error, text):
    model = line(optimizers.SGD(0.25), metrics=["mae"])
    optimizer = model.optimizer
    with pytest.raises(error, match=text):
        model.compile(**({"optimizer": "adam", "loss": "mae"} | arguments))
    assert model.optimizer is optimizer
    assert model.evaluate(np.zeros((2, 1)), np.full(2, 3.0), verbose=0) == [pytest.approx(9.0), pytest.approx(3.0)]


def test_compile_takes_no_unknown_arguments(line):
    with pytest.raises(TypeError, match="los"):
        line().compile("sgd", los="mse")


def test_own_losses_that_cannot_be_traced_are_refused_by_name(line):
    class Mine(losses.Loss):
        def call(self, y_true, y_pred):
            return np.abs(y_pred)

    with pytest.raises(TypeError, match=r"'mine' cannot be traced.*ironhorn\.ops"):
        line(loss=Mine())


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Dense(0), ValueError, "`units`, expected a positive integer. Received: units=0"),
        (lambda: Dense(-3), ValueError, "`units`"),
        (lambda: Dense(2.5), ValueError, "`units`"),
        (lambda: Dense("4"), ValueError, "`units`"),
        (lambda: Dense(True), ValueError, "`units`"),
        (lambda: Dense(2, foo=1), ValueError, "Unrecognized keyword arguments passed to Dense"),
        (lambda: Dense(2, activation="rellu"), ValueError, "Unknown activation: 'rellu'. Did you mean 'relu'"),
        (lambda: Dense(2, activation=ReLU), ValueError, "activation"),
        (lambda: Dense(2, activation=Dense(2)), ValueError, "activation"),
        (lambda: Dense(2, activation=len), ValueError, "activation"),
        (lambda: Dense(2, activation=lambda x: x), ValueError, "activation"),
        (lambda: Dense(2, kernel_initializer="glorot"), ValueError, "Unknown initializer: 'glorot'. Did you mean"),
        (lambda: Dense(2, kernel_initializer=3.5), (TypeError, ValueError), "initializer"),
        (lambda: Dense(2, kernel_regularizer="l3"), ValueError, "l3"),
        (lambda: Dense(2, activity_regularizer=3), ValueError, "regularizer"),
        (lambda: Dense(2, dtype="float64"), ValueError, "float32"),
        (lambda: Dense(2, name=""), ValueError, "`name`"),
        (lambda: Dense(2, input_shape=(0,)), ValueError, "`input_shape`"),
        (lambda: Dense(2, input_shape="3"), TypeError, "`input_shape`"),
        (lambda: Dropout(1.5), ValueError, "between 0 and 1. Received: rate=1.5"),
        (lambda: Dropout(-0.1), ValueError, "`rate`"),
        (lambda: Dropout(float("nan")), ValueError, "`rate`"),
        (lambda: Dropout("a"), ValueError, "`rate`"),
        (lambda: Dropout(0.5, seed="a"), ValueError, "`seed`"),
        (lambda: Activation("nope"), ValueError, "Unknown activation"),
        (lambda: ReLU(max_value=-1), ValueError, "max_value of a ReLU"),
        (lambda: LeakyReLU(None), ValueError, "negative_slope"),
        (lambda: ELU("a"), ValueError, "`alpha`"),
        (lambda: Flatten(data_format="rows"), ValueError, "`data_format`"),
        (lambda: Input(), ValueError, "`shape`"),
        (lambda: Input((-1,)), ValueError, "`shape`"),
        (lambda: Input((2.5,)), TypeError, "`shape`"),
        (lambda: InputLayer(shape=(2,), batch_shape=(None, 2)), ValueError, "`batch_shape`"),
        (lambda: Sequential([Input((None, 3)), Dense(1)]), ValueError, "must be known"),
        (lambda: Sequential([Dense(1), Input((3,))]), ValueError, "first layer"),
    ],
)
def test_layers_refuse(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: optimizers.SGD(foo=1), ValueError, "not recognized"),
        (lambda: optimizers.SGD(-0.1), ValueError, "`learning_rate`"),
        (lambda: optimizers.SGD(float("nan")), ValueError, "`learning_rate`"),
        (lambda: optimizers.SGD(float("inf")), ValueError, "`learning_rate`"),
        (lambda: optimizers.SGD("fast"), ValueError, "`learning_rate`"),
        (lambda: optimizers.SGD(momentum=2.0), ValueError, "`momentum` must be a float between"),
        (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), ValueError, "Only one of `clipnorm`, `clipvalue`"),
        (lambda: optimizers.get("Adan"), ValueError, "Did you mean"),
    ],
)
def test_optimizers_refuse(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize("argument", [{"beta_1": 1.5}, {"beta_2": -0.1}, {"epsilon": -1.0}, {"clipvalue": -1.0}])
def test_the_engine_refuses_numbers_out_of_range(argument):
    with pytest.raises(ValueError):
        optimizers.Adam(**argument)


@pytest.mark.parametrize("x", [np.ones((4, 5)), np.ones(4), np.ones((4, 3, 3)), np.ones((0, 3))])
def test_predict_refuses_shapes(x):
    model = Sequential([Input((3,)), Dense(1)])
    with pytest.raises(ValueError):
        model.predict(x, verbose=0)
    assert model.predict(X, verbose=0).shape == (6, 1)


def test_a_vector_for_an_unbuilt_model_says_what_is_missing():
    model = Sequential([Dense(1)])
    with pytest.raises(ValueError):
        model.predict(np.ones(4), verbose=0)
    assert not model.built


def test_wrong_seeds_and_thread_counts():
    for seed in (1.5, "a", None, -1, 2**32):
        with pytest.raises(ValueError, match="`seed`"):
            ironhorn.utils.set_random_seed(seed)
    with pytest.raises(ValueError, match="`count`"):
        ironhorn.config.set_num_threads(0)
    for count in (1.5, "2", True):
        with pytest.raises(TypeError, match="`count`"):
            ironhorn.config.set_num_threads(count)
