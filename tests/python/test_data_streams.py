"""Batches that come one at a time: generators, iterables, data sets by number, sparse matrices; and files as memory."""

import gc
import itertools
import os
import signal
import threading
import warnings

import numpy as np
import pytest

import ironhorn
from ironhorn import Model, Sequential, callbacks, layers, losses
from ironhorn.models import mapped
from ironhorn.utils import PyDataset

RNG = np.random.default_rng(5)
X = RNG.normal(size=(100, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 100)
W = RNG.uniform(0.1, 2.0, 100).astype(np.float32)
STARTS = range(0, 100, 16)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before, threading.enumerate()


def net(built=True, **compiled):
    ironhorn.utils.clear_session()
    ironhorn.utils.set_random_seed(1)
    first = [layers.Input((6,))] if built else []
    model = Sequential([*first, layers.Dense(8, "relu"), layers.Dropout(0.3), layers.Dense(3, "softmax")])
    model.compile(
        **{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]} | compiled
    )
    return model


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def batches(*arrays):
    return [tuple(a[i : i + 16] for a in arrays or (X, Y)) for i in STARTS]


def endless(*arrays):
    return itertools.cycle(batches(*arrays))


class Loader:
    """What a DataLoader of torch is: it can be iterated over again, mostly knows its length, gives lists of tensors."""

    class Tensor:
        def __init__(self, array):
            self.array = array

        def numpy(self):
            return self.array

    def __init__(self, sized=True, *arrays):
        self.batches = [[self.Tensor(a) for a in batch] for batch in batches(*arrays)]
        self.rounds = 0
        if sized:
            self.__class__ = type("SizedLoader", (Loader,), {"__len__": lambda self: len(self.batches)})

    def __iter__(self):
        self.rounds += 1
        return iter(self.batches)


class Numbered(PyDataset):
    def __init__(self, *arrays, **options):
        super().__init__(**options)
        self.arrays = arrays or (X, Y)
        self.seen = []

    def __len__(self):
        return len(STARTS)

    def __getitem__(self, index):
        self.seen.append(index)
        return tuple(a[16 * index : 16 * index + 16] for a in self.arrays)

    def on_epoch_begin(self):
        self.seen.append("begin")

    def on_epoch_end(self):
        self.seen.append("end")


def reference(**fit):
    model = net()
    history = model.fit(X, Y, batch_size=16, epochs=3, shuffle=False, verbose=0, **fit)
    return weights(model), history.history


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize(
    ("make", "steps"),
    [
        (lambda: (batch for batch in endless()), 7),
        (endless, 7),
        (lambda: Loader(True), None),
        (lambda: Loader(False), None),
        (lambda: Loader(True), 7),
        (lambda: Numbered(), None),
        (lambda: Numbered(workers=3, max_queue_size=2), None),
        (lambda: Numbered(workers=2, use_multiprocessing=True), 7),
    ],
    ids=["generator", "iterator", "loader", "unsized", "loader-steps", "dataset", "workers", "workers-steps"],
)
def test_batches_and_arrays_give_the_same_bits(make, steps, built):
    expected, history = reference(validation_data=(X, Y))
    model = net(built)
    options = {"steps_per_epoch": steps, "validation_data": make(), "validation_steps": steps}
    got = model.fit(make(), epochs=3, shuffle=False, verbose=0, **options)
    np.testing.assert_array_equal(weights(model), expected)
    assert got.history == history


def test_evaluate_and_predict():
    model = net()
    model.fit(X, Y, verbose=0)
    expected = model.evaluate(X, Y, 16, verbose=0)
    assert model.evaluate(Loader(), verbose=0) == expected
    assert model.evaluate(endless(), steps=7, verbose=0) == expected
    assert model.evaluate(Numbered(), verbose=0, return_dict=True) == dict(
        zip(model.metrics_names, expected, strict=True)
    )
    outputs = model.predict(X, verbose=0)
    for given, steps in ((Loader(), None), (Numbered(), None), (endless(X), 7), (iter([X[:50], X[50:]]), None)):
        np.testing.assert_array_equal(model.predict(given, steps=steps, verbose=0), outputs)
    np.testing.assert_array_equal(model.predict(endless(X), steps=2, verbose=0), outputs[:32])


