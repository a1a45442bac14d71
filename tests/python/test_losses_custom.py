"""Losses that users write: traced from ``ironhorn.ops``, or in NumPy with their gradient; and the operations alone."""

import json

import numpy as np
import pytest

import ironhorn
from ironhorn import _core, losses, ops
from ironhorn.layers import Dense
from ironhorn.ops.symbol import Symbol

RNG = np.random.default_rng(4)
Y, P = RNG.normal(size=(2, 5, 3)).astype(np.float32)


def trained(loss, y=None, weights=None):
    """The weights of a small net after an epoch with this loss."""
    ironhorn.utils.set_random_seed(3)
    model = ironhorn.Sequential([ironhorn.Input((3,)), Dense(3)])
    model.compile(optimizer="sgd", loss=loss)
    model.fit(P, Y if y is None else y, batch_size=2, shuffle=False, verbose=0, sample_weight=weights)
    return np.concatenate([np.ravel(w) for w in model.get_weights()])


class Squared(losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - y_true), axis=-1)


def by_row(y_true, y_pred):
    return ops.mean((y_true - y_pred) ** 2, axis=-1)


def by_element(y_true, y_pred):
    return ops.square(ops.subtract(y_true, y_pred))


def by_batch(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))


def kept(y_true, y_pred):
    return ops.sum(ops.square(y_true - y_pred), axis=-1, keepdims=True) / ops.shape(y_pred)[-1]


@pytest.mark.parametrize("loss", [Squared(), by_row, by_element, by_batch, kept, losses.LossFunctionWrapper(by_row)])
def test_what_is_traced_trains_like_the_engine_s_own(loss):
    np.testing.assert_allclose(trained(loss), trained("mse"), rtol=1e-5)
    assert losses.resolve(loss)(Y, P) == pytest.approx(np.square(Y - P).mean(), rel=1e-5)


def test_weights_and_reductions_of_traced_losses():
    weights = np.array([1.0, 0.0, 2.0, 0.5, 1.0], np.float32)
    expected = trained(losses.MeanSquaredError(reduction="mean_with_sample_weight"), weights=weights)
    got = trained(Squared(reduction="mean_with_sample_weight"), weights=weights)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    np.testing.assert_allclose(trained(Squared(reduction="sum")), trained(losses.MeanSquaredError("sum")), rtol=1e-5)
    # All elements are added up, as Keras does, not the rows' means.
    elements = losses.LossFunctionWrapper(by_element, reduction="sum")
    form = json.dumps(losses.serialize(losses.resolve(elements)))
    np.testing.assert_allclose(_core.loss_values(form, Y, P), np.square(Y - P).sum(1), rtol=1e-5)
    with pytest.raises(ValueError, match=r"takes the mean over the batch itself.*reduction='sum'"):
        losses.resolve(losses.LossFunctionWrapper(by_batch, reduction="sum"))


def test_functions_of_the_package_stay_the_engine_s():
    assert type(losses.resolve(losses.huber)) is losses.Huber and losses.resolve("mape").name
    wrapped = losses.LossFunctionWrapper(losses.huber, reduction="sum", delta=0.5)
    resolved = losses.resolve(wrapped)
    assert type(resolved) is losses.Huber and resolved.delta == 0.5 and resolved.reduction == "sum"
    again = losses.LossFunctionWrapper.from_config(wrapped.get_config())
    assert again.fn is losses.huber and again.get_config() == wrapped.get_config()


