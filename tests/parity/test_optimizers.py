"""Twenty steps of ``apply`` on several variables: the weights are Keras's to 1e-5 of each tensor's norm."""

import copy
import pickle

import numpy as np
import pytest

from ironhorn import optimizers

RULES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.7, "momentum": 0.5}),
    ("RMSprop", {"centered": True, "epsilon": 1e-3}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "epsilon": 1e-3}),
    ("Adam", {}),
    ("Adam", {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3}),
    ("Adam", {"amsgrad": True, "beta_2": 0.9}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.05, "amsgrad": True}),
    ("Adadelta", {"rho": 0.9, "epsilon": 1e-3}),
    ("Adagrad", {}),
    ("Adagrad", {"initial_accumulator_value": 0.0, "epsilon": 1e-3}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Nadam", {"beta_1": 0.5, "beta_2": 0.9}),
    ("Ftrl", {}),
    ("Ftrl", {"learning_rate_power": -0.8, "l1_regularization_strength": 0.01, "l2_regularization_strength": 0.1}),
    ("Ftrl", {"learning_rate_power": 0.0, "l2_shrinkage_regularization_strength": 0.01, "beta": 0.3}),
    ("Lion", {}),
    ("Lion", {"beta_1": 0.5, "beta_2": 0.8}),
    ("Lamb", {}),
    ("Lamb", {"beta_1": 0.5, "epsilon": 1e-3}),
]
OPTIONS = [
    {},
    {"weight_decay": 0.1},
    {"clipnorm": 0.5},
    {"clipvalue": 0.2},
    {"global_clipnorm": 0.7},
    {"use_ema": True, "ema_momentum": 0.8},
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3, "weight_decay": 0.1},
    {"gradient_accumulation_steps": 2},
    {"gradient_accumulation_steps": 3, "weight_decay": 0.1, "clipnorm": 0.5},
    {"gradient_accumulation_steps": 3, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2},
    {"loss_scale_factor": 4.0, "global_clipnorm": 0.7},
]
# What stands around a rule knows the class and not its arguments: every option with the first rule of each class.
FIRST = dict(reversed(RULES))
CASES = [(name, arguments, {}) for name, arguments in RULES]
CASES += [(name, arguments, options) for name, arguments in FIRST.items() for options in OPTIONS[1:]]
SHAPES = [(7, 5), (40,), ()]


def values(shapes=SHAPES, seed=0):
    generator = np.random.default_rng(seed)
    return [np.asarray(generator.normal(size=shape), dtype="float32") for shape in shapes]


def gradients(step):
    return values(seed=100 + step)


def peers(keras, arrays, names=()):
    names = names or [f"v{i}" for i in range(len(arrays))]
    return [keras.Variable(array.copy(), name=name) for array, name in zip(arrays, names, strict=True)]


def agree(expected, got, places=1e-5):
    for index, (a, b) in enumerate(zip(expected, got, strict=True)):
        a, b = np.asarray(a), np.asarray(b)
        assert np.linalg.norm(a - b) <= places * np.linalg.norm(a), f"tensor {index} of shape {a.shape}: {a} and {b}"


def compiled(peer):
    """``peer.apply``, compiled as a whole: one operation at a time it takes JAX seconds."""
    import jax

    stateless = jax.jit(peer.stateless_apply)

    def apply(grads, variables):
        trained, state = stateless([v.value for v in peer.variables], grads, [v.value for v in variables])
        for variable, value in zip([*variables, *peer.variables], [*trained, *state], strict=True):
            variable.assign(value)

    return apply


@pytest.mark.parametrize(("name", "arguments", "options"), CASES, ids=str)
def test_twenty_steps(keras, name, arguments, options):
    both = {"learning_rate": 0.02} | options | arguments
    peer, own = getattr(keras.optimizers, name)(**both), getattr(optimizers, name)(**both)
    arrays = values()
    variables = peers(keras, arrays)
    peer.build(variables)
    apply = compiled(peer)
    for step in range(20):
        apply(gradients(step), variables)
        own.apply(gradients(step), arrays)
        agree(variables, arrays)
    assert own.iterations == int(peer.iterations)
    assert [v.shape for v in own.variables] == [v.shape for v in peer.variables][: len(own.variables)]
    names = [v.path.split("/")[-1].split("_", 1)[1] for v in peer.variables[2 : len(own.variables)]]
    assert [v.name for v in own.variables[2:]] == names
    # Moments are smaller than weights; a relative bound on each would ask more than single precision can give.
    for a, b in zip(peer.variables, own.variables, strict=False):
        np.testing.assert_allclose(np.asarray(a, dtype="float64"), b.numpy(), rtol=2e-3, atol=2e-5)
    if options.get("use_ema"):
        peer.finalize_variable_values(variables)
        own.finalize_variable_values(arrays)
        agree(variables, arrays)


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Lamb"])
@pytest.mark.parametrize("by", ["names", "variables"])
def test_exclude_from_weight_decay(keras, name, by):
    own, peer = getattr(optimizers, name)(weight_decay=0.2), getattr(keras.optimizers, name)(weight_decay=0.2)

    class Named:
        """An array with a name, as other libraries have them."""

        def __init__(self, array, name):
            self.array, self.name, self.shape = array, name, array.shape

        def numpy(self):
            return self.array

        def assign(self, value):
            self.array = value

    arrays, names = values(), ["bias_1", "kernel", "gamma"]
    mine = [Named(array.copy(), each) for array, each in zip(arrays, names, strict=True)]
    theirs = peers(keras, arrays, names)
    if by == "names":
        for optimizer in (own, peer):
            optimizer.exclude_from_weight_decay(var_names=["bias", "^gam.a$"])
    else:
        own.exclude_from_weight_decay(var_list=mine[::2])
        peer.exclude_from_weight_decay(var_list=theirs[::2])
    for step in range(20):
        own.apply_gradients(zip(gradients(step), mine, strict=True))
        peer.apply_gradients(zip(gradients(step), theirs, strict=True))
    agree(theirs, [v.array for v in mine])


