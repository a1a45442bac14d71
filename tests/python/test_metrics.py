"""Metrics standing alone: states, metrics of one's own, what is refused. Keras's numbers are in the parity tests."""

import copy
import pickle

import numpy as np
import pytest

from ironhorn import losses, metrics, ops
from ironhorn.metrics.compiled import resolve
from ironhorn.metrics.registry import ENGINE_CLASSES

Y = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
P = np.array([[0.2, 0.9], [0.4, 0.6], [0.8, 0.7], [0.1, 0.3]], np.float32)


class Largest(metrics.Metric):
    """The largest error so far; what no sum over rows can say."""

    def __init__(self, name="largest", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.worst = self.add_variable(shape=(), initializer="zeros", name="worst")
        self.batches = self.add_weight(name="batches", dtype="int32")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.worst.assign(np.maximum(self.worst, np.abs(np.asarray(y_true) - y_pred).max()))
        self.batches.assign_add(1)

    def result(self):
        return self.worst.numpy()


def test_a_metric_of_one_s_own():
    metric = Largest()
    assert metric.name == "largest" and [v.name for v in metric.variables] == ["worst", "batches"]
    assert metric(Y, P) == pytest.approx(0.7)
    metric.update_state([0.0], [0.5])
    assert metric.result() == pytest.approx(0.7) and metric.batches == 2 and int(metric.batches) == 2
    assert metric.worst + 1 == pytest.approx(1.7) and metric.worst.dtype == "float32"
    state = metric.stateless_update_state([0.1, 5], [0.0], [0.25])
    assert state == [0.25, 6] and metric.stateless_result([3.0, 1]) == 3.0 and metric.batches == 2
    assert metric.stateless_reset_state() == [0, 0] and metric.batches == 2
    metric.reset_state()
    assert metric.result() == 0 and metric.batches == 0
    assert Largest.from_config(metric.get_config()).get_config() == {"name": "largest", "dtype": "float32"}
    assert not Largest.is_native
    outer = Largest("outer")
    outer.parts = {"a": [Largest("inner")], "b": metrics.Variable(1.0)}
    assert len(outer.variables) == 5
    with pytest.raises(ValueError, match="length 1, but expected 2"):
        metric.stateless_result([1.0])
    with pytest.raises(ValueError, match="'worst' is \\(\\)"):
        metric.worst.assign([1.0, 2.0])
    with pytest.raises(AttributeError):
        metric.dtype = "float16"


def test_super_must_be_called():
    class Forgetful(metrics.Metric):
        def __init__(self):
            self.seen = self.add_variable((), "zeros")

    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        Forgetful()


def test_states_are_keras_s_variables():
    precision = metrics.Precision(thresholds=[0.3, 0.65])
    precision.update_state(Y, P)
    np.testing.assert_array_equal(precision.true_positives, [4, 2])
    np.testing.assert_array_equal(precision.false_positives.numpy(), [1, 1])
    np.testing.assert_allclose(precision.result(), [4 / 5, 2 / 3])
    precision.true_positives.assign([3, 1])
    np.testing.assert_allclose(precision.result(), [3 / 4, 1 / 2])
    mean = metrics.Mean()
    mean.update_state([1.0, 2.0])
    assert mean.total == 3 and mean.count == 2 and mean.total.dtype == "float32"
    auc = metrics.AUC(multi_label=True)
    assert auc.result() == 0 and auc.variables == []
    auc.update_state(Y, P)
    assert auc.true_positives.shape == (200, 2) and len(auc.variables) == 4
    iou = metrics.MeanIoU(num_classes=2)
    iou.update_state([0, 1, 1], [0, 1, 0], [1, 2, 3])
    np.testing.assert_array_equal(iou.total_cm, [[1, 0], [3, 2]])


def test_counts_of_integers_stay_whole():
    metric = metrics.MeanIoU(2)
    metric.total_cm = metrics.Variable(np.array([[2**24, 1], [2, 3]]))  # its place in the state stays
    metric.update_state([0, 1], [0, 1])
    assert metric.total_cm.dtype == "int32"
    np.testing.assert_array_equal(np.array(metric.total_cm), [[2**24 + 1, 1], [2, 4]])


@pytest.mark.parametrize("there", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_copies_have_a_state_of_their_own(there):
    for metric in (metrics.AUC(num_thresholds=5), metrics.F1Score(), metrics.MeanSquaredError(), metrics.R2Score()):
        metric.update_state(Y, P)
        again = there(metric)
        np.testing.assert_array_equal(again.result(), metric.result())
        again.update_state(Y, 1 - P)
        assert len(again.variables) == len(metric.variables)
        assert np.any(again.result() != metric.result())
        again.reset_state()
        assert not any(np.any(v) for v in again.variables)


def test_what_is_refused():
    for update, text in [
        (lambda: metrics.Precision(class_id=2).update_state(Y, P), "'class_id'"),
        (lambda: metrics.Precision(class_id=0).update_state(Y[:, 0], P[:, 0]), "2D array"),
        (lambda: metrics.Recall(top_k=3).update_state(Y, P), "'top_k'"),
        (lambda: metrics.Precision().update_state(Y[:3], P), r"\(3, 2\).*\(4, 2\)"),
        (lambda: metrics.Precision().update_state(Y, P, [1.0, 2.0]), "sample_weight"),
        (lambda: metrics.Precision(thresholds=[0.2, 1.2]), "Threshold values"),
        (lambda: metrics.AUC(label_weights=[1.0]).update_state(Y, P), "'label_weights'"),
        (lambda: metrics.AUC(multi_label=True, num_labels=3).update_state(Y, P), "num_labels|numbers"),
        (lambda: metrics.AUC(multi_label=True).update_state(Y[:, 0], P[:, 0]), "rank 2"),
        (lambda: metrics.AUC(curve="LIFT"), "LIFT"),
        (lambda: metrics.AUC(num_labels=2), "num_labels"),
        (lambda: metrics.F1Score().update_state(Y[:, 0], P[:, 0]), "2D inputs"),
        (lambda: metrics.F1Score(average="mean"), "average"),
        (lambda: metrics.FBetaScore(beta=2), "beta"),
        (lambda: metrics.R2Score(class_aggregation="mean"), "class_aggregation"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors"),
        (lambda: metrics.IoU(2, [2]), "out of range"),
        (lambda: metrics.MeanIoU(2).update_state([0, 1], [0, 1, 1]), "y_true"),
        (lambda: metrics.PrecisionAtRecall(1.5), "recall"),
        (lambda: metrics.PrecisionAtRecall(0.5, num_thresholds=0), "num_thresholds"),
        (lambda: metrics.Metric(dtype="float33"), "float33"),
    ]:
        with pytest.raises(ValueError, match=text):
            update()
    with pytest.raises(TypeError, match="`y_pred`"):
        metrics.Precision().update_state(Y, [["a", "b"]] * 4)


def test_more_classes_than_before_change_nothing():
    score = metrics.F1Score()
    score.update_state(Y, P)
    before = score.result()
    with pytest.raises(ValueError, match="2 classes"):
        score.update_state(np.zeros((4, 3)), np.zeros((4, 3)))
    np.testing.assert_array_equal(score.result(), before)


def test_r2_warns_where_it_cannot_be_adjusted():
    score = metrics.R2Score(num_regressors=3)
    score.update_state([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])
    with pytest.warns(UserWarning, match="More independent predictors"):
        assert score.result() == pytest.approx(4 / 7)


def test_float_weights_of_integer_counts_warn():
    with pytest.warns(UserWarning, match="dtype is `int`"):
        metrics.MeanIoU(2).update_state([0, 1], [0, 1], np.array([0.5, 1.5]))


def test_dtypes():
    assert metrics.Mean(dtype="float16")([1.0, 2.0]).dtype == np.float16
    assert metrics.AUC(dtype="float64")(Y, P).dtype == np.float64
    assert metrics.MeanSquaredError(dtype="int32").dtype == "int32" and metrics.MeanIoU(2).dtype == "int32"


def test_what_compile_is_told():
    def own(y_true, y_pred):
        return np.abs(np.sort(y_true) - np.sort(y_pred))

    def traced(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)

    given = ["acc", "AUC", metrics.Precision(name="p"), metrics.binary_accuracy, losses.Huber(2.0, name="huber"),
             traced, metrics.MeanMetricWrapper(traced, name="w"), own, Largest(), metrics.Mean(),
             losses.CosineSimilarity(), losses.MeanSquaredError("sum")]  # fmt: skip
    compiled = resolve(given, allow_python=True)
    names = ["acc", "AUC", "p", "binary_accuracy", "huber", "traced", "w", "own", "largest"]
    assert [entry.name for entry in compiled][:9] == names
    assert [entry.is_native for entry in compiled] == [True] * 7 + [False] * 5
    assert compiled[4].form["config"] == {"name": "huber", "delta": 2.0}
    assert compiled[5].form["class_name"] == "expression"
    assert [entry._direction for entry in compiled[:5]] == ["up", "up", "up", "up", "down"]
    assert compiled[7].metric(Y, P) == pytest.approx(np.abs(np.sort(Y) - np.sort(P)).mean())
    for refused in (own, Largest(), metrics.Mean(), losses.CosineSimilarity(), lambda t, p: 0.0):
        with pytest.raises(TypeError):
            resolve([refused])
    assert [entry.name for entry in resolve(["mse", "mse", metrics.MeanSquaredError()])] == [
        "mse", "mse_1", "mean_squared_error"
    ]  # fmt: skip


def test_who_derives_from_an_engine_s_metric_runs_in_python():
    class Half(metrics.Recall):
        def result(self):
            return super().result() / 2

    assert all(cls.is_native for cls in ENGINE_CLASSES) and not Half.is_native
    half = Half()
    assert half(Y, P) == pytest.approx(metrics.Recall()(Y, P) / 2)

    class Doubled(metrics.MeanSquaredError):
        def result(self):
            return super().result() * 2

    assert Doubled.from_config(Doubled().get_config())(Y, P) == pytest.approx(2 * ((Y - P) ** 2).mean())
    assert not resolve([half], allow_python=True)[0].is_native


def test_configurations_of_wrappers_and_functions():
    wrapper = metrics.MeanMetricWrapper(metrics.binary_accuracy, name="b", threshold=0.3)
    again = metrics.deserialize(metrics.serialize(wrapper))
    assert again.get_config() == wrapper.get_config() and again(Y, P) == wrapper(Y, P)
    form = metrics.serialize(metrics.top_k_categorical_accuracy)
    assert metrics.get(form) is metrics.top_k_categorical_accuracy
    assert metrics.deserialize(metrics.serialize(Largest()), {"Largest": Largest}).name == "largest"