@pytest.mark.parametrize(("function", "part"), [
    (lambda t, p: np.abs(p - t), "ufunc"),
    (lambda t, p: np.asarray(p), "NumPy was called"),
    (lambda t, p: p if p > 0 else -p, "truth value"),
    (lambda t, p: p[:, 0], "indexed"),
    (lambda t, p: sum(p), "iterated"),
    (lambda t, p: p * np.ones(3), "array of shape"),
    (lambda t, p: p * float("nan"), "finite"),
    (lambda t, p: 3.0, "returned float"),
    (lambda t, p: t * 2, "does not depend on y_pred"),
    (lambda t, p: ops.sum(p), "reduction=\"sum\""),
    (lambda t, p: ops.mean(p, axis=0), "axis=-1"),
    (lambda t, p: ops.sqrt(ops.mean(p * p)), "mean over the whole batch"),
    (lambda t, p: p - ops.mean(p, axis=-1), "keepdims=True"),
    (lambda t, p: ops.cast(p, "int32"), "is not rounded"),
    (lambda t, p: ops.power(p, t), "In a power"),
    (lambda t, p: 1 / 0, "division by zero"),
])  # fmt: skip
def test_what_cannot_be_traced_says_why_and_what_to_do(function, part):
    with pytest.raises(TypeError, match=r"The loss '<lambda>'") as caught:
        losses.resolve(function)
    assert part in str(caught.value)
    assert "returned" in part or "depend" in part or "PythonLoss" in str(caught.value)


def test_too_large_an_expression_is_refused():
    def deep(y_true, y_pred):
        for i in range(200):
            y_pred = y_pred * (1.0 + i)
        return y_pred

    with pytest.raises(ValueError, match="from 1 to 128 nodes"):
        trained(deep)


def test_no_loss_at_all():
    with pytest.raises((TypeError, ValueError)):
        losses.resolve(3)
    with pytest.raises(NotImplementedError, match="defines `call"):
        losses.Loss()([1.0], [1.0])
    with pytest.raises(ValueError, match=r"'axis'.*no mean over rows"):
        trained("dice")
    with pytest.raises(ValueError, match="axis"):
        trained(losses.CosineSimilarity(axis=0))
    assert np.isfinite(trained(losses.Dice(axis=-1), y=np.abs(Y))).all()


def smooth(y_true, y_pred):
    error = y_pred - y_true
    return (error**4).mean(-1), 4 * error**3 / error.shape[-1]


def test_a_loss_in_python_brings_its_gradient():
    loss = losses.PythonLoss(smooth)
    assert loss.name == "smooth" and losses.resolve(loss) is loss
    assert loss(Y, P) == pytest.approx(((P - Y) ** 4).mean(), rel=1e-5)
    values, gradient = loss.values_and_gradient(Y, P)
    assert values.shape == (5,) and gradient.shape == (5, 3) and values.dtype == gradient.dtype == np.float32
    assert losses.check_gradient(loss, Y, P) < 1e-6 and losses.check_gradient(smooth, Y[0, :1], P[0, :1]) < 1e-6


def test_a_wrong_gradient_is_found_and_placed():
    def wrong(y_true, y_pred):
        values, gradient = smooth(y_true, y_pred)
        gradient[3, 1] += 0.5
        return values, gradient

    with pytest.raises(ValueError, match=r"'wrong'.*wrong at 1 of 15 elements. At \[3, 1\] expected .* received"):
        losses.check_gradient(wrong, Y, P)

    def mixed(y_true, y_pred):
        return np.full(len(y_pred), y_pred.mean()), np.full(y_pred.shape, 1 / y_pred.size)

    with pytest.raises(ValueError, match="another row"):
        losses.check_gradient(mixed, Y, P)
    for bad, error in [
        (lambda t, p: p.mean(), TypeError),
        (lambda t, p: (p, p), ValueError),
        (lambda t, p: (p[:, 0], p[:, 0]), ValueError),
        (lambda t, p: ("a", p), TypeError),
    ]:
        with pytest.raises(error, match=r"losses by row|gradient"):
            losses.PythonLoss(bad)(Y, P)


