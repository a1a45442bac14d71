"""What several test files share: small data, a small compiled model."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn.layers import Dense


def pytest_configure() -> None:
    """A shell makes what it runs in the background ignore Ctrl-C, and so would the tests of it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def fresh_names_and_seed() -> None:
    """Names and seeds of a test do not depend on the tests before it."""
    ironhorn.utils.clear_session()
    ironhorn.utils.set_random_seed(7)


@pytest.fixture
def threads() -> Iterator[Callable[[int | None], None]]:
    """Sets the number of threads for one test."""
    yield ironhorn.config.set_num_threads
    ironhorn.config.set_num_threads(None)


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is such a place: disks are slow to bring files to."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK):
        with tempfile.TemporaryDirectory(dir=memory, ignore_cleanup_errors=True) as name:
            yield Path(name)
    else:
        yield tmp_path


@pytest.fixture(scope="module")
def gpu() -> str:
    """The first adapter. Without one a test is skipped; with ``IRONHORN_REQUIRE_GPU=1`` it fails then."""
    try:
        ironhorn.set_device("gpu")
    except ironhorn.errors.DeviceError as error:
        if os.environ.get("IRONHORN_REQUIRE_GPU") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    ironhorn.set_device(None)
    return "gpu:0"


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    """Whatever threads a test starts are gone when it ends."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before, threading.enumerate()


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """120 points of 5 numbers in 3 well-separated classes, in mixed order."""
    generator = np.random.default_rng(3)
    y = np.arange(120) % 3
    centres = generator.normal(size=(3, 5)) * 1.5
    return (centres[y] + 0.3 * generator.normal(size=(120, 5))).astype(np.float32), y


@pytest.fixture
def classifier() -> Callable[..., Any]:
    """Makes a compiled net for the blobs."""

    def make(metrics: Any = ("accuracy",), optimizer: Any = "adam", **kwargs: Any) -> Any:
        model = ironhorn.Sequential([ironhorn.Input((5,)), Dense(8, activation="relu"), Dense(3, activation="softmax")])
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=list(metrics), **kwargs)
        return model

    return make


@pytest.fixture
def line() -> Callable[..., Any]:
    """Makes a compiled y = wx + b that starts from zeros."""

    def make(optimizer: Any = "sgd", loss: Any = "mse", n: int = 1, **kwargs: Any) -> Any:
        model = ironhorn.Sequential([ironhorn.Input((n,)), Dense(1, kernel_initializer="zeros")])
        model.compile(optimizer, loss, **kwargs)
        return model

    return make
