"""Every schedule over 200 steps, against Keras's in single precision."""

import json

import numpy as np
import pytest

from ironhorn.optimizers import SGD, schedules

CASES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 30, "decay_rate": 0.5}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 32, "decay_rate": 0.5, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [20, 50, 120], "values": [1.0, 0.3, 0.1, 0.01]}),
    ("PiecewiseConstantDecay", {"boundaries": [0], "values": [1.0, 0.5]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 150}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 64, "end_learning_rate": 0.01, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 32, "power": 0.5, "cycle": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.4}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 16, "decay_rate": 0.4, "staircase": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 150}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 150, "alpha": 0.2}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 100, "warmup_target": 0.3, "warmup_steps": 40}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 32}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 32, "t_mul": 1.0, "m_mul": 0.5}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 13, "t_mul": 1.5, "alpha": 0.1}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_two_hundred_steps(keras, name, arguments):
    import jax

    own, peer = getattr(schedules, name)(**arguments), getattr(keras.optimizers.schedules, name)(**arguments)
    compiled = jax.jit(peer)  # one operation at a time it takes long
    expected = np.array([float(compiled(step)) for step in range(200)])
    np.testing.assert_allclose([own(step) for step in range(200)], expected, rtol=2e-5, atol=2e-6)
    np.testing.assert_array_equal(own(np.arange(200)), [own(step) for step in range(200)])
    optimizer = SGD(own)
    assert [rate_after(optimizer) for _ in range(200)] == [own(step) for step in range(200)]


def rate_after(optimizer):
    """The rate that a step is made with, seen in what it does."""
    rate = optimizer.learning_rate
    array = np.zeros(1, dtype="float32")
    optimizer.build([array])
    target = optimizer._trainable_variables[0]
    target[:] = 0
    optimizer.apply([np.ones(1)])
    assert target[0] == np.float32(-rate)
    return rate


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_configurations_are_keras_s(keras, name, arguments):
    own, peer = getattr(schedules, name)(**arguments), getattr(keras.optimizers.schedules, name)(**arguments)
    assert own.get_config() == peer.get_config()
    text = json.loads(json.dumps(schedules.serialize(own)))
    assert schedules.deserialize(text).get_config() == own.get_config()
    assert keras.optimizers.schedules.deserialize(text).get_config() == own.get_config()
    assert schedules.deserialize(keras.optimizers.schedules.serialize(peer)).get_config() == own.get_config()
    again = SGD.from_config(SGD(own).get_config())
    assert again.learning_rate == own(0) and again.get_config()["learning_rate"] == schedules.serialize(own)


def test_a_schedule_can_be_replaced_and_not_set():
    optimizer = SGD(schedules.ExponentialDecay(0.5, 1, 0.5))
    assert len(optimizer.variables) == 1
    with pytest.raises(TypeError, match="created with a `LearningRateSchedule`"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = schedules.InverseTimeDecay(0.25, 1, 1.0)
    assert optimizer.learning_rate == 0.25
    number = SGD(0.5)
    number.learning_rate = schedules.ExponentialDecay(number.learning_rate, 1, 0.5)
    number.apply([np.ones(1)], [np.ones(1, dtype="float32")])
    assert number.learning_rate == 0.25 and len(number.variables) == 1


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "`decay_steps` must be > 0"),
        (lambda: schedules.CosineDecayRestarts(0.1, -1), "`first_decay_steps` must be > 0"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "1 less than the length of values"),
        (lambda: schedules.deserialize({"class_name": "CosineDekay", "config": {}}), "Did you mean 'CosineDecay'"),
    ],
)
def test_refusals(make, text):
    with pytest.raises(ValueError, match=text):
        make()
