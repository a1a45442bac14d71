"""Data in other forms: pandas, sparse matrices, files as memory, single batches, one very large batch."""

import itertools

import numpy as np
import pytest

import ironhorn
from ironhorn import Model, Sequential, layers
from ironhorn.models import mapped
from streams import RNG, STARTS, W, X, Y, net, weights

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_columns_of_a_pandas_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": X[:, 0], "height": X[:, 1], "other": X[:, 2]})
    ironhorn.utils.set_random_seed(1)
    inputs = [layers.Input((1,), name=name) for name in ("height", "age")]
    model = Model(inputs, layers.Dense(1)(layers.Concatenate()(inputs)))
    expected = model.predict([X[:, 1:2], X[:, :1]], verbose=0)
    np.testing.assert_array_equal(model.predict(dict(frame), verbose=0), expected)
    np.testing.assert_array_equal(model.predict(frame, verbose=0), expected)
    np.testing.assert_array_equal(model.predict({name: frame[name] for name in frame}, verbose=0), expected)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array"])
def test_sparse_matrices(form, monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    dense = X * (X > 0.3)
    matrix = getattr(sparse, form)(dense)
    model, other = net(), net()
    sizes = []
    original = ironhorn.models.sparse.SparseRows.__getitem__

    def watched(self, rows):
        part = original(self, rows)
        sizes.append(part.shape[0] if isinstance(part, np.ndarray) else 0)
        return part

    monkeypatch.setattr(ironhorn.models.sparse.SparseRows, "__getitem__", watched)
    options = {"epochs": 2, "verbose": 0, "validation_split": 0.2, "batch_size": 16, "sample_weight": W}
    assert other.fit(matrix, Y, **options).history == model.fit(dense, Y, **options).history
    np.testing.assert_array_equal(weights(other), weights(model))
    assert model.evaluate(matrix, Y, verbose=0) == model.evaluate(dense, Y, verbose=0)
    np.testing.assert_array_equal(model.predict(matrix, verbose=0), model.predict(dense, verbose=0))
    assert max(sizes) == 32, "never more than a batch is dense"
    np.testing.assert_array_equal(model.predict_on_batch(matrix), model.predict_on_batch(dense))
    np.testing.assert_array_equal(model(matrix), model(dense))
    rows = matrix.tocsr()
    assert model.evaluate(((rows[i : i + 16], Y[i : i + 16]) for i in STARTS), verbose=0) == model.evaluate(
        dense, Y, 16, verbose=0
    )
    with pytest.raises(ValueError, match="cardinality"):
        model.fit(matrix, Y[:50])
    with pytest.raises(ValueError, match="x"):
        model.fit(rows[:, :5], Y)


def test_files_as_memory_are_shuffled_in_runs(tmp_path, monkeypatch):
    rows = 1000
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (rows, 1))
    array[:] = np.arange(rows)[:, None]
    orders = []

    def order_of(x):
        ironhorn.utils.set_random_seed(3)
        model = Sequential([layers.Input((1,)), layers.Dense(1)])
        model.compile("sgd", "mse")
        model._ensure_built_for([x])
        session = model._training(ironhorn.models.data.pack(model, x, np.zeros(rows)), 10, None, True, None)
        session.begin_epoch()
        orders.append(session.order(rows).astype(int))

    order_of(array)
    order_of(np.array(array))
    np.testing.assert_array_equal(orders[0], orders[1], err_msg="small files keep the order of arrays in memory")
    monkeypatch.setattr(mapped, "BLOCKED_FROM", 4 * rows)
    monkeypatch.setattr(mapped, "RUN_BYTES", 4 * 20)
    monkeypatch.setattr(mapped, "MIXED_RUNS", 5)
    order_of(array)
    order_of(array[:])
    blocked = orders[2]
    np.testing.assert_array_equal(blocked, orders[3])
    assert sorted(blocked) == list(range(rows))
    for part in blocked.reshape(-1, 100):
        runs, counts = np.unique(part // 20, return_counts=True)
        assert len(runs) == 5 and (counts == 20).all(), "a hundred samples come from five whole runs"
        assert (np.diff(part) != 1).any() and len(np.unique(part[:20] // 20)) > 1
    assert (np.diff(blocked.reshape(-1, 100).min(axis=1)) < 0).any()
    order_of(np.array(array))
    np.testing.assert_array_equal(orders[4], orders[1])


def test_methods_on_batches():
    model, other = net(), net()
    first = [model.train_on_batch(X[:16], Y[:16], W[:16]) for _ in range(3)]
    assert first[0] != first[1], "metrics start anew"
    other.fit(itertools.repeat((X[:16], Y[:16], W[:16])), steps_per_epoch=3, verbose=0)
    np.testing.assert_array_equal(weights(model), weights(other))
    assert model.test_on_batch(X[:16], Y[:16]) == model.evaluate(X[:16], Y[:16], 16, verbose=0)
    assert set(model.test_on_batch(X[:16], Y[:16], return_dict=True)) == {"loss", "accuracy"}
    np.testing.assert_array_equal(model.predict_on_batch(X[:16]), model.predict(X[:16], verbose=0))
    np.testing.assert_array_equal(model.predict_on_batch(X[:16]), model(X[:16], training=False))
    assert (model(X[:16], training=True) != model(X[:16])).any()
    with pytest.raises(ValueError, match="cannot be specified at the same time"):
        model.train_on_batch(X, Y, sample_weight=W, class_weight={0: 1.0})
    model.reset_metrics()


def test_a_large_batch_is_predicted_whole():
    ironhorn.utils.set_random_seed(1)
    model = Sequential([layers.Input((256,)), *[layers.Dense(256, "relu") for _ in range(4)], layers.Dense(1)])
    x = RNG.normal(size=(40_000, 256)).astype(np.float32)
    assert len(model.predict(x, batch_size=40_000, verbose=0)) == 40_000


def test_steps_of_changing_sizes_do_not_depend_on_those_before():
    def make():
        ironhorn.utils.set_random_seed(1)
        return Sequential([layers.Input((6,)), layers.Dense(8, "relu"), layers.Dense(3, "softmax")])

    def compiled(model):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    kept, fresh = compiled(make()), make()
    for n in (30, 7, 64, 1, 30, 100, 33):
        got = kept.train_on_batch(X[:n], Y[:n], W[:n])
        assert got == compiled(fresh).train_on_batch(X[:n], Y[:n], W[:n])  # `compile` forgets all buffers
        np.testing.assert_array_equal(weights(kept), weights(fresh))
        kept.fit(X, Y, batch_size=16, verbose=0, shuffle=False)
        fresh.fit(X, Y, batch_size=16, verbose=0, shuffle=False)
