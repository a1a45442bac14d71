"""Losses and metrics standing alone, on arrays; expected numbers are written out in NumPy."""

import numpy as np
import pytest

from ironhorn import losses, metrics
from ironhorn.naming import to_snake_case

P = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.05, 0.9, 0.05]], np.float32)
CLASSES = np.array([2, 1, 0, 1])
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
W = np.array([1.0, 2.0, 0.0, 0.5], np.float32)
CE = -np.log(P[np.arange(4), CLASSES])


def rows(name):
    if name == "MeanSquaredError":
        return ((ONE_HOT - P) ** 2).mean(1)
    if name == "MeanAbsoluteError":
        return np.abs(ONE_HOT - P).mean(1)
    if name == "BinaryCrossentropy":
        return -(ONE_HOT * np.log(P) + (1 - ONE_HOT) * np.log(1 - P)).mean(1)
    return CE


LOSSES = ["MeanSquaredError", "MeanAbsoluteError", "BinaryCrossentropy", "CategoricalCrossentropy",
          "SparseCategoricalCrossentropy"]  # fmt: skip


def targets(name):
    return CLASSES if name.startswith("Sparse") else ONE_HOT


@pytest.mark.parametrize("name", LOSSES)
def test_reductions_with_and_without_weights(name):
    values, y, cls = rows(name), targets(name), getattr(losses, name)
    for reduction, plain, weighted in [
        ("sum_over_batch_size", values.mean(), (values * W).sum() / 4),
        ("mean", values.mean(), (values * W).sum() / 4),
        ("sum", values.sum(), (values * W).sum()),
        ("mean_with_sample_weight", values.mean(), (values * W).sum() / W.sum()),
        ("none", values, values * W),
        (None, values, values * W),
    ]:
        loss = cls(reduction=reduction)
        np.testing.assert_allclose(loss(y, P), plain, rtol=1e-5)
        np.testing.assert_allclose(loss(y, P, sample_weight=W), weighted, rtol=1e-5)
        column = loss(y, P, sample_weight=W[:, None])  # where nothing is reduced it stays a column, as in Keras
        np.testing.assert_allclose(np.ravel(column), np.ravel(weighted), rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_functions_give_the_values_by_row(name):
    snake = to_snake_case(name)
    for identifier in (snake, getattr(losses, snake)):
        function = losses.get(identifier)
        values = function(targets(name), P)
        assert values.dtype == np.float32 and values.shape == (4,)
        np.testing.assert_allclose(values, rows(name), rtol=1e-5)


def test_short_names():
    assert losses.get("mse") is losses.get("MSE") is losses.mean_squared_error
    assert losses.get("mae") is losses.mean_absolute_error and losses.get("bce") is losses.binary_crossentropy
    assert metrics.get("mse").name == metrics.get("MSE").name == "mean_squared_error"
    assert losses.get(None) is None


def test_logits_and_label_smoothing():
    z = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, -3.0]])
    y = np.array([[1.0, 0, 0], [0, 0, 1]])
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    np.testing.assert_allclose(losses.categorical_crossentropy(y, z, from_logits=True), -(y * log_p).sum(1), rtol=1e-5)
    np.testing.assert_allclose(
        losses.sparse_categorical_crossentropy(y.argmax(1), z, from_logits=True), -(y * log_p).sum(1), rtol=1e-5
    )
    smooth = y * 0.7 + 0.1
    np.testing.assert_allclose(
        losses.categorical_crossentropy(y, z, from_logits=True, label_smoothing=0.3),
        -(smooth * log_p).sum(1),
        rtol=1e-5,
    )
    s, smooth = 1 / (1 + np.exp(-z)), y * 0.8 + 0.1
    expected = -(smooth * np.log(s) + (1 - smooth) * np.log(1 - s)).mean(1)
    np.testing.assert_allclose(
        losses.binary_crossentropy(y, z, from_logits=True, label_smoothing=0.2), expected, rtol=1e-5
    )


