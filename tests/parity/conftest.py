"""Keras itself, on its JAX backend, is the peer of these tests."""

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # the models are tiny: compiling them is all the time

import numpy as np
import pytest

import ironhorn


@pytest.fixture(scope="session")
def keras() -> ModuleType:
    """Keras; without it the tests are skipped, and fail where they must run."""
    try:
        import keras
    except ImportError as error:
        if os.environ.get("IRONHORN_REQUIRE_KERAS") or os.environ.get("CI"):
            pytest.fail(f"Keras is required here: {error}")
        pytest.skip(f"Keras and JAX are needed, `pip install ironhorn[test]`: {error}")
    assert keras.backend.backend() == "jax", "Keras was imported before these tests, with another backend"
    keras.utils.set_random_seed(7)
    return keras


@pytest.fixture(autouse=True)
def fresh_names_and_seed() -> None:
    """Names and seeds of a test do not depend on the tests before it."""
    ironhorn.utils.clear_session()
    ironhorn.utils.set_random_seed(7)


@pytest.fixture
def twins(keras: ModuleType) -> Callable[..., Any]:
    """Makes the same compiled model of Keras and of Ironhorn, with the same weights.

    ``layers`` and ``arguments`` are functions of the package, ``keras`` or ``ironhorn``: of the list of layers,
    and of ``compile``'s keyword arguments.
    """

    def make(layers: Callable[..., Any], arguments: Callable[..., Any]) -> tuple[Any, Any]:
        peer, model = (package.Sequential(layers(package)) for package in (keras, ironhorn))
        for package, each in ((keras, peer), (ironhorn, model)):
            each.compile(**arguments(package))
        generator = np.random.default_rng(1)
        # Biases that are not zero keep rows away from the kinks of ReLU.
        weights = [w if w.ndim > 1 else generator.uniform(-0.3, 0.3, w.shape) for w in model.get_weights()]
        peer.set_weights(weights)
        model.set_weights(weights)
        return peer, model

    return make


@pytest.fixture
def same_weights() -> Callable[..., None]:
    """Compares two lists of weights: each tensor's difference to 1e-4 of its norm."""

    def compare(expected: list[np.ndarray], got: list[np.ndarray]) -> None:
        for index, (a, b) in enumerate(zip(expected, got, strict=True)):
            assert np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(a), f"tensor {index} of shape {a.shape}"

    return compare
