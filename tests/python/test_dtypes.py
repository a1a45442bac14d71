"""Every dtype, layout and container gives what the contiguous float32 copy gives, to fit and to predict."""

import numpy as np
import pytest

import ironhorn
from ironhorn.layers import Dense, Flatten, Input
from ironhorn.models import Sequential

RNG = np.random.default_rng(8)
X = RNG.integers(0, 2, (23, 6)).astype(np.float32)  # 0 and 1 are the same numbers in every dtype
Y = RNG.integers(0, 3, 23)
V = RNG.integers(0, 2, (23, 3)).astype(np.float32)
W = RNG.integers(0, 2, 23).astype(np.float32)
DTYPES = [
    "?", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "longlong", "ulonglong",
    "float16", "float32", "float64", "longdouble",
    ">i2", ">i4", ">u8", ">f2", ">f4", ">f8", "<f4",
]  # fmt: skip


def results(x, y, sample_weight=None, shape=(6,)):
    """The weights after two epochs with shuffling, and predictions."""
    ironhorn.utils.set_random_seed(3)
    sparse = np.asarray(y).squeeze().ndim == 1
    model = Sequential([Input(shape), Flatten(), Dense(5, "relu"), Dense(3, "softmax" if sparse else None)])
    model.compile("sgd", "sparse_categorical_crossentropy" if sparse else "mse", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=4, epochs=2, sample_weight=sample_weight, validation_split=0.3, verbose=0)
    evaluated = model.evaluate(x, y, batch_size=4, sample_weight=sample_weight, verbose=0)
    flat = [*history.history.values(), evaluated, model.predict(x, batch_size=5, verbose=0), *model.get_weights()]
    return [np.asarray(part) for part in flat]


def assert_same(got, expected):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def by_class():
    return results(X, Y)


@pytest.fixture(scope="module")
def by_value():
    return results(X, V, W)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(by_class, by_value, dtype):
    assert_same(results(X.astype(dtype), Y.astype(dtype) if dtype != "?" else Y), by_class)
    assert_same(results(X, V.astype(dtype), W.astype(dtype)), by_value)


def padded(array):
    """A view whose rows and columns are apart."""
    wide = np.full([2 * n + 1 for n in array.shape], 99, array.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def reversed_copy(array):
    """A view of negative strides with the same numbers."""
    flipped = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[flipped])[flipped]


def unaligned(array):
    buffer = np.empty(array.nbytes + 1, np.uint8)[1:]
    view = buffer.view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def field(array):
    """One field of records."""
    records = np.zeros(array.shape, [("other", "i1"), ("numbers", array.dtype)])
    records["numbers"] = array
    return records["numbers"]


class Subclass(np.ndarray):
    """As other packages have it."""


def subclass(array):
    return array.view(Subclass)


LAYOUTS = [padded, reversed_copy, np.asfortranarray, unaligned, read_only, field, subclass]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_layouts(by_class, by_value, layout, dtype):
    assert_same(results(layout(X.astype(dtype)), layout(Y)), by_class)
    assert_same(results(layout(X.astype(dtype)), layout(V), layout(W)), by_value)
    cube = X.reshape(23, 2, 3)
    assert_same(results(layout(cube.astype(dtype)), Y, shape=(2, 3)), by_class)


def test_broadcast_views():
    row, expected = np.broadcast_to(X[:1], X.shape), np.repeat(X[:1], 23, axis=0)
    assert_same(results(row, Y), results(expected, Y))
    assert_same(results(X, V, np.broadcast_to(2.0, 23)), results(X, V, np.full(23, 2.0)))


def test_memory_maps(by_class, tmp_path):
    for dtype in ("float32", "uint8", ">f8"):
        mapped = np.memmap(tmp_path / "x.bin", dtype=dtype, mode="w+", shape=X.shape)
        mapped[...] = X
        mapped.flush()
        assert_same(results(np.memmap(tmp_path / "x.bin", dtype=dtype, mode="r", shape=X.shape), Y), by_class)
    np.save(tmp_path / "x.npy", np.asfortranarray(X))
    assert_same(results(np.load(tmp_path / "x.npy", mmap_mode="r"), Y), by_class)


class Holder:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


@pytest.mark.parametrize("make", [lambda a: a.tolist(), tuple, list, Holder, lambda a: [Holder(a)]])
def test_containers(by_class, by_value, make):
    assert_same(results(make(X), make(Y)), by_class)
    assert_same(results(make(X), make(V), make(W)), by_value)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "Int64", "Float32", "boolean", "UInt8"])
def test_pandas(by_class, by_value, dtype):
    pandas = pytest.importorskip("pandas")
    frame, values = pandas.DataFrame(X).astype(dtype), pandas.DataFrame(V).astype(dtype)
    index = np.arange(23)[::-1]  # an index does not reorder
    assert_same(results(frame, pandas.Series(Y, index=index)), by_class)
    assert_same(results(frame, pandas.Series(Y, dtype="Int64")), by_class)
    assert_same(results(frame, values, pandas.Series(W, index=index).astype(dtype)), by_value)
    mixed = frame.astype({0: "float64", 1: "uint8", 2: "Int32"})
    assert_same(results(mixed, pandas.DataFrame({"class": Y}).iloc[:, 0]), by_class)


WRONG = [
    X.astype(object), X.astype(complex), X.astype(str), X.astype("S3"), X.astype("datetime64[s]"),
    X.astype("timedelta64[s]"), X.astype([("a", "f4"), ("b", "f4")]), [["a"] * 6] * 23, [[None] * 6] * 23,
    [[1.0], [1.0, 2.0]] * 11, {"x": X}, "text", b"bytes", object(), 3.0, {1, 2}, np.float32(1), X[0, 0],
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(WRONG)))
def test_what_is_not_numbers_is_refused_by_name(index):
    wrong = WRONG[index]
    ironhorn.utils.set_random_seed(3)
    model = Sequential([Input((6,)), Dense(3)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    calls = {
        "x": [lambda: model.fit(wrong, V), lambda: model.predict(wrong), lambda: model.evaluate(wrong, V),
              lambda: model.train_on_batch(wrong, V), lambda: model.predict_on_batch(wrong)],
        "y": [lambda: model.fit(X, wrong), lambda: model.evaluate(X, wrong), lambda: model.test_on_batch(X, wrong)],
        "sample_weight": [lambda: model.fit(X, V, sample_weight=wrong)],
        "validation_data: x": [lambda: model.fit(X, V, validation_data=(wrong, V))],
        "validation_data: y": [lambda: model.fit(X, V, validation_data=(X, wrong))],
    }  # fmt: skip
    for argument, attempts in calls.items():
        for attempt in attempts:
            with pytest.raises((TypeError, ValueError), match=f"`{argument}`"):
                attempt()
    assert_same(model.get_weights(), before)
    assert model.optimizer.iterations == 0