def test_operations_on_arrays_are_numpy_s():
    x, y = P, Y
    for got, want in [
        (ops.add(x, 1), x + 1), (ops.divide(x, y), x / y), (ops.abs(x), np.abs(x)), (ops.power(x, 3), x**3),
        (ops.expm1(x), np.expm1(x)), (ops.sigmoid(x), 1 / (1 + np.exp(-x))), (ops.relu(x), np.maximum(x, 0)),
        (ops.softplus(x), np.log1p(np.exp(x))), (ops.clip(x, -0.5, 0.5), np.clip(x, -0.5, 0.5)),
        (ops.max(x, axis=-1, keepdims=True), x.max(-1, keepdims=True)), (ops.min(x, axis=0), x.min(0)),
        (ops.where(ops.greater(x, y), x, 0.0), np.where(x > y, x, 0)), (ops.sum(x), x.sum()),
        (ops.softmax(x), np.exp(x) / np.exp(x).sum(-1, keepdims=True)), (ops.rsqrt(x * x), 1 / np.abs(x)),
        (ops.logsumexp(x, axis=-1), np.log(np.exp(x).sum(-1))), (ops.log_sigmoid(x), -np.log1p(np.exp(-x))),
        (ops.divide_no_nan(x, np.array([1.0, 0.0, 2.0])), x * [1, 0, 0.5]), (ops.ones_like(x), np.ones((5, 3))),
        (ops.convert_to_tensor([1.0, 2.0]), [1, 2]), (ops.expand_dims(ops.mean(x, -1), -1), x.mean(-1)[:, None]),
    ]:  # fmt: skip
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert ops.sigmoid(np.float32(-1000)) == 0 and ops.softplus(np.float32(1000)) == 1000
    for got, want in [
        (ops.not_equal(x, y), x != y), (ops.less_equal(x, y), x <= y), (ops.greater_equal(x, y), x >= y),
        (ops.logical_or(x > 0, y > 0), (x > 0) | (y > 0)), (ops.logical_not(x > 0), x <= 0),
    ]:  # fmt: skip
        assert got.dtype == bool
        np.testing.assert_array_equal(got, want)
    assert ops.cast(x > 0, "float32").dtype == np.float32 and ops.cast([1.7], int).tolist() == [1]
    assert ops.shape(x) == (5, 3) and ops.convert_to_numpy([1]).tolist() == [1]


def test_every_operation_on_symbols_computes_what_it_does_on_arrays():
    t, p = np.abs(Y) + 0.1, np.abs(P) + 0.1
    two = {"add", "subtract", "multiply", "divide", "divide_no_nan", "maximum", "minimum", "equal", "not_equal", "less",
           "less_equal", "greater", "greater_equal", "logical_and", "logical_or"}  # fmt: skip
    special = {
        "cast": lambda t, p: ops.cast(p > t, "float32") + ops.cast(p, "bool") + p,
        "clip": lambda t, p: ops.clip(p, 0.3, t),
        "convert_to_tensor": lambda t, p: ops.convert_to_tensor(p, "float32"),
        "expand_dims": lambda t, p: p - ops.expand_dims(ops.mean(p, axis=-1), -1),
        "squeeze": lambda t, p: ops.squeeze(ops.mean(p, axis=-1, keepdims=True), -1),
        "power": lambda t, p: ops.power(p, 1.7) + 2.0**p,
        "shape": lambda t, p: p * ops.shape(p)[-1],
        "where": lambda t, p: ops.where(p > t, p * t, 0.5),
        "ones_like": lambda t, p: p + ops.sum(ops.ones_like(p), axis=-1, keepdims=True),
        "zeros_like": lambda t, p: ops.maximum(ops.zeros_like(p), p),
        "convert_to_numpy": None,
    }
    for name in ops.__all__:
        if name in special and special[name] is None:
            continue
        operation = getattr(ops, name)
        if name in two:
            function = lambda t, p, f=operation: f(t, p) + 0 * p  # noqa: E731
        elif name in ("sum", "mean", "max", "min", "logsumexp"):
            function = lambda t, p, f=operation: f(t * p, axis=-1)  # noqa: E731
        else:
            function = special.get(name, lambda t, p, f=operation: f(p) + 0 * t * p)
        expected = np.asarray(function(t, p), np.float64)
        expected = expected if expected.ndim == 1 else expected.mean(-1)
        form = json.dumps(losses.serialize(losses.resolve(function)))
        np.testing.assert_allclose(_core.loss_values(form, t, p), expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_symbols_show_what_they_are():
    p = Symbol("y_pred")
    assert p.dtype == "float32" and (p > 0).dtype == "bool" and p.ndim == 2 and p.shape[0] is None
    total = ops.sum(p, axis=-1)
    assert total.shape == (None,) and total.ndim == 1 and ops.expand_dims(total, -1).shape == (None, 1)
    # An operation that stands twice is computed once.
    form = losses.resolve(lambda t, p: ops.exp(p - t) + ops.exp(p - t)).nodes
    assert [node["op"] for node in form] == ["y_true", "y_pred", "subtract", "exp", "add"]


POSITIVE, CHANCES = np.abs(Y) + 0.1, RNG.dirichlet((1, 1, 1), (2, 5)).astype(np.float32)
PARTS = [
    ("mean_squared_error", {}, (Y, P)), ("mean_absolute_error", {}, (Y, P)), ("huber", {"delta": 0.4}, (Y, P)),
    ("mean_absolute_percentage_error", {}, (Y, P)), ("mean_squared_logarithmic_error", {}, (POSITIVE, P)),
    ("log_cosh", {}, (Y, P)), ("cosine_similarity", {}, (Y, P)), ("kl_divergence", {}, CHANCES),
    ("poisson", {}, (POSITIVE, np.abs(P) + 0.1)), ("binary_crossentropy", {"label_smoothing": 0.1}, CHANCES),
    ("binary_crossentropy", {"from_logits": True}, (CHANCES[0], P)), ("categorical_crossentropy", {}, CHANCES),
    ("categorical_crossentropy", {"from_logits": True, "label_smoothing": 0.1}, (CHANCES[0], P)),
    ("binary_focal_crossentropy", {"apply_class_balancing": True, "gamma": 1.5}, CHANCES),
    ("binary_focal_crossentropy", {"from_logits": True, "alpha": 0.3}, (CHANCES[0], P)),
    ("categorical_focal_crossentropy", {"label_smoothing": 0.1}, CHANCES),
    ("categorical_focal_crossentropy", {"from_logits": True, "gamma": 1.5, "alpha": 0.3}, (CHANCES[0], P)),
    ("hinge", {}, (np.sign(Y), P)), ("squared_hinge", {}, ((Y > 0).astype("f4"), P)),
    ("categorical_hinge", {}, (np.eye(3, dtype="f4")[[0, 2, 1, 1, 0]], P)), ("dice", {"axis": -1}, CHANCES),
    ("tversky", {"axis": -1, "alpha": 0.3, "beta": 0.9}, CHANCES),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "data"), PARTS)
