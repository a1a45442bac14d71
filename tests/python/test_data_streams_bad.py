"""Sources of batches that end early, raise, change shape, or are interrupted; callbacks that stop or raise."""

import itertools
import signal
import threading
import warnings

import numpy as np
import pytest

from ironhorn import callbacks
from streams import Loader, Numbered, W, X, Y, after, batches, counted, endless, net, weights

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


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