def test_saturated_probabilities_are_clipped():
    value = losses.binary_crossentropy([[1.0]], [[0.0]])
    assert np.isfinite(value).all() and value[0] == pytest.approx(-np.log(1e-7), rel=0.02)
    value = losses.sparse_categorical_crossentropy([0], [[0.0, 1.0]])
    assert value[0] == pytest.approx(-np.log(1e-7), rel=0.02)


def test_an_ignored_class_counts_nowhere():
    kept = CLASSES != 1
    loss = losses.SparseCategoricalCrossentropy(ignore_class=1)
    assert loss(CLASSES, P) == pytest.approx(CE[kept].mean(), rel=1e-5)
    total = losses.SparseCategoricalCrossentropy(ignore_class=1, reduction="sum")
    assert total(CLASSES, P) == pytest.approx(CE[kept].sum(), rel=1e-5)
    np.testing.assert_allclose(
        losses.sparse_categorical_crossentropy(CLASSES, P, ignore_class=1), np.where(kept, CE, 0), rtol=1e-5
    )
    outside = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    assert outside(np.array([2, -1, -1, -1]), P) == pytest.approx(CE[0], rel=1e-5)


def test_shapes_meet_as_in_keras():
    mse = losses.MeanSquaredError()
    assert mse([0.0, 1.0], [[1.0], [1.0]]) == pytest.approx(0.5)
    assert mse([[0.0], [1.0]], [1.0, 1.0]) == pytest.approx(0.5)
    assert mse([0.0, 1.0], [1.0, 1.0]) == pytest.approx(0.5)
    assert losses.SparseCategoricalCrossentropy()(CLASSES[:, None], P) == pytest.approx(CE.mean(), rel=1e-5)
    deep = losses.mean_squared_error(np.zeros((2, 3, 4)), np.ones((2, 3, 4)))
    assert deep.shape == (2, 3) and (deep == 1).all()


def test_wrong_shapes_types_and_arguments():
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(4, 2\)"):
        losses.MeanSquaredError()(np.zeros((4, 2)), P)
    with pytest.raises(TypeError, match="`y_true`"):
        losses.mean_squared_error(["a"], [1.0])
    with pytest.raises(ValueError, match="`reduction`"):
        losses.MeanSquaredError(reduction="average")
    with pytest.raises(ValueError, match="`label_smoothing`"):
        losses.BinaryCrossentropy(label_smoothing=2)
    with pytest.raises(ValueError, match="floating"):
        losses.MeanSquaredError(dtype="int32")
    with pytest.raises(ValueError, match="dtype of NumPy's"):
        losses.MeanSquaredError(dtype="quadruple")


@pytest.mark.parametrize("reduction", ["sum", "none", "mean"])
def test_a_loss_returns_its_dtype(reduction):
    single = losses.MeanSquaredError(reduction=reduction)(P**2, P)
    for dtype in ("float16", "float64"):
        loss = losses.MeanSquaredError(reduction=reduction, dtype=dtype)
        assert loss.dtype == dtype and loss(P**2, P).dtype == dtype
        np.testing.assert_allclose(loss(P**2, P), single, rtol=1e-3)


@pytest.mark.parametrize(("wrong", "near"), [("mean_squared_eror", "mean_squared_error"), ("mze", "mse")])
def test_unknown_losses_name_the_nearest(wrong, near):
    with pytest.raises(ValueError, match=f"Unknown loss: '{wrong}'.*Did you mean '{near}'"):
        losses.get(wrong)


