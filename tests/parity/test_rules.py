"""Regularizers, constraints, initializers and activations standing alone, over all their options, next to Keras's."""

import json

import numpy as np
import pytest

import ironhorn

RNG = np.random.default_rng(5)
KERNEL = RNG.normal(size=(12, 7)).astype(np.float32)
ARRAYS = [KERNEL, RNG.normal(size=9).astype(np.float32), RNG.normal(size=(3, 4, 5)).astype(np.float32)]
# fmt: off
REGULARIZERS = [
    ("L1", {}), ("L1", {"l1": 0.3}), ("L1", {"l1": 0.0}), ("L2", {}), ("L2", {"l2": 0.7}), ("L1L2", {}),
    ("L1L2", {"l1": 0.3}), ("L1L2", {"l2": 0.2}), ("L1L2", {"l1": 0.1, "l2": 0.2}), ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 2.0}), ("OrthogonalRegularizer", {"factor": 3.0, "mode": "columns"}),
]
CONSTRAINTS = [
    ("NonNeg", {}), ("MaxNorm", {}), ("MaxNorm", {"max_value": 1.5}), ("MaxNorm", {"max_value": 0.0}), ("UnitNorm", {}),
    ("MinMaxNorm", {}), ("MinMaxNorm", {"min_value": 1.0, "max_value": 2.0}),
    ("MinMaxNorm", {"min_value": 2.0, "max_value": 2.5, "rate": 0.3}),
    ("MinMaxNorm", {"min_value": 3.0, "max_value": 2.0}),
]
AXES = [(0, ARRAYS[1]), (-1, ARRAYS[1]), (0, KERNEL), (1, KERNEL), (-1, KERNEL), ([0, 1], KERNEL), (None, KERNEL),
        (1, ARRAYS[2]), ([0, 1], ARRAYS[2]), ([0, 2], ARRAYS[2]), ([-1], ARRAYS[2])]
# fmt: on


def pair(keras, module, name, arguments):
    return (getattr(getattr(package, module), name)(**arguments) for package in (keras, ironhorn))


@pytest.mark.parametrize(("name", "arguments"), REGULARIZERS)
def test_regularizers(keras, name, arguments):
    import jax

    theirs, ours = pair(keras, "regularizers", name, arguments)
    for array in ARRAYS[:1] if name.startswith("Orthogonal") else ARRAYS:
        tensor = keras.ops.convert_to_tensor(array)  # of a NumPy matrix Keras scales columns by the wrong norms
        got = ours(array)
        assert got.dtype == np.float32 and got.shape == ()
        np.testing.assert_allclose(got, theirs(tensor), rtol=2e-6, atol=1e-7)
        gradient = ours.gradient(array)
        assert gradient.dtype == np.float32 and gradient.shape == array.shape
        np.testing.assert_allclose(gradient, jax.grad(theirs)(tensor), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "arguments"), CONSTRAINTS)
def test_constraints(keras, name, arguments):
    for axis, array in AXES:
        options = arguments if name == "NonNeg" else {**arguments, "axis": axis}
        theirs, ours = pair(keras, "constraints", name, options)
        got = ours(array)
        assert got.dtype == np.float32 and not np.shares_memory(got, array)
        np.testing.assert_allclose(got, theirs(array), rtol=2e-6, atol=1e-7, err_msg=f"axis {axis} of {array.shape}")


def test_constraints_on_zeros(keras):
    for name, _ in CONSTRAINTS:
        theirs, ours = pair(keras, "constraints", name, {})
        for value in (0.0, -1e-9, 1e-7):
            w = np.full((2, 3), value, np.float32)
            np.testing.assert_allclose(ours(w), theirs(w), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [("regularizers", *case) for case in REGULARIZERS]
    + [("constraints", *case) for case in CONSTRAINTS]
    + [("constraints", "UnitNorm", {"axis": [0, 1]})]
    + [
        ("initializers", "VarianceScaling", {"input_axes": [0], "output_axes": [1, 2], "seed": 3}),
        ("initializers", "Constant", {"value": np.arange(6.0).reshape(2, 3)}),
    ],
)
def test_configurations(keras, module, name, arguments):
    def plain(form):
        # Keras keeps L1's and the orthogonal factor in float32.
        return json.loads(json.dumps(form), parse_float=lambda text: float(np.float32(text)))

    (theirs, ours), (keras_module, our_module) = (
        pair(keras, module, name, arguments),
        (getattr(package, module) for package in (keras, ironhorn)),
    )
    form = plain(keras_module.serialize(theirs))
    assert plain(our_module.serialize(ours)) == form
    for package, written in ((our_module, form), (keras_module, json.loads(json.dumps(our_module.serialize(ours))))):
        assert plain(package.serialize(package.deserialize(written))) == form


@pytest.mark.parametrize("module", ["regularizers", "constraints", "initializers", "activations"])
def test_every_name(keras, module):
    theirs, ours = (getattr(package, module) for package in (keras, ironhorn))
    names = {name for name in dir(theirs) if not name.startswith("_")} - {"STFT", "STFTInitializer", "stft"}
    assert {name for name in names if not hasattr(ours, name)} == set()
    source = getattr(__import__("keras.src", fromlist=[module]), module)
    known = {name for name in source.ALL_OBJECTS_DICT if "stft" not in name.lower()}
    assert known <= set(ours.ALL_OBJECTS)
    for name in sorted(known - {"Constant", "constant"}):  # these two Keras cannot make from a name alone
        assert type(ours.get(name)).__name__ == type(theirs.get(name)).__name__, name
    assert getattr(ours.get(None), "__name__", None) == getattr(theirs.get(None), "__name__", None)
    for wrong in ("typo", 3.5):
        for package in (theirs, ours):
            with pytest.raises(ValueError):
                package.get(wrong)