def test_none_gradients_and_averages(keras):
    options = {"momentum": 0.9, "use_ema": True, "ema_momentum": 0.5}
    own, peer = optimizers.SGD(0.1, **options), keras.optimizers.SGD(0.1, **options)
    arrays = values()
    variables = peers(keras, arrays)
    for step in range(5):
        some = gradients(step)
        some[step % 3] = None
        for optimizer, each in ((own, arrays), (peer, variables)):
            with pytest.warns(UserWarning, match="Gradients do not exist for variables"):
                optimizer.apply(some, each)
    agree(variables, arrays)
    agree(peer._model_variables_moving_average, own._model_variables_moving_average)


@pytest.mark.parametrize("kind", ["schedule", "own", "function"])
def test_rates_that_change(keras, kind):
    def rate(package):
        if kind == "schedule":
            return package.optimizers.schedules.CosineDecay(0.1, 12, alpha=0.1, warmup_target=0.3, warmup_steps=4)
        if kind == "function":
            return lambda: 0.07

        class Own(package.optimizers.schedules.LearningRateSchedule):
            def __call__(self, step):
                return 0.1 / (step + 1)

        return Own()

    import ironhorn

    own, peer = ironhorn.optimizers.Adam(rate(ironhorn)), keras.optimizers.Adam(rate(keras))
    assert own.uses_python_schedule == (kind != "schedule")
    arrays = values()
    variables = peers(keras, arrays)
    for step in range(20):
        assert own.learning_rate == pytest.approx(float(peer.learning_rate), rel=1e-5)
        own.apply(gradients(step), arrays)
        peer.apply(gradients(step), variables)
    agree(variables, arrays)


@pytest.mark.parametrize(("name", "arguments"), RULES, ids=str)
def test_configurations_are_keras_s(keras, name, arguments):
    own, peer = getattr(optimizers, name)(**arguments), getattr(keras.optimizers, name)(**arguments)
    mine, theirs = own.get_config(), peer.get_config()
    assert mine.pop("learning_rate") == pytest.approx(theirs.pop("learning_rate"))
    mine.pop("name"), theirs.pop("name")
    assert mine == theirs
    assert optimizers.deserialize(optimizers.serialize(own)).get_config() == own.get_config()
    if name != "Lamb":  # which Keras 3.15 forgets in the list that its own `deserialize` looks at
        assert keras.optimizers.deserialize(optimizers.serialize(own)).get_config()["weight_decay"] == own.weight_decay
    again = optimizers.deserialize(keras.optimizers.serialize(peer))
    assert type(again) is type(own) and again.get_config().keys() == own.get_config().keys()


@pytest.mark.parametrize("way", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["copy", "pickle"])  # noqa: S301
def test_a_copy_goes_on(way):
    optimizer, arrays = optimizers.Adam(0.1, use_ema=True), values()
    for step in range(3):
        optimizer.apply(gradients(step), arrays)
    again = way(optimizer)
    others = again._trainable_variables
    for step in range(3, 6):
        optimizer.apply(gradients(step), arrays)
        again.apply(gradients(step))
    agree(arrays, others, 0.0)
    assert again.iterations == 6 and again.get_config() == optimizer.get_config()


def test_arrays_are_changed_in_place_wherever_they_lie():
    base = np.ones((6, 8), dtype="float32")
    column, whole = base[:, ::2], np.ones(3, dtype="float32")
    optimizers.SGD(0.5).apply([np.ones((6, 4)), np.arange(3)], [column, whole])
    assert (base[:, ::2] == 0.5).all() and (base[:, 1::2] == 1).all()
    assert whole.tolist() == [1.0, 0.5, 0.0]
    itself = np.full(20, 2.0, dtype="float32")
    optimizers.SGD(0.5).apply([itself], [itself])
    assert (itself == 1).all()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda o, a: o.apply([a]), ValueError, "must already be built"),
        (lambda o, a: o.apply([None], [a]), ValueError, "No gradients provided for any variable"),
        (lambda o, a: o.apply([a, a], [a]), ValueError, "2 gradients for 1 variables"),
        (lambda o, a: o.apply([a[:2]], [a]), ValueError, r"must have its shape, \(4,\).*\(2,\)"),
        (lambda o, a: o.apply([a], [a.astype("float64")]), TypeError, "float32.*float64"),
        (lambda o, a: o.apply([a], [[1.0]]), (TypeError, AttributeError), "list"),
        (lambda o, a: o.set_weights([]), ValueError, "You are calling `set_weights"),
        (lambda o, a: (o.build([a]), o.apply([a, a])), ValueError, "one-to-on"),
        (lambda o, a: (o.build([a]), o.apply([a], [a.copy()])), ValueError, "Unknown variable"),
    ],
)
def test_refusals_change_nothing(call, error, text):
    optimizer, array = optimizers.Adam(), np.arange(4, dtype="float32")
    with pytest.raises(error, match=text):
        call(optimizer, array)
    assert optimizer.iterations == 0 and array.tolist() == [0, 1, 2, 3]


def test_a_rule_of_one_s_own_is_refused_instead_of_ignored():
    class Own(optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            pass

    with pytest.raises(NotImplementedError, match="Own: an `update_step` of one's own"):
        Own()


def test_names_are_the_engine_s():
    from ironhorn import _core

    assert sorted(_core.names("optimizers")) == sorted({cls.__name__ for cls in optimizers.ALL_OBJECTS.values()})