def test_own_losses_work_alone():
    class Doubled(losses.Loss):
        def call(self, y_true, y_pred):
            return 2 * np.abs(y_true - y_pred).mean(-1)

    assert Doubled()([[0.0, 1.0]], [[1.0, 1.0]]) == pytest.approx(1.0)
    assert Doubled(reduction="sum").name == "doubled_1"


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "expected"),
    [
        ("Accuracy", [1, 2, 3, 4], [0, 2, 3, 4], [0, 1, 1, 1]),
        ("BinaryAccuracy", [1, 1, 0, 0], [0.98, 0.5, 0.1, 0.6], [1, 0, 1, 0]),
        ("CategoricalAccuracy", ONE_HOT, P, [1, 0, 0, 1]),
        ("SparseCategoricalAccuracy", CLASSES, P, [1, 0, 0, 1]),
        ("SparseCategoricalAccuracy", CLASSES[:, None], P, [1, 0, 0, 1]),
        ("MeanSquaredError", ONE_HOT, P, rows("MeanSquaredError")),
        ("MeanAbsoluteError", ONE_HOT, P, rows("MeanAbsoluteError")),
        ("BinaryCrossentropy", ONE_HOT, P, rows("BinaryCrossentropy")),
        ("CategoricalCrossentropy", ONE_HOT, P, CE),
        ("SparseCategoricalCrossentropy", CLASSES, P, CE),
    ],
)
def test_metrics_run_over_batches(name, y_true, y_pred, expected):
    expected, y_true, y_pred = np.asarray(expected, float), np.asarray(y_true), np.asarray(y_pred)
    metric = getattr(metrics, name)()
    assert metric.result() == 0
    assert metric(y_true, y_pred) == pytest.approx(expected.mean(), rel=1e-5)
    metric.update_state(y_true[:1], y_pred[:1])
    assert metric.result() == pytest.approx((expected.sum() + expected[0]) / 5, rel=1e-5)
    metric.reset_state()
    metric.update_state(y_true, y_pred, sample_weight=W)
    assert metric.result() == pytest.approx((expected * W).sum() / W.sum(), rel=1e-5)


def test_metric_functions_and_thresholds():
    np.testing.assert_array_equal(metrics.sparse_categorical_accuracy(CLASSES, P), [1, 0, 0, 1])
    np.testing.assert_array_equal(metrics.categorical_accuracy(ONE_HOT, P), [1, 0, 0, 1])
    np.testing.assert_array_equal(metrics.binary_accuracy([1, 0], [0.3, 0.3], threshold=0.2), [1, 0])
    metric = metrics.BinaryAccuracy(threshold=0.2)
    metric.update_state([1, 0], [0.3, 0.3])
    assert metric.result() == 0.5
    with pytest.raises(ValueError, match="`threshold`"):
        metrics.BinaryAccuracy(threshold=1.5)


def test_the_crossentropy_metric_ignores_a_class():
    metric, kept = metrics.SparseCategoricalCrossentropy(ignore_class=1), CLASSES != 1
    assert metric(CLASSES, P) == pytest.approx(CE[kept].sum() / len(CE), rel=1e-5)  # without weights, as Keras counts
    metric.reset_state()
    metric.update_state(CLASSES, P, sample_weight=W + 1)
    assert metric.result() == pytest.approx((CE * (W + 1))[kept].sum() / (W + 1)[kept].sum(), rel=1e-5)


def test_mean_and_sum():
    mean, total = metrics.Mean(), metrics.Sum()
    assert mean([1, 3, 5, 7]) == 4 and total([1, 3, 5, 7]) == 16
    mean.reset_state()
    total.reset_state()
    assert mean([1, 3, 5, 7], sample_weight=[1, 1, 0, 0]) == 2 and total([1, 3, 5, 7], sample_weight=[1, 1, 0, 0]) == 4
    mean.update_state(8)
    assert mean.result() == pytest.approx((4 + 8) / 3)


def test_wrong_metrics():
    with pytest.raises(ValueError, match="Did you mean 'accuracy'"):
        metrics.get("acuracy")
    with pytest.raises(ValueError):
        metrics.MeanSquaredError().update_state(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="`sample_weight`"):
        metrics.Mean()([1.0, 2.0], sample_weight=[1.0, 1.0, 1.0])
    with pytest.raises(TypeError):
        metrics.Mean()(["a"])