def test_weights_of_samples_and_of_classes():
    expected, history = reference(sample_weight=W)
    model = net()
    assert model.fit(endless(X, Y, W), steps_per_epoch=7, epochs=3, verbose=0).history == history
    np.testing.assert_array_equal(weights(model), expected)
    chosen = {0: 2.0, 2: 0.5}
    expected, history = reference(class_weight=chosen)
    model = net()
    assert model.fit(Numbered(), epochs=3, verbose=0, shuffle=False, class_weight=chosen).history == history
    np.testing.assert_array_equal(weights(model), expected)
    with pytest.raises(ValueError, match="`class_weight` is not supported for Python generator"):
        model.fit(endless(), steps_per_epoch=2, class_weight=chosen)
    with pytest.raises(ValueError, match="`class_weight` and `sample_weight`"):
        model.fit(Numbered(X, Y, W), class_weight=chosen)


def test_weighted_metrics_over_batches():
    logs = [
        net(weighted_metrics=["accuracy"], metrics=None).fit(*given, batch_size=16, shuffle=False, verbose=0, **more)
        for given, more in (((X, Y), {"sample_weight": W}), ((endless(X, Y, W),), {"steps_per_epoch": 7}))
    ]
    assert logs[0].history == logs[1].history and "accuracy" in logs[0].history


def test_lists_and_dicts_of_inputs_and_outputs():
    def make():
        ironhorn.utils.clear_session()
        ironhorn.utils.set_random_seed(1)
        a, b = layers.Input((2,), name="a"), layers.Input((4,), name="b")
        hidden = layers.Concatenate()([a, b])
        outputs = [layers.Dense(3, "softmax", name="kind")(hidden), layers.Dense(1, name="size")(hidden)]
        model = Model([a, b], outputs)
        model.compile("sgd", {"kind": "sparse_categorical_crossentropy", "size": "mse"})
        return model

    size = X[:, :1]
    model = make()
    model.fit([X[:, :2], X[:, 2:]], [Y, size], 16, shuffle=False, verbose=0)
    expected = weights(model)
    forms = [
        lambda i: ([X[i : i + 16, :2], X[i : i + 16, 2:]], [Y[i : i + 16], size[i : i + 16]]),
        lambda i: (
            {"b": X[i : i + 16, 2:], "a": X[i : i + 16, :2]},
            {"size": size[i : i + 16], "kind": Y[i : i + 16]},
        ),
        lambda i: (
            (X[i : i + 16, :2], X[i : i + 16, 2:]),
            (Y[i : i + 16], size[i : i + 16]),
            np.ones(len(Y[i : i + 16])),
        ),
    ]
    for form in forms:
        model = make()
        model.fit((form(i) for i in STARTS), verbose=0)
        np.testing.assert_array_equal(weights(model), expected)
    outputs = model.predict((({"a": X[i : i + 16, :2], "b": X[i : i + 16, 2:]},) for i in STARTS), verbose=0)
    for got, want in zip(outputs, model.predict([X[:, :2], X[:, 2:]], verbose=0), strict=True):
        np.testing.assert_array_equal(got, want)


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


def test_batches_of_changing_size():
    cuts = [0, 5, 6, 30, 70, 100]
    parts = [(X[a:b], Y[a:b]) for a, b in itertools.pairwise(cuts)]
    model = net()
    history = model.fit(iter(parts), verbose=0).history
    other = net()
    losses_ = [other.train_on_batch(*part) for part in parts]
    np.testing.assert_array_equal(weights(model), weights(other))
    sizes = np.diff(cuts)
    assert history["loss"][0] == pytest.approx(np.average([loss for loss, _ in losses_], weights=sizes), rel=1e-6)


