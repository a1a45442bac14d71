"""Memory: a thousand calls of ``fit`` and of ``predict`` leave the process as large as it was."""

import gc
import os

import pytest

from streams import X, Y, batches, net

CALLS = 1000


def resident_kilobytes() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads Linux's /proc")
@pytest.mark.parametrize("what", ["fit", "fit a generator", "predict", "predict a generator", "train_on_batch"])
def test_memory_is_flat_over_a_thousand_calls(what):
    model = net()
    calls = {
        "fit": lambda: model.fit(X, Y, verbose=0),
        "fit a generator": lambda: model.fit(iter(batches()), verbose=0),
        "predict": lambda: model.predict(X, verbose=0),
        "predict a generator": lambda: model.predict(iter(batches()), verbose=0),
        # The sizes change, so that what is kept for each is bounded.
        "train_on_batch": lambda: [model.train_on_batch(X[:n], Y[:n]) for n in (3, 50, 7, 90, 1)],
    }

    def repeat(times: int) -> int:
        for _ in range(times):
            calls[what]()
        gc.collect()
        return resident_kilobytes()

    before = repeat(CALLS // 5)
    assert repeat(CALLS) - before < CALLS, f"kilobytes after {CALLS} more calls"
