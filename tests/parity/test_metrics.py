"""Every metric over streamed batches, with and without weights, against Keras on JAX."""

import warnings

import numpy as np
import pytest

from ironhorn import metrics

keras = pytest.importorskip("keras")

ROWS, COLUMNS = 50, 4
RANDOM = np.random.default_rng(5)
P = RANDOM.random((ROWS, COLUMNS)).astype(np.float32)
PROBABILITIES = P / P.sum(1, keepdims=True)
BINARY = (RANDOM.random((ROWS, COLUMNS)) < 0.4).astype(np.float32)
CLASSES = RANDOM.integers(0, COLUMNS, ROWS)
ONE_HOT = np.eye(COLUMNS, dtype=np.float32)[CLASSES]
NUMBERS = RANDOM.normal(size=(ROWS, COLUMNS)).astype(np.float32)
NEAR = NUMBERS + RANDOM.normal(0, 0.5, (ROWS, COLUMNS)).astype(np.float32)
IDS = RANDOM.integers(0, COLUMNS, ROWS)
W = RANDOM.random(ROWS).astype(np.float32)
WHOLE = RANDOM.integers(0, 3, ROWS)
SORTED_IDS = np.argsort(-P, axis=1)
EVERY_COLUMN = RANDOM.random((ROWS, COLUMNS)).astype(np.float32)

SIGNS = np.where(BINARY > 0, 1, -1).astype(np.float32)
COUNTS = ["TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives"]
CURVES = [(curve, way) for curve in ("ROC", "PR", "PRGAIN") for way in ("interpolation", "majoring", "minoring")]
POINTS = [("SensitivityAtSpecificity", "specificity"), ("SpecificityAtSensitivity", "sensitivity"),
          ("PrecisionAtRecall", "recall"), ("RecallAtPrecision", "precision")]  # fmt: skip
AVERAGES = [None, "micro", "macro", "weighted"]