def test_losses_and_metrics_in_python():
    def squared(y, p):
        return ((y - p) ** 2).mean(-1)

    def with_gradient(y, p):
        return squared(y, p), 2 * (p - y)

    def make():
        ironhorn.utils.clear_session()
        ironhorn.utils.set_random_seed(1)
        model = Sequential([layers.Input((6,)), layers.Dense(1)])
        model.compile("sgd", losses.PythonLoss(with_gradient), metrics=[squared])
        return model

    y = X[:, :1]
    model, other = make(), make()
    expected = model.fit(X, y, 16, 2, shuffle=False, verbose=0).history
    assert other.fit(endless(X, y), steps_per_epoch=7, epochs=2, verbose=0).history == expected
    np.testing.assert_array_equal(weights(other), weights(model))


def test_a_data_set_by_number_is_told_of_epochs_and_shuffled():
    data = Numbered()
    net().fit(data, epochs=2, verbose=0)
    assert [mark for mark in data.seen if isinstance(mark, str)] == ["begin", "end"] * 2
    assert data.seen[0] == "begin" and data.seen[8] == "end"
    orders = [data.seen[1:8], data.seen[10:17]]
    assert all(sorted(order) == list(range(7)) for order in orders) and orders[0] != orders[1]
    again = Numbered()
    net().fit(again, epochs=2, verbose=0)
    assert again.seen == data.seen, "the same seed draws the same order"
    data = Numbered()
    net().fit(data, epochs=2, verbose=0, shuffle=False)
    assert data.seen == ["begin", *range(7), "end"] * 2


def test_an_endless_data_set():
    class Endless(Numbered):
        __len__ = None
        num_batches = None

        def __getitem__(self, index):
            return super().__getitem__(index % 7)

    model = net()
    model.fit(Endless(), steps_per_epoch=7, epochs=3, verbose=0)
    np.testing.assert_array_equal(weights(model), reference()[0])


def test_a_data_set_whose_constructor_forgot_the_base_warns():
    class Forgetful(Numbered):
        def __init__(self):
            self.arrays, self.seen = (X, Y), []

    with pytest.warns(UserWarning, match=r"call `super\(\).__init__"):
        net().fit(Forgetful(), verbose=0)


def test_steps_go_on_from_epoch_to_epoch():
    seen = []

    class Watched(Loader):
        def __iter__(self):
            for i in range(7):
                seen.append(i)
                yield X[:8], Y[:8]

    with pytest.warns(UserWarning, match="Your input ran out of data"):
        history = net().fit(Watched(False), steps_per_epoch=3, epochs=4, verbose=0)
    assert seen == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2] and len(history.epoch) == 4
    seen.clear()
    model = net()
    model.fit(Watched(False), steps_per_epoch=7, epochs=2, verbose=0)
    assert seen == list(range(7)) * 2 and model.optimizer.iterations == 14


def counted(n):
    for i in range(n):
        counted.made = i + 1
        yield X[:8], Y[:8]


def test_no_batch_is_made_beyond_the_steps():
    model, given = net(), counted(100)
    model.fit(given, steps_per_epoch=3, epochs=2, verbose=0)
    assert counted.made == 6
    model.fit(given, steps_per_epoch=3, epochs=1, verbose=0)
    assert counted.made == 9


def test_one_batch_ahead():
    ahead = []
    model, given = net(), counted(6)
    watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ahead.append(counted.made - batch - 1))
    model.fit(given, verbose=0, callbacks=[watch])
    assert ahead == [1, 1, 1, 1, 1, 0]


def test_generators_that_end_early():
    model = net()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(model.fit(counted(5), verbose=0).epoch) == 1
    with pytest.warns(UserWarning, match="Your input ran out of data; interrupting training"):
        assert len(model.fit(counted(5), epochs=3, verbose=0).epoch) == 1
    before = model.optimizer.iterations
    with pytest.warns(UserWarning, match="Your input ran out of data"):
        history = model.fit(counted(5), epochs=5, steps_per_epoch=3, verbose=0)
    assert model.optimizer.iterations - before == 5 and len(history.epoch) == 2
    with pytest.warns(UserWarning, match="ran out of data"):
        model.evaluate(counted(2), steps=3, verbose=0)
    with pytest.warns(UserWarning, match="ran out of data"):
        assert len(model.predict(counted(2), steps=3, verbose=0)) == 16
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(X, Y, epochs=2, verbose=0, validation_data=counted(2), validation_steps=2)
    assert len(history.history["val_loss"]) == 1 and len(history.history["loss"]) == 2
    for method in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match="must yield at least one batch"):
            method(counted(0), verbose=0)
    with pytest.raises(ValueError, match="length 0"):
        model.fit(type("Empty", (Numbered,), {"__len__": lambda self: 0})(), verbose=0)


