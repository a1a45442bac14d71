"""In trouble: panics, forks, Ctrl-C, memory."""

import itertools
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import ironhorn
from ironhorn import _core, errors
from ironhorn.layers import Dense, Dropout, Input
from ironhorn.models import Sequential

RNG = np.random.default_rng(4)
X = RNG.normal(size=(400, 64)).astype(np.float32)
Y = RNG.integers(0, 10, 400)


def net(width=256, rate=0.0, seed=1):
    """Large enough for several threads to take part."""
    ironhorn.utils.set_random_seed(seed)
    model = Sequential([Input((64,)), Dense(width, "relu"), Dropout(rate), Dense(width, "tanh"), Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def in_a_process(code, timeout=120):
    """Runs a script in a fresh interpreter; it must end well, and in time."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_same(got, expected):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_forks_and_pools_after_a_fit():
    in_a_process(
        """
        import multiprocessing, os, signal, sys, time
        import numpy as np, ironhorn
        from ironhorn.layers import Dense, Input
        ironhorn.config.set_num_threads(2)
        model = ironhorn.Sequential([Input((64,)), Dense(256, "relu"), Dense(10, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        x, y = np.random.default_rng(0).normal(size=(256, 64)).astype("f4"), np.arange(256) % 10
        model.fit(x, y, batch_size=64, verbose=0)
        expected = model.predict(x, batch_size=64, verbose=0)
        predict = lambda rows: model.predict(rows, batch_size=64, verbose=0)
        def job(i):
            return predict(x[64 * i : 64 * i + 64])
        for attempt in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                status = 1
                try:
                    same = np.array_equal(predict(x), expected)
                    loss = model.fit(x, y, batch_size=64, verbose=0).history["loss"][0]
                    status = 0 if same and np.isfinite(loss) else 2
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0, attempt
        signal.alarm(30)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert np.array_equal(np.concatenate(pool.map(job, range(4))), expected)
        assert np.array_equal(predict(x), expected)
        model.fit(x, y, batch_size=64, verbose=0)
        """
    )


@pytest.mark.parametrize("site", ["worker", "caller"])
def test_a_panic_is_an_internal_error_and_the_next_call_works(threads, site):
    threads(2)
    model, x, y = net(300), np.tile(X, (4, 1)), np.tile(Y, 4)

    def fit(epochs=3000):  # many, since a fit may keep to one thread for a while
        model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)

    for call in (
        fit,
        lambda: model.evaluate(x, y, batch_size=64, verbose=0),
        lambda: model.predict(x, batch_size=64, verbose=0),
    ):
        _core._inject_panic(site)
        with pytest.raises(errors.InternalError) as caught:
            call()
        assert isinstance(caught.value, RuntimeError)
        fit(1)
        assert all(np.isfinite(w).all() for w in model.get_weights())
        assert_same([model.predict(x, 64, verbose=0)], [model.predict(x, 64, verbose=0)])
        assert np.isfinite(model.evaluate(x, y, verbose=0)).all()


def test_control_c_at_random_moments():
    """20 moments. The engine looks every 50 ms, between steps, so an interrupt takes about that long at most; asserted
    is only what a machine that is busy with other things keeps too.
    """
    model, moments = net(64, 0.2), random.Random(6)
    small = X[:40]
    calls = [
        lambda: model.fit(small, Y[:40], epochs=10**9, verbose=0),
        lambda: model.predict(X, 4, verbose=0),
        lambda: model.evaluate(X, Y, 4, verbose=0),
        lambda: model.fit(zip(itertools.repeat(small), itertools.repeat(Y[:40])), verbose=0),
    ]
    late = []

    def forever(call):
        while True:
            call()

    for attempt in range(20):
        at = []

        def interrupt(at=at):
            at.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(moments.uniform(0.01, 0.2), interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            forever(calls[attempt % len(calls)])
        late.append(time.monotonic() - at[0])
        timer.join()
        assert all(np.isfinite(w).all() for w in model.get_weights())
        history = model.history
        assert {len(values) for values in history.history.values()} <= {len(history.epoch)}
        assert model.fit(small, Y[:40], verbose=0).epoch == [0]
        assert np.isfinite(model.predict(small, verbose=0)).all()
    print("seconds until KeyboardInterrupt:", *(f"{seconds:.3f}" for seconds in sorted(late)))
    assert max(late) < 2, late


@pytest.mark.parametrize("make", ["memmap", "ones", "fortran", "uint8"])
def test_fit_holds_no_second_copy_of_x(tmp_path, make):
    """200 MB of inputs; anonymous memory may grow by 48 MB."""
    script = f"""
        import threading, time
        import numpy as np, ironhorn
        from ironhorn.layers import Dense, Input
        def anonymous():
            return int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) / 1024
        n = 500_000
        x = {{
            "memmap": lambda: np.memmap({str(tmp_path / "x.bin")!r}, "f4", "w+", shape=(n, 100)),
            "ones": lambda: np.ones((n, 100), "f4"),
            "fortran": lambda: np.ones((100, n), "f4").T,
            "uint8": lambda: np.ones((n, 400), "u1"),
        }}[{make!r}]()
        y = np.zeros(n, "f4")
        model = ironhorn.Sequential([Input(x.shape[1:]), Dense(1)])
        model.compile("sgd", "mse", check_finite=False)  # the loss is of no interest here
        model.fit(x[:100], y[:100], verbose=0)
        before, samples, done = anonymous(), [], threading.Event()
        def watch():
            while not done.is_set():
                samples.append(anonymous())
                time.sleep(0.002)
        watcher = threading.Thread(target=watch)
        watcher.start()
        model.fit(x, y, batch_size=1000, validation_split=0.1, verbose=0)
        model.predict(x, batch_size=1000, verbose=0)
        done.set()
        watcher.join()
        assert len(samples) > 5 and max(samples) < before + 48, (before, max(samples), len(samples))
        """
    if not os.path.exists("/proc/self/status"):
        pytest.skip("memory is read from /proc")
    in_a_process(script)


def test_sizes_beyond_memory_are_memory_errors():
    with pytest.raises(MemoryError):
        Sequential([Input((10**6,)), Dense(10**9)])
    wide = Sequential([Input((4,)), Dense(10**5)])
    with pytest.raises(MemoryError):
        wide.predict(np.broadcast_to(np.float32(1), (4 * 10**9, 4)), verbose=0)
    with pytest.raises(ValueError, match=r"x: expected .* samples"):
        wide.predict(np.broadcast_to(np.float32(1), (10**11, 4)), verbose=0)
    assert wide.predict(np.ones((2, 4)), verbose=0).shape == (2, 10**5)


@pytest.mark.parametrize("size", [401, 10**9, 2**63 - 1])
def test_a_batch_size_larger_than_the_data_is_one_batch(size):
    results = []
    for batch in (400, size):
        model = net(16)
        model.fit(X, Y, batch_size=batch, epochs=2, verbose=0)
        results.append(
            [*model.get_weights(), model.predict(X, batch, verbose=0), model.evaluate(X, Y, batch, verbose=0)]
        )
    assert_same(results[1], results[0])


@pytest.mark.parametrize("mebibytes", [2, 20, 50, 75, 95, 115])
def test_little_memory_is_a_memory_error_at_any_moment(mebibytes):
    in_a_process(
        f"""
        import resource
        import numpy as np, ironhorn
        from ironhorn.layers import Dense, Dropout, Input
        x = np.ones((256, 1000), "f4")
        used = int(next(l for l in open("/proc/self/status") if l.startswith("VmSize")).split()[1]) << 10
        resource.setrlimit(resource.RLIMIT_AS, (used + ({mebibytes} << 20), -1))
        try:
            model = ironhorn.Sequential([Input((1000,)), Dense(2000, "relu"), Dropout(0.5), Dense(2000), Dense(10)])
            model.compile("adam", "mse")
            for call in (lambda: model.fit(x, np.ones((256, 10)), verbose=0), lambda: model.predict(x, verbose=0)) * 3:
                call()
            model.get_weights()
        except MemoryError:
            resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
            small = ironhorn.Sequential([Dense(2)])
            assert small.predict(x, verbose=0).shape == (256, 2)
        """
    )