# Class, arguments, targets, predictions, and what weights it is tried with.
CASES = [
    ("Accuracy", {}, IDS, CLASSES, "rows"),
    ("Accuracy", {}, BINARY, BINARY[::-1].copy(), "rows columns"),
    ("BinaryAccuracy", {}, BINARY, P, "rows columns"),
    ("BinaryAccuracy", {"threshold": 0.3}, BINARY[:, 0], P[:, :1], "rows"),
    ("CategoricalAccuracy", {}, ONE_HOT, P, "rows"),
    ("SparseCategoricalAccuracy", {}, CLASSES, P, "rows"),
    ("SparseCategoricalAccuracy", {}, CLASSES[:, None], P, "rows"),
    ("TopKCategoricalAccuracy", {"k": 2}, ONE_HOT, P, "rows"),
    ("TopKCategoricalAccuracy", {}, ONE_HOT, P, "rows"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, CLASSES, P, "rows"),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, CLASSES, SORTED_IDS, "rows"),
    *((name, {}, BINARY, P, "rows columns") for name in COUNTS),
    *((name, {"thresholds": [0.9, 0.2, 0.5]}, BINARY, P, "rows columns") for name in COUNTS),
    *((name, {"thresholds": [0.0, 0.5, 1.0]}, BINARY, P, "rows") for name in COUNTS),
    *(
        (name, options, BINARY, P, "rows")
        for name in ("Precision", "Recall")
        for options in (
            {},
            {"thresholds": 0.3},
            {"thresholds": [0.3, 0.7]},
            {"top_k": 2},
            {"class_id": 2},
            {"top_k": 2, "class_id": 1},
            {"thresholds": 0.6, "top_k": 3},
        )
    ),
    ("Precision", {}, BINARY, P, "columns"),
    ("Recall", {}, BINARY[:, 0], P[:, :1], "rows"),
    *(("AUC", {"curve": curve, "summation_method": way}, BINARY, P, "rows columns") for curve, way in CURVES),
    ("AUC", {"num_thresholds": 7}, BINARY, P, "rows"),
    ("AUC", {"num_thresholds": 2}, BINARY, P, "rows"),
    ("AUC", {"thresholds": [0.9, 0.3, 0.35]}, BINARY, P, "rows"),
    ("AUC", {"thresholds": [0.25, 0.5, 0.75]}, BINARY, P, "rows"),
    ("AUC", {"from_logits": True}, BINARY, NUMBERS, "rows"),
    ("AUC", {"label_weights": [0.1, 0.2, 0.3, 2.0]}, BINARY, P, "rows"),
    *(("AUC", {"multi_label": True, "curve": curve, "summation_method": way}, BINARY, P, "") for curve, way in CURVES),
    ("AUC", {"multi_label": True, "num_labels": COLUMNS, "label_weights": [0.1, 0.2, 0.3, 2.0]}, BINARY, P, ""),
    *((name, {key: at}, BINARY, P, "rows") for name, key in POINTS for at in (0.2, 0.5, 0.8)),
    *((name, {key: 0.4, "num_thresholds": 1}, BINARY, P, "rows") for name, key in POINTS),
    *((name, {key: 0.4, "num_thresholds": 9, "class_id": 1}, BINARY, P, "rows") for name, key in POINTS),
    *(
        ("F1Score", {"average": average, "threshold": t}, BINARY, P, "rows")
        for average in AVERAGES
        for t in (None, 0.5)
    ),
    *(("FBetaScore", {"average": average, "beta": 2.0, "threshold": 0.4}, BINARY, P, "rows") for average in AVERAGES),
    ("MeanSquaredError", {}, NUMBERS, NEAR, "rows"),
    ("RootMeanSquaredError", {}, NUMBERS, NEAR, "rows columns"),
    ("MeanAbsoluteError", {}, NUMBERS, NEAR, "rows"),
    ("MeanAbsolutePercentageError", {}, NUMBERS, NEAR, "rows"),
    ("MeanSquaredLogarithmicError", {}, P, P[::-1].copy(), "rows"),
    ("LogCoshError", {}, NUMBERS, NEAR, "rows"),
    ("CosineSimilarity", {}, NUMBERS, NEAR, "rows"),
    *(
        ("R2Score", {"class_aggregation": way, "num_regressors": k}, NUMBERS, NEAR, "rows columns")
        for way in (None, "uniform_average", "variance_weighted_average")
        for k in (0, 3)
    ),
    ("BinaryCrossentropy", {}, BINARY, P, "rows"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, BINARY, NUMBERS, "rows"),
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBABILITIES, "rows"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, ONE_HOT, NUMBERS, "rows"),
    ("SparseCategoricalCrossentropy", {}, CLASSES, PROBABILITIES, "rows"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES, NUMBERS, "rows"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, CLASSES, PROBABILITIES, "rows"),
    ("KLDivergence", {}, PROBABILITIES[::-1].copy(), PROBABILITIES, "rows"),
    ("Poisson", {}, BINARY, P, "rows"),
    ("Hinge", {}, SIGNS, NUMBERS, "rows"),
    ("Hinge", {}, BINARY, NUMBERS, "rows"),
    ("SquaredHinge", {}, SIGNS, NUMBERS, "rows"),
    ("CategoricalHinge", {}, ONE_HOT, NUMBERS, "rows"),
    ("PearsonCorrelation", {}, NUMBERS, NEAR, "rows"),
    ("PearsonCorrelation", {"axis": 0}, NUMBERS, NEAR, ""),
    ("ConcordanceCorrelation", {}, NUMBERS, NEAR, "rows"),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 2]}, CLASSES, IDS, "whole"),
    ("IoU", {"num_classes": 4, "target_class_ids": [1], "dtype": "float32"}, CLASSES, IDS, "rows"),
    ("IoU", {"num_classes": 4, "target_class_ids": [1, 2], "sparse_y_pred": False}, CLASSES, P, "whole"),
    ("BinaryIoU", {"threshold": 0.4}, BINARY, P, ""),
    ("BinaryIoU", {"target_class_ids": [1], "dtype": "float32"}, BINARY[:, 0], P[:, 0], "rows"),
    ("MeanIoU", {"num_classes": 4, "ignore_class": 1}, CLASSES, IDS, "whole"),
    ("MeanIoU", {"num_classes": 3}, CLASSES, IDS, "whole"),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": [0, 3]}, ONE_HOT, P, "whole"),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": [0], "sparse_y_pred": True}, ONE_HOT, IDS, "whole"),
    ("OneHotMeanIoU", {"num_classes": 4}, ONE_HOT, P, "whole"),
]
WEIGHTS = {"": None, "rows": W, "columns": EVERY_COLUMN, "whole": WHOLE}


def streams():
    for case, (name, options, y, p, kinds) in enumerate(CASES):
        for kind in ["", *kinds.split()]:
            yield pytest.param(name, options, y, p, WEIGHTS[kind], id=f"{case}-{name}-{kind or 'plain'}")