def after(n, last):
    """``n`` good batches, and then what ``last`` does."""
    yield from itertools.islice(endless(), n)
    yield last()


def test_an_exception_of_a_generator_arrives_as_it_is():
    model, problem = net(), LookupError("no such file")

    def fail():
        raise problem

    ends = []
    watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(batch))
    for extra in ([], [watch]):
        before = model.optimizer.iterations
        with pytest.raises(LookupError) as caught:
            model.fit(after(4, fail), verbose=0, callbacks=extra)
        assert caught.value is problem and not getattr(problem, "__notes__", [])
        assert model.optimizer.iterations == before + 4
    assert ends == [0, 1, 2, 3]
    for method in (model.evaluate, model.predict):
        with pytest.raises(LookupError, match="no such file"):
            method(after(2, fail), verbose=0)
    other = net()
    other.fit(after(4, lambda: batches()[4]), verbose=0)
    assert other.optimizer.iterations == 5

    class Broken(Numbered):
        def __getitem__(self, index):
            return super().__getitem__(index) if index < 5 else fail()

    for workers in (1, 3):
        with pytest.raises(LookupError, match="no such file"):
            net().fit(Broken(workers=workers), verbose=0, shuffle=False)


@pytest.mark.parametrize(
    ("last", "error", "text"),
    [
        (lambda: (X[:8, :5], Y[:8]), ValueError, "(?s)x.*6.*5.*batch 4 of the generator"),
        (lambda: (X[:8], Y[:7]), ValueError, "(?s)cardinality.*batch 4"),
        (lambda: (X[:8], np.eye(3)[Y[:8]]), ValueError, "(?s)y.*batch 4"),
        (lambda: (X[:8], Y[:8] + 3), ValueError, "(?s)class.*batch 4"),
        (lambda: (X[:8], Y[:8], W[:7]), ValueError, "(?s)cardinality.*batch 4"),
        (lambda: (X[:8], Y[:8], W[:8, None, None]), ValueError, "(?s)`sample_weight`.*batch 4"),
        (lambda: (X[:8], Y[:8], W[:8] * np.inf), ValueError, "(?s)sample_weight.*batch 4"),
        (lambda: (X[:8],), ValueError, "(?s)`y` must be given.*batch 4"),
        (lambda: X[:8], ValueError, "(?s)`y` must be given.*batch 4"),
        (lambda: (1, 2, 3, 4), ValueError, "(?s)A generator must give tuples.*length 4.*batch 4"),
        (lambda: ("text", Y[:8]), TypeError, "(?s)`x` must be a NumPy array.*batch 4"),
        (lambda: (X[:0], Y[:0]), ValueError, "(?s)`x` holds no samples.*batch 4"),
        (lambda: None, ValueError, "(?s)must be given.*batch 4"),
    ],
)
def test_a_batch_that_does_not_fit(last, error, text):
    model, whole = net(), net()
    with pytest.raises(error, match=text):
        model.fit(after(3, last), verbose=0)
    whole.fit(after(2, lambda: batches()[2]), verbose=0)
    np.testing.assert_array_equal(weights(model), weights(whole))
    first = net()
    with pytest.raises(error, match=text.split(".*batch")[0]):
        first.fit(iter([last()]), verbose=0)
    assert first.optimizer.iterations == 0


