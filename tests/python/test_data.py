"""What fit takes as arrays: every numeric dtype and layout, lists, frames, anything with __array__."""

import numpy as np
import pytest

import ironhorn
from ironhorn import optimizers
from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential


def trained(x, y, **kwargs):
    ironhorn.utils.set_random_seed(1)
    model = Sequential([Dense(1, kernel_initializer="ones")])
    model.compile(optimizers.SGD(0.01), "mse")
    model.fit(x, y, epochs=2, batch_size=3, verbose=0, **kwargs)
    return np.concatenate([w.ravel() for w in model.get_weights()])


X = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0]])
Y = np.array([1, 0, 1, 0, 1])


@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"],
)
def test_every_numeric_dtype_trains_the_same(dtype):
    expected = trained(X.astype(np.float32), Y.astype(np.float32))
    np.testing.assert_array_equal(trained(X.astype(dtype), Y.astype(dtype)), expected)


def test_other_byte_orders():
    expected = trained(X.astype(np.float32), Y)
    np.testing.assert_array_equal(trained(X.astype(">f4"), Y.astype(">i4")), expected)


def test_layouts_need_no_contiguity(tmp_path):
    base = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    expected = trained(np.ascontiguousarray(base[:, 1:4:2]), Y)
    np.testing.assert_array_equal(trained(base[:, 1:4:2], Y), expected)
    np.testing.assert_array_equal(trained(np.asfortranarray(base)[:, 1:4:2], Y), expected)
    np.testing.assert_array_equal(trained(base[::-1, 1:4:2][::-1], Y), expected)
    path = tmp_path / "x.npy"
    np.save(path, base[:, 1:4:2])
    np.testing.assert_array_equal(trained(np.load(path, mmap_mode="r"), Y), expected)
    frozen = base[:, 1:4:2].copy()
    frozen.setflags(write=False)
    np.testing.assert_array_equal(trained(frozen, Y), expected)


def test_lists_and_things_with_array():
    class Holder:
        def __init__(self, array):
            self.array = array

        def __array__(self, dtype=None, copy=None):
            return self.array

    expected = trained(X.astype(np.float32), Y)
    np.testing.assert_array_equal(trained(X.tolist(), Y.tolist()), expected)
    np.testing.assert_array_equal(trained(tuple(map(tuple, X.tolist())), tuple(Y.tolist())), expected)
    np.testing.assert_array_equal(trained(Holder(X), Holder(Y)), expected)
    np.testing.assert_array_equal(trained([X], [Y]), expected)
    np.testing.assert_array_equal(trained(list(X), list(Y)), expected)


def test_pandas_frames_and_series():
    pandas = pytest.importorskip("pandas")
    expected = trained(X.astype(np.float32), Y)
    frame = pandas.DataFrame({"a": X[:, 0].astype(bool), "b": X[:, 1].astype(np.float64)})
    np.testing.assert_array_equal(trained(frame, pandas.Series(Y)), expected)
    nullable = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1]}).astype("Int64")
    np.testing.assert_array_equal(trained(nullable, pandas.Series(Y, dtype="Int64")), expected)
    with pytest.raises(TypeError, match="`x` must hold numbers"):
        trained(pandas.DataFrame({"a": ["p", "q", "p", "q", "p"]}), Y)


def test_ndarrays_reach_the_engine_uncopied():
    from ironhorn.models.arrays import as_array
    from ironhorn.models.data import pack, split

    for array in (X, X[::2], X.astype(np.float16), X[:, ::-1]):
        assert as_array(array, "x") is array
    train, held_out = split(pack(Sequential(), X, Y), 0.4)
    assert np.shares_memory(train.x[0], X) and np.shares_memory(held_out.x[0], X)


def test_vectors_suit_inputs_of_width_one():
    model = Sequential([Input((1,)), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.arange(4.0), np.arange(4.0), verbose=0)
    assert model.predict(np.arange(4.0), verbose=0).shape == (4, 1)
    flat = Sequential([Input((3,)), Dense(1)])
    assert flat.predict(np.zeros((4, 3, 1)), verbose=0).shape == (4, 1)


def test_the_arrays_are_not_written():
    x, y = X.astype(np.float32), Y.astype(np.float32)
    trained(x, y)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