@pytest.mark.parametrize(("name", "options", "y", "p", "weights"), list(streams()))
def test_streamed_batches_give_keras_s_numbers(name, options, y, p, weights):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    for start in range(0, ROWS, 16):
        part = slice(start, start + 16)
        sample_weight = None if weights is None else weights[part]
        ours.update_state(y[part], p[part], sample_weight=sample_weight)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs.update_state(y[part], p[part], sample_weight=sample_weight)
        got, wanted = np.asarray(ours.result()), np.asarray(theirs.result())
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    assert [v.name for v in ours.variables] == [v.name for v in theirs.variables]
    for mine, other in zip(ours.variables, theirs.variables, strict=True):
        assert tuple(mine.shape) == tuple(other.shape)
        np.testing.assert_allclose(np.asarray(mine), np.asarray(other), rtol=1e-4, atol=1e-5)
    ours.reset_state()
    assert all(not np.asarray(v).any() for v in ours.variables)


def test_every_class_is_tried():
    """All of Keras's, but for the base and the means of values, which have tests of their own."""
    theirs = {n for n in dir(keras.metrics) if isinstance(getattr(keras.metrics, n), type)}
    assert theirs - {"Metric", "Mean", "Sum", "MeanMetricWrapper"} == {case[0] for case in CASES}


@pytest.mark.parametrize(
    ("name", "options", "y", "p", "kinds"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
def test_configurations_and_names_are_keras_s(name, options, y, p, kinds):
    ours, theirs = getattr(metrics, name)(name="a", **options), getattr(keras.metrics, name)(name="a", **options)
    mine, other = ours.get_config(), theirs.get_config()
    for config in (mine, other):
        if config.get("label_weights") is not None:
            config["label_weights"] = np.asarray(config["label_weights"]).tolist()
    assert mine == {key: list(v) if isinstance(v, range) else v for key, v in other.items()}
    assert type(ours).from_config(mine).get_config() == mine
    fresh = {"name", "dtype"} & set(mine)
    if not options and len(fresh) == 2 and name not in COUNTS:
        keras.utils.clear_session()
        default = getattr(metrics, name)().name
        assert default == getattr(keras.metrics, name)().name or default.rstrip("_0123456789") == name.lower()
    assert ours._direction == getattr(theirs, "_direction", None)


def test_every_spelling_of_keras_s_is_known():
    from keras.src.metrics import ALL_OBJECTS_DICT

    for name, cls in ALL_OBJECTS_DICT.items():
        if cls.__name__ not in ("Metric", "MeanMetricWrapper"):
            assert metrics.ALL_OBJECTS[name].__name__ == cls.__name__


FUNCTIONS = [
    ("binary_accuracy", {"threshold": 0.3}, BINARY, P),
    ("categorical_accuracy", {}, ONE_HOT, P),
    ("sparse_categorical_accuracy", {}, CLASSES, P),
    ("top_k_categorical_accuracy", {"k": 2}, ONE_HOT, P),
    ("sparse_top_k_categorical_accuracy", {"k": 3}, CLASSES, P),
    ("pearson_correlation", {"axis": 0}, NUMBERS, NEAR),
    ("concordance_correlation", {}, NUMBERS, NEAR),
    ("concordance_correlation", {"axis": 0}, NUMBERS, NEAR),
]


@pytest.mark.parametrize(("name", "options", "y", "p"), FUNCTIONS, ids=[f"{i}-{f[0]}" for i, f in enumerate(FUNCTIONS)])
def test_functions(name, options, y, p):
    got, wanted = getattr(metrics, name)(y, p, **options), np.asarray(getattr(keras.metrics, name)(y, p, **options))
    assert got.shape == wanted.shape and got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_every_function_is_there():
    theirs = {n for n in dir(keras.metrics) if n[0].islower()}
    assert theirs <= set(metrics.__all__)


def test_means_and_sums_of_values():
    for values, weights in [(P, None), (P, W), (P, EVERY_COLUMN), (P[:, 0], W), (3.0, None), (3.0, 0.5)]:
        for name in ("Mean", "Sum"):
            ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
            for _ in range(2):
                np.testing.assert_allclose(ours(values, weights), theirs(values, weights), rtol=1e-5)
    ours, theirs = (m.MeanMetricWrapper(lambda t, p: (t - p) ** 2, name="own") for m in (metrics, keras.metrics))
    np.testing.assert_allclose(ours(NUMBERS, NEAR, W), theirs(NUMBERS, NEAR, W), rtol=1e-5)
