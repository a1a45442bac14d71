"""Layers of several inputs: values, shapes, mismatches, as layers and as functions."""

import numpy as np
import pytest

from ironhorn import layers
from ironhorn.layers import Input
from ironhorn.models import Model

RNG = np.random.default_rng(0)
A, B, C = (RNG.normal(size=(6, 4)).astype(np.float32) for _ in range(3))
CUBE, ROWS = RNG.normal(size=(6, 3, 4)).astype(np.float32), RNG.normal(size=(6, 5, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("cls", "function", "expected"),
    [
        (layers.Add, layers.add, A + B + C),
        (layers.Multiply, layers.multiply, A * B * C),
        (layers.Average, layers.average, (A + B + C) / 3),
        (layers.Maximum, layers.maximum, np.maximum(np.maximum(A, B), C)),
        (layers.Minimum, layers.minimum, np.minimum(np.minimum(A, B), C)),
    ],
)
def test_element_by_element(cls, function, expected):
    np.testing.assert_allclose(cls()([A, B, C]), expected, atol=1e-6)
    np.testing.assert_allclose(function([A, B, C]), expected, atol=1e-6)
    inputs = [Input((4,)) for _ in range(3)]
    np.testing.assert_allclose(Model(inputs, function(inputs))([A, B, C]), expected, atol=1e-6)


def test_two_of_them():
    np.testing.assert_allclose(layers.Subtract()([A, B]), A - B, atol=1e-6)
    np.testing.assert_allclose(layers.subtract([A, B]), A - B, atol=1e-6)
    np.testing.assert_allclose(layers.Add()([A, A[:, :1]]), A + A[:, :1], atol=1e-6)
    same = Input((4,))
    np.testing.assert_allclose(Model(same, layers.Add()([same, same]))(A), 2 * A, atol=1e-6)


def test_side_by_side():
    np.testing.assert_array_equal(layers.Concatenate()([A, B[:, :2], C]), np.concatenate([A, B[:, :2], C], 1))
    np.testing.assert_array_equal(layers.concatenate([CUBE, ROWS], axis=1), np.concatenate([CUBE, ROWS], 1))
    np.testing.assert_array_equal(layers.Concatenate(-2)([CUBE, ROWS]), np.concatenate([CUBE, ROWS], 1))


def test_dot_products():
    np.testing.assert_allclose(layers.Dot(1)([A, B]), (A * B).sum(1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(layers.dot([CUBE, ROWS]), np.einsum("bik,bjk->bij", CUBE, ROWS), atol=1e-5)
    swapped = np.swapaxes(ROWS, 1, 2).copy()
    np.testing.assert_allclose(layers.Dot((2, 1))([CUBE, swapped]), np.einsum("bik,bkj->bij", CUBE, swapped), atol=1e-5)
    np.testing.assert_allclose(layers.Dot((1, 2))([A, ROWS]), np.einsum("bk,bjk->bj", A, ROWS), atol=1e-5)
    cosine = (A * B).sum(1) / np.linalg.norm(A, axis=1) / np.linalg.norm(B, axis=1)
    np.testing.assert_allclose(layers.Dot(1, normalize=True)([A, B])[:, 0], cosine, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: layers.Add()(A), "should be called on a list of inputs"),
        (lambda: layers.Add()(Input((4,))), "should be called on a list of inputs"),
        (lambda: layers.Add()([]), "at least 1 input"),
        (lambda: layers.Add()([A, B[:, :3]]), "incompatible shapes"),
        (lambda: layers.Add()([A, B[:3]]), "different batch sizes"),
        (lambda: layers.Subtract()([A, B, C]), "exactly 2 inputs"),
        (lambda: layers.Concatenate()([A, CUBE]), "matching shapes"),
        (lambda: layers.Concatenate(1)([CUBE, A[:, None, :3]]), "matching shapes"),
        (lambda: layers.Concatenate(0)([A, B]), "not the batch"),
        (lambda: layers.Concatenate(3)([A, B]), "`axis` must be an axis"),
        (lambda: layers.Dot(1)([A, B, C]), "list of 2 inputs"),
        (lambda: layers.Dot(1)([A, B[:, :3]]), "Incompatible input shapes"),
        (lambda: layers.Dot(0)([A, B]), "not the batch"),
        (lambda: layers.Dot((1,)), "two elements"),
        (lambda: layers.Dot((1, 1.5)), "should be integers"),
    ],
)
def test_mismatches(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_wrong_types():
    with pytest.raises(TypeError, match="`axes`"):
        layers.Dot("a")
    with pytest.raises(TypeError, match="`axis`"):
        layers.Concatenate("a")
    with pytest.raises(TypeError, match=r"inputs\[1\]"):
        layers.Add()([A, np.array(["a"] * 6)])


def test_shapes():
    assert layers.Add().compute_output_shape([(None, 4), (None, 1)]) == (None, 4)
    assert layers.Concatenate().compute_output_shape([(8, 4), (8, 1)]) == (8, 5)
    assert layers.Dot(1).compute_output_shape([(None, 4), (None, 4)]) == (None, 1)
    assert layers.Dot((2, 1)).compute_output_shape([(None, 3, 4), (None, 4, 5)]) == (None, 3, 5)
    with pytest.raises(ValueError, match="not a list of shapes"):
        layers.Add().compute_output_shape((None, 4))