def test_what_a_source_brings_itself_is_refused_besides():
    model = net()
    cases = [({"y": Y}, "`y` should not be passed"), ({"sample_weight": W}, "`sample_weights` should not be passed"),
             ({"validation_split": 0.2}, "`validation_split` is only supported for arrays")]  # fmt: skip
    for arguments, text in cases:
        with pytest.raises(ValueError, match=text):
            model.fit(endless(), steps_per_epoch=1, **arguments)
    with pytest.raises(ValueError, match="`y` should not be passed"):
        model.evaluate(Loader(), Y)
    with pytest.raises(ValueError, match="`validation_data: x`"):
        model.fit(X, Y, validation_data=(endless(), Y))
    assert model.optimizer.iterations == 0


def test_the_generator_runs_on_the_callers_thread():
    threads = set()

    def watched():
        for batch in batches():
            threads.add(threading.get_ident())
            yield batch

    model = net()
    model.fit(watched(), verbose=0)
    model.evaluate(watched(), verbose=0)
    assert threads == {threading.get_ident()}
    made = set()

    class Watched(Numbered):
        def __getitem__(self, index):
            made.add(threading.current_thread().name.split("_")[0])
            return super().__getitem__(index)

    model.fit(Watched(workers=2), verbose=0)
    assert "ironhorn-data" in made


def test_a_generator_may_ask_the_model():
    model = net()

    def own():
        for x, y in batches():
            assert np.isfinite(model.predict(x, verbose=0)).all() and np.isfinite(weights(model)).all()
            yield x, y

    model.fit(own(), verbose=0)
    assert model.optimizer.iterations == 7


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals go to the main thread")
@pytest.mark.parametrize("where", ["fit", "evaluate", "predict"])
def test_ctrl_c_in_a_generator(where):
    model = net()

    def interrupted():
        yield from itertools.islice(endless(), 3)
        signal.raise_signal(signal.SIGINT)
        yield X[:8], Y[:8]

    with pytest.raises(KeyboardInterrupt):
        getattr(model, where)(interrupted(), verbose=0)
    assert model.optimizer.iterations == (3 if where == "fit" else 0)
    model.fit(Loader(), verbose=0)
    assert np.isfinite(weights(model)).all()


def test_callbacks_that_stop_and_that_raise():
    model = net()

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    model.fit(endless(), steps_per_epoch=7, epochs=3, verbose=0, callbacks=[Stop()])
    assert model.optimizer.iterations == 3

    class Raise(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        model.fit(Numbered(workers=2), verbose=0, callbacks=[Raise()])
    assert model.optimizer.iterations == 4
    model.fit(X, Y, verbose=0)


def test_outputs_of_each_batch_reach_the_callbacks():
    sizes = []
    watch = callbacks.LambdaCallback()
    watch.on_predict_batch_end = lambda batch, logs=None: sizes.append((batch, logs["outputs"].shape))
    model = net()
    model.predict(Loader(), verbose=0, callbacks=[watch])
    assert sizes == [(i, (16 if i < 6 else 4, 3)) for i in range(7)]


def test_the_bar_of_an_unknown_length(capsys):
    model = net()
    model.fit(Loader(False), epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "7/7", "Epoch 2/2", "7/7"]


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


def resident_kilobytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads Linux's /proc")
@pytest.mark.parametrize("what", ["fit", "fit a generator", "predict", "predict a generator"])
def test_memory_is_flat(what):
    model = net()
    calls = {
        "fit": lambda: model.fit(X, Y, verbose=0),
        "fit a generator": lambda: model.fit(iter(batches()), verbose=0),
        "predict": lambda: model.predict(X, verbose=0),
        "predict a generator": lambda: model.predict(iter(batches()), verbose=0),
    }

    def repeat(times):
        for _ in range(times):
            calls[what]()
        gc.collect()
        return resident_kilobytes()

    before = repeat(100)
    assert repeat(250) - before < 1024, "kilobytes after 250 more calls"


def test_a_large_batch_is_predicted_whole():
    ironhorn.utils.set_random_seed(1)
    model = Sequential([layers.Input((256,)), *[layers.Dense(256, "relu") for _ in range(4)], layers.Dense(1)])
    x = RNG.normal(size=(40_000, 256)).astype(np.float32)
    assert len(model.predict(x, batch_size=40_000, verbose=0)) == 40_000
