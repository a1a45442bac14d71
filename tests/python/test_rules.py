"""Regularizers, constraints and initializers: what a layer takes, what is refused, and what stands alone."""

import numpy as np
import pytest

from ironhorn import constraints, initializers, random, regularizers

KERNEL = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


class Cubic(regularizers.Regularizer):
    def __call__(self, x):
        return float(np.sum(np.abs(x) ** 3))


class Rounded(constraints.Constraint):
    def __call__(self, w):
        return np.round(w)


class Halves(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return np.full(shape, 0.5, dtype)


class WideHe(initializers.HeNormal):
    """A subclass that draws as its parent."""


def test_gradients_are_slopes():
    for regularizer in (
        regularizers.L1(0.3), regularizers.L2(0.2), regularizers.L1L2(0.1, 0.4),
        regularizers.OrthogonalRegularizer(2.0), regularizers.OrthogonalRegularizer(2.0, mode="columns"),
    ):  # fmt: skip
        gradient, step = regularizer.gradient(KERNEL), 2.0**-7
        for index in np.ndindex(KERNEL.shape):
            high, low = KERNEL.copy(), KERNEL.copy()
            high[index] += step
            low[index] -= step
            slope = (float(regularizer(high)) - float(regularizer(low))) / (2 * step)
            assert gradient[index] == pytest.approx(slope, abs=2e-3), (regularizer.get_config(), index)
    assert regularizers.L1(1.0).gradient(np.zeros(3)).tolist() == [0, 0, 0]


def test_numbers_and_scalars():
    assert regularizers.L2(0.5)(3) == 4.5 and regularizers.L2(0.5).gradient(3).shape == ()
    assert constraints.NonNeg()(np.float64(-1.0)) == 0.0 and constraints.NonNeg()([[-1, 2]]).tolist() == [[0, 2]]
    for rule in (regularizers.L1(), constraints.UnitNorm()):
        with pytest.raises(TypeError, match=f"{type(rule).__name__} expects an array of numbers"):
            rule(np.array(["a"]))
    # A single row, a single column, and rows without a direction are at right angles to everything.
    for mode, shape in (("rows", (1, 4)), ("columns", (4, 1)), ("rows", (3, 3))):
        assert regularizers.OrthogonalRegularizer(1.0, mode)(np.zeros(shape)) == 0.0


def test_what_is_out_of_range():
    for make in (lambda: constraints.MaxNorm(-1.0), lambda: constraints.MinMaxNorm(min_value=-0.5)):
        with pytest.raises(ValueError, match="expected a number ≥ 0"):
            make()(KERNEL)
    for axis in (2, [0, 0], [-3]):
        with pytest.raises(ValueError, match="'axis'"):
            constraints.UnitNorm(axis)(KERNEL)
    with pytest.raises(TypeError, match="'axis'"):
        constraints.UnitNorm(0.5)(KERNEL)
    with pytest.raises(ValueError, match="l1: expected a non-negative float"):
        regularizers.L1("0.1")


def test_python_s_own_work_alone_and_not_in_a_layer():
    assert regularizers.get(Cubic)(np.array([2.0])) == 8.0 and constraints.get(Rounded())(KERNEL).shape == (5, 3)
    assert regularizers.Regularizer()(KERNEL) == 0.0 and constraints.Constraint()(KERNEL) is KERNEL
    with pytest.raises(NotImplementedError, match="get_config"):
        Cubic().get_config()
    for module, own in ((regularizers, Cubic()), (constraints, Rounded()), (regularizers, abs), (constraints, abs)):
        with pytest.raises(TypeError, match=r"Dense 'd', argument 'x', must be .* Python"):
            module.for_layer(own, "Dense 'd', argument 'x',")
    assert regularizers.for_layer("l2", "Dense").get_config() == {"l2": 0.01}
    assert constraints.for_layer("max_norm", "Dense").get_config() == {"max_value": 2, "axis": 0}
    assert regularizers.for_layer(None, "Dense") is constraints.for_layer(None, "Dense") is None
    own = {"Cubic": Cubic}
    assert isinstance(regularizers.deserialize({"class_name": "Cubic", "config": {}}, custom_objects=own), Cubic)


def test_initializers_that_python_computes():
    given = np.arange(6.0).reshape(2, 3)
    for initializer, expected in (
        (initializers.get(given), given),
        (lambda shape, dtype: np.ones(shape, dtype), np.ones((2, 3))),
        (Halves(), np.full((2, 3), 0.5)),
        (initializers.Constant([1, 2, 3]), [[1, 2, 3], [1, 2, 3]]),
    ):
        assert initializers.engine_form(initializer) == "zeros"
        values = initializers.computed(initializer, (2, 3), "Dense 'd'")
        assert values.dtype == np.float32 and values.flags.c_contiguous
        np.testing.assert_array_equal(values, expected)
    for initializer in (
        WideHe(seed=1),
        initializers.VarianceScaling(seed=1, input_axes=[0], output_axes=[1]),
        initializers.HeNormal(seed=random.SeedGenerator(1)),
    ):
        assert initializers.engine_form(initializer) == "zeros"
        np.testing.assert_array_equal(
            initializers.computed(initializer, (2, 3), ""), initializer.clone()((2, 3)), str(initializer)
        )
    for name in ("he_normal", "zeros", "orthogonal", "constant"):
        assert initializers.computed(initializers.get(name), (2, 3), "") is None
        assert initializers.engine_form(initializers.get(name)) == initializers.serialize(initializers.get(name))
    assert initializers.computed(None, (2,), "") is None and initializers.engine_form(None) == "glorot_uniform"
    with pytest.raises(ValueError, match=r"Dense 'd': .* shape \(2, 3\). Received: shape \(3,\)"):
        initializers.computed(lambda shape, dtype: np.ones(3), (2, 3), "Dense 'd'")
    with pytest.raises(TypeError, match="numbers"):
        initializers.computed(lambda shape, dtype: "x", (2, 3), "Dense 'd'")


def test_axes_change_the_scale_alone():
    plain = initializers.VarianceScaling(seed=3)((4, 5, 6))
    by_axes = initializers.VarianceScaling(seed=3, input_axes=[0], output_axes=[1, 2])((4, 5, 6))
    np.testing.assert_allclose(by_axes, plain * np.sqrt(20 / 4), rtol=1e-6)
    assert initializers.compute_fans((4, 5, 6)) == (20, 24)
    assert initializers.compute_fans((4, 5, 6), [0], [1, -1]) == (4, 30)


def test_seed_generators():
    seed = random.SeedGenerator(7)
    initializer = initializers.GlorotUniform(seed=seed)
    one, two = initializer((3, 4)), initializer((3, 4))
    assert (one != two).any()
    again = initializers.GlorotUniform.from_config(initializer.get_config())
    np.testing.assert_array_equal(again((3, 4)), one)
    assert seed.get_config()["seed"] == 7 and seed.next().tolist() == [7, 2] and seed.state.tolist() == [7, 3]
    assert (random.SeedGenerator().state != random.SeedGenerator().state).any()
    for wrong in (2**32, -1, "x"):
        with pytest.raises(ValueError, match="`seed`"):
            random.SeedGenerator(wrong)


def test_shapes_and_dtypes_of_initializers():
    assert initializers.Zeros()((), dtype="float64").dtype == np.float64
    assert initializers.HeNormal()([2, 3], dtype=np.float16).dtype == np.float16
    for shape in (3, (2, None), (2, -1), "ab"):
        with pytest.raises(ValueError, match="`shape`"):
            initializers.Ones()(shape)
    for initializer, dtype in ((initializers.Ones(), "bfloat"), (initializers.HeNormal(), "int32")):
        with pytest.raises(ValueError, match="`dtype`"):
            initializer((2,), dtype=dtype)
    with pytest.raises(NotImplementedError, match="__call__"):
        initializers.Initializer()((2,))
    with pytest.raises(ValueError, match="2D matrices"):
        initializers.Identity()((3,))