def test_losses_are_parts_of_others(name, arguments, data):
    """The formulas in ``ops`` are those of the engine."""
    y_true, y_pred = data
    function = getattr(losses, name)
    one = json.dumps(losses.serialize(losses.resolve(losses.LossFunctionWrapper(function, **arguments))))
    other = losses.resolve(lambda t, p: 0.5 * function(t, p, **arguments) + 0.5 * ops.mean(p, axis=-1))
    form = json.dumps(losses.serialize(other))
    expected = (_core.loss_values(one, y_true, y_pred) + y_pred.mean(-1)) / 2
    np.testing.assert_allclose(_core.loss_values(form, y_true, y_pred), expected, rtol=1e-5, atol=1e-6)
    expected = (_core.loss_gradient(one, y_true, y_pred) + 1 / 3) / 2
    np.testing.assert_allclose(_core.loss_gradient(form, y_true, y_pred), expected, rtol=1e-5, atol=1e-6)


def test_which_losses_are_parts_of_others():
    tested = {name for name, _, _ in PARTS}
    sparse = {"sparse_categorical_crossentropy", "categorical_generalized_cross_entropy"}
    assert tested | sparse == set(_core.names("losses"))
    for function in (losses.sparse_categorical_crossentropy, losses.categorical_generalized_cross_entropy):
        with pytest.raises(TypeError, match="no part of another loss"):
            losses.resolve(lambda t, p, f=function: f(t, p))
    both = losses.resolve(lambda t, p: losses.MeanSquaredError()(t, p) + 2 * losses.Hinge(reduction="mean")(t, p))
    assert both.nodes[-1]["op"] == "add"
    for part in (losses.MeanSquaredError("sum"), lambda t, p: losses.MeanSquaredError()(t, p, 2.0)):
        with pytest.raises(TypeError, match="no weights, and no sum"):
            losses.resolve(lambda t, p, part=part: part(t, p))