def test_validation(keras):
    wrong = [
        ("regularizers", "L1", {"l1": -1}), ("regularizers", "L2", {"l2": float("nan")}),
        ("regularizers", "L1L2", {"l2": "x"}), ("regularizers", "OrthogonalRegularizer", {"mode": "row"}),
        ("initializers", "VarianceScaling", {"mode": "fan"}), ("initializers", "VarianceScaling", {"scale": 0.0}),
        ("initializers", "RandomNormal", {"seed": "x"}),
    ]  # fmt: skip
    for module, name, arguments in wrong:
        for package in (keras, ironhorn):
            with pytest.raises(ValueError):
                getattr(getattr(package, module), name)(**arguments)
    for package in (keras, ironhorn):
        with pytest.raises(ValueError, match="must have rank 2"):
            package.regularizers.OrthogonalRegularizer()(ARRAYS[2])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("HeNormal", {}), ("GlorotUniform", {}), ("LecunNormal", {})]
    + [
        ("VarianceScaling", {"scale": 2.0, "mode": mode, "input_axes": axes[0], "output_axes": axes[1]})
        for mode in ("fan_in", "fan_out", "fan_avg")
        for axes in (([0], [1, 2]), ([0, 1], [-1]), (None, None))
    ],
)
def test_initializers_of_more_axes(keras, name, arguments):
    theirs, ours = pair(keras, "initializers", name, {**arguments, "seed": 1})
    expected, got = np.asarray(theirs((60, 7, 90))), ours((60, 7, 90))
    assert got.shape == expected.shape and got.dtype == expected.dtype
    assert abs(got.std() / expected.std() - 1) < 0.02
    quantiles = [0.01, 0.1, 0.5, 0.9, 0.99]
    np.testing.assert_allclose(
        np.quantile(got, quantiles), np.quantile(expected, quantiles), atol=0.05 * expected.std()
    )


def test_initializers_from_arrays_functions_and_dtypes(keras):
    values = RNG.normal(size=(3, 4)).astype(np.float32)
    for package in (keras, ironhorn):
        given = package.initializers.get(values)
        np.testing.assert_array_equal(given((3, 4)), values)
        with pytest.raises(ValueError, match="Expected `shape` to be"):
            given((4, 3))
        assert package.initializers.get(np.ones) is np.ones
        constant = package.initializers.Constant(values)
        np.testing.assert_array_equal(constant((2, 3, 4)), np.broadcast_to(values, (2, 3, 4)))
    for name, dtype in (("Zeros", "int32"), ("Ones", "bool"), ("Constant", "float16"), ("HeNormal", "float16")):
        theirs, ours = pair(keras, "initializers", name, {})
        assert str(ours((2, 3), dtype=dtype).dtype) == str(theirs((2, 3), dtype=dtype).dtype) == dtype


@pytest.mark.numeric
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "glu"])
def test_activations_along_axes(keras, name):
    cube = RNG.normal(size=(4, 6, 2)).astype(np.float32) * 3
    axes = [-1, 0, 1, 2, -3] + ([(0, 1), (1, 2), (0, 2), (2, 0), (0, 1, 2)] if name.endswith("softmax") else [])
    for axis in axes:
        theirs, ours = (getattr(package.activations, name) for package in (keras, ironhorn))
        got = ours(cube, axis=axis)
        np.testing.assert_allclose(got, theirs(cube, axis=axis), rtol=1e-5, atol=1e-6, err_msg=f"axis {axis}")


@pytest.mark.numeric
def test_sparsemax_is_the_projection(keras):
    """Keras sums its cumulative sums, which gives the projection's threshold only where a single entry is left."""
    logits = np.array([[3.0, 1.0, 0.0], [0.0, -2.0, -1.5], [1.0, 5.0, 2.0]], np.float32)
    np.testing.assert_allclose(ironhorn.activations.sparsemax(logits), keras.activations.sparsemax(logits), atol=1e-6)
    cube = RNG.normal(size=(4, 6, 3))
    for axis in (0, 1, 2):
        rows = np.moveaxis(cube, axis, -1)
        low, high = rows.min(-1, keepdims=True) - 1, rows.max(-1, keepdims=True)
        for _ in range(60):  # the threshold above which what is left sums to 1
            middle = (low + high) / 2
            above = np.maximum(rows - middle, 0).sum(-1, keepdims=True) > 1
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        got = np.moveaxis(ironhorn.activations.sparsemax(cube, axis=axis), axis, -1)
        np.testing.assert_allclose(got, np.maximum(rows - low, 0), atol=1e-6)


@pytest.mark.numeric
def test_activations_of_any_numbers(keras):
    for name in ("relu", "sigmoid", "gelu", "softplus", "threshold"):
        arguments = (0.5, 2.0) if name == "threshold" else ()
        for x in (np.arange(-3, 4), np.float64(1.5), [[1.0, -2.0]], np.zeros((0, 2), np.float32)):
            array = np.asarray(x, np.float32)
            theirs, ours = (getattr(package.activations, name) for package in (keras, ironhorn))
            np.testing.assert_allclose(ours(x, *arguments), theirs(array, *arguments), rtol=2e-6, atol=1e-6)
