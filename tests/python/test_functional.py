"""Functional models: symbols, graphs, sharing, nesting, several inputs and outputs, their configuration."""

import json

import numpy as np
import pytest

import ironhorn
from ironhorn import layers
from ironhorn.layers import Dense, Flatten, Input, KerasTensor, ReLU
from ironhorn.models import Functional, Model, Sequential, clone_model, model_from_json

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)


def two_heads():
    x = Input((4,), name="x")
    h = Dense(5, activation="tanh", name="h")(x)
    return Model(x, [Dense(2, name="a")(h), Dense(1, name="b")(h)], name="heads")


def test_a_call_on_a_symbol_builds_the_layer_and_gives_a_symbol():
    x = Input((3,), batch_size=8, name="x")
    layer = Dense(2)
    y = layer(x)
    assert isinstance(y, KerasTensor) and y.shape == (8, 2) and y.dtype == "float32" and y.name == "keras_tensor"
    assert layer.built and layer.input is x and layer.output is y
    assert y._keras_history == (layer, 0, 0) and x._keras_history.operation.name == "x"
    assert layer([x]).shape == (8, 2) and len(layer._inbound_nodes) == 2
    with pytest.raises(ValueError, match="symbols or arrays"):
        layers.Add()([x, np.zeros((2, 3))])
    with pytest.raises(ValueError, match="cannot convert it to a NumPy array"):
        np.asarray(y)
    with pytest.raises(TypeError, match="boolean"):
        bool(y)
    for attribute in ("input", "output"):
        with pytest.raises(AttributeError, match=f"no defined {attribute}"):
            getattr(Dense(1), attribute)


def test_a_model_of_one_path_is_a_sequential():
    x = Input((4,))
    dense, head = Dense(3, activation="tanh"), Dense(1)
    model = Model(x, head(dense(x)))
    assert type(model) is Functional and model.name == "functional" and model.built
    assert [layer.name for layer in model.layers] == ["input_layer", "dense", "dense_1"]
    stack = Sequential([Input((4,)), dense, head])
    np.testing.assert_array_equal(model(X), stack(X))
    np.testing.assert_array_equal(model.predict(X, verbose=0), stack.predict(X, verbose=0))
    assert model.input_shape == (None, 4) and model.output_shape == (None, 1)
    assert model.input_names == ["input_layer"] and model.output_names == ["dense_1"]
    assert Model(x, [head(dense(x))])(X).shape == (24, 1)


def test_parts_of_a_model_are_models():
    model = Sequential([Input((4,)), Dense(3, name="a"), ReLU(name="r"), Dense(1, name="b")])
    middle = model.get_layer("r").output
    front = Model(model.inputs, middle)
    back = Model(middle, model.output)
    np.testing.assert_allclose(back(front(X)), model(X), atol=1e-6)
    assert [layer.name for layer in back.layers][1:] == ["b"] and back.layers[0].name.endswith("CLONE")
    everything = Model(model.input, [layer.output for layer in model.layers])
    assert [part.shape for part in everything(X)] == [(24, 3), (24, 3), (24, 1)]
    model.compile("sgd", "mse")
    before = front(X)
    model.fit(X, X[:, :1], verbose=0)
    assert (front(X) != before).any()


def test_a_shared_layer_has_one_set_of_weights():
    x = Input((4,))
    shared = Dense(4, name="shared")
    model = Model(x, shared(shared(x)))
    assert model.count_params() == 20 and len(model.weights) == 2
    np.testing.assert_allclose(model(X), shared(shared(X)), atol=1e-6)
    model.compile("adam", "mse")
    before = shared.get_weights()[0]
    model.fit(X, X, verbose=0)
    assert (shared.get_weights()[0] != before).any()


def test_models_inside_of_models():
    inner = Model((x := Input((4,))), Dense(3, name="d")(x), name="inner")
    stack = Sequential([Input((4,)), inner, Sequential([Dense(2, name="e")], name="deep")], name="stack")
    y = Input((4,), name="y")
    outer = Model(y, Dense(1)(stack(y)))
    np.testing.assert_allclose(stack(X), stack.layers[1](inner(X)), atol=1e-6)
    np.testing.assert_allclose(outer(X), outer.layers[-1](stack(X)), atol=1e-6)
    assert len(outer.weights) == 6 and outer.weights[0].shape == (4, 3)
    outer.trainable = False
    assert outer.trainable_weights == [] and not inner.get_layer("d").trainable


@pytest.mark.parametrize("structure", ["list", "tuple", "dict"])
def test_predictions_have_the_structure_of_the_outputs(structure):
    model = two_heads()
    a, b = model.outputs
    outputs = {"list": [a, b], "tuple": (a, b), "dict": {"one": a, "two": b}}[structure]
    again = Model(model.input, outputs)
    expected = model.predict(X, verbose=0)
    for got in (again.predict(X, 7, verbose=0), again(X), again.predict_on_batch(X)):
        assert type(got) is type(outputs)
        values = list(got.values()) if structure == "dict" else list(got)
        for value, want in zip(values, expected, strict=True):
            np.testing.assert_allclose(value, want, atol=1e-6)


def test_losses_weights_and_metrics_by_output():
    model = two_heads()
    y = [X[:, :2], X[:, :1]]
    model.compile(
        "sgd", ["mse", "mae"], loss_weights=[1.0, 0.25], metrics={"b": ["mae", "mse"]}, weighted_metrics=[["mae"], []]
    )
    assert model.metrics_names == ["loss", "a_loss", "b_loss", "a_mae", "b_mae", "b_mse"]
    logs = model.evaluate(X, y, return_dict=True, verbose=0)
    assert list(logs) == ["a_loss", "a_mae", "b_loss", "b_mae", "b_mse", "loss"]
    a, b = model(X)
    expected = {"a_loss": np.mean((a - y[0]) ** 2), "b_loss": np.mean(abs(b - y[1])), "b_mse": np.mean((b - y[1]) ** 2)}
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-5)
    assert logs["loss"] == pytest.approx(logs["a_loss"] + 0.25 * logs["b_loss"], rel=1e-5)
    values = model.evaluate(X, y, verbose=0)
    assert values == [logs[name] for name in model.metrics_names]
    history = model.fit(X, {"a": y[0], "b": y[1]}, validation_split=0.25, epochs=2, verbose=0).history
    assert set(history) == set(logs) | {f"val_{name}" for name in logs}


def test_an_output_without_a_loss():
    model = two_heads()
    model.compile("sgd", [None, "mse"])
    before = model.get_layer("a").get_weights()[0]
    history = model.fit(X, [None, X[:, :1]], verbose=0).history
    assert list(history) == ["loss"]
    model.fit(X, [X[:, :1]], verbose=0)
    np.testing.assert_array_equal(model.get_layer("a").get_weights()[0], before)
    with pytest.raises(ValueError, match="must be given"):
        model.fit(X, [X[:, :2], None], verbose=0)


def test_weights_of_samples_by_output():
    model = two_heads()
    model.compile("sgd", "mse", weighted_metrics=[["mae"], ["mae"]])
    y = {"a": X[:, :2], "b": X[:, :1]}
    w = np.arange(24.0)
    logs = model.evaluate(X, y, sample_weight={"b": w}, return_dict=True, verbose=0)
    a, b = model(X)
    assert logs["a_mae"] == pytest.approx(np.mean(abs(a - y["a"])), rel=1e-5)
    assert logs["b_mae"] == pytest.approx(np.average(abs(b - y["b"])[:, 0], weights=w), rel=1e-5)
    both = model.evaluate(X, y, sample_weight=w, return_dict=True, verbose=0)
    assert both["a_mae"] == pytest.approx(np.average(abs(a - y["a"]).mean(1), weights=w), rel=1e-5)
    assert model.evaluate(X, y, sample_weight=[w, w], return_dict=True, verbose=0) == both


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"loss": ["mse"]}, "one entry for each of the 2 output"),
        ({"loss": {"a": "mse"}}, "Expected keys"),
        ({"loss": {"a": "mse", "c": "mse"}}, "Expected keys"),
        ({"loss": "mse", "loss_weights": [1.0]}, "must match the number of losses"),
        ({"loss": "mse", "loss_weights": "x"}, "Expected `loss_weights`"),
        ({"loss": "mse", "metrics": ["mae"]}, "Invalid `metrics`"),
        ({"loss": "mse", "metrics": {"c": "mae"}}, "Invalid `metrics`"),
        ({"loss": "mse", "weighted_metrics": "mae"}, "Expected `weighted_metrics`"),
    ],
)
def test_what_does_not_suit_the_outputs_is_refused(arguments, text):
    model = two_heads()
    with pytest.raises(ValueError, match=text):
        model.compile("sgd", **arguments)
    assert not model.compiled


def test_data_that_do_not_suit_the_model_are_refused():
    model = two_heads()
    model.compile("sgd", "mse")
    for y, text in [
        (X[:, :2], "different structures"),
        ([X[:, :2]], "different structures"),
        ({"a": X[:, :2]}, "must be given"),
        ({"a": X[:, :2], "c": X}, "Expected keys"),
        ([X[:, :2], X[:9, :1]], "cardinality"),
    ]:
        with pytest.raises(ValueError, match=text):
            model.fit(X, y, verbose=0)
    with pytest.raises(ValueError, match="single output"):
        model.fit(X, [X[:, :2], X[:, :1]], class_weight={0: 1.0}, verbose=0)
    with pytest.raises(ValueError, match='Missing data for input "x"'):
        model.predict({"y": X}, verbose=0)
    assert model.predict({"x": X}, verbose=0)[1].shape == (24, 1)


def test_graphs_that_are_none():
    x, other = Input((4,), name="x"), Input((4,))
    y = Dense(2, name="d")(x)
    with pytest.raises(ValueError, match="not connected to `inputs`"):
        Model(other, y)
    with pytest.raises(ValueError, match="path `1` is not connected"):
        Model(x, [y, other])
    with pytest.raises(ValueError, match=r'The name "d" is used 2 times'):
        Model(x, Dense(2, name="d")(y))
    with pytest.raises(ValueError, match="All `inputs` values must be KerasTensors"):
        Model(X, y)
    with pytest.raises(ValueError, match="All `outputs` values must be KerasTensors"):
        Model(x, Dense(2))
    with pytest.raises(ValueError, match="twice"):
        Model([x, x], y)
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 4"):
        y.layer(Input((9,)))
    with pytest.raises(ValueError, match="found ndim=1"):
        Dense(2)(Input(()))
    with pytest.raises(ValueError, match=r"expects 1 input\(s\), but it received 2"):
        Dense(2)([x, other])
    with pytest.warns(UserWarning, match="all keys in the dict must match the names"):
        Model({"z": x}, y)


def test_operators():
    x = Input((3,))
    assert [type((x * 2).layer), type((1 - x).layer), type((-x).layer)] == [layers.Rescaling] * 3
    assert (x - 1.5).layer.get_config()["offset"] == -1.5 and (1 - x).layer.get_config()["scale"] == -1.0
    assert type((x + x).layer) is layers.Add and type((x - x).layer) is layers.Subtract
    assert type((x * x).layer) is layers.Multiply
    for bad in (lambda: x / 2, lambda: x @ x, lambda: x**2, lambda: x[0]):
        with pytest.raises(NotImplementedError, match="operators"):
            bad()
    with pytest.raises(TypeError, match="symbols and numbers"):
        x + "a"


def test_configurations_there_and_back():
    inner = Model((x := Input((4,), name="i")), Dense(3, name="d")(x), name="inner")
    y = Input((4,), name="y")
    shared = Dense(4, name="s")
    h = shared(shared(y))
    model = Model({"y": y}, {"h": h, "o": Sequential([inner, Flatten()], name="seq")(h)}, name="m")
    config = json.loads(json.dumps(model.get_config()))
    again = Model.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config and again.name == "m"
    again.set_weights(model.get_weights())
    for name, value in model.predict({"y": X}, verbose=0).items():
        np.testing.assert_array_equal(again.predict({"y": X}, verbose=0)[name], value)
    model.compile("adam", {"h": "mse", "o": "mae"}, loss_weights={"h": 1.0, "o": 0.5}, metrics={"o": ["mse"]})
    text = model.to_json()
    assert model_from_json(text).to_json() == text


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("layers"),
        lambda c: c["layers"][1].update(inbound_nodes=[3]),
        lambda c: c["layers"][1]["inbound_nodes"][0]["args"][0]["config"].update(keras_history=["nope", 0, 0]),
        lambda c: c["layers"][1]["inbound_nodes"][0]["args"][0]["config"].update(keras_history=["h", 0, 0]),
        lambda c: c["layers"][1]["inbound_nodes"][0]["kwargs"].update(training=True),
        lambda c: c.update(output_layers=[["a", 3, 0]]),
        lambda c: c.update(output_layers=3),
        lambda c: c["layers"].append(3),
    ],
)
def test_bad_configurations_are_clear_errors(change):
    config = json.loads(json.dumps(two_heads().get_config()))
    change(config)
    with pytest.raises(ValueError):
        Model.from_config(config)


def test_clones_have_weights_of_their_own():
    model = two_heads()
    clone = clone_model(model)
    assert json.dumps(clone.get_config()) == json.dumps(model.get_config())
    assert (clone.get_weights()[0] != model.get_weights()[0]).any()
    wide = clone_model(model, call_function=lambda layer, x: ReLU()(layer(x)) if layer.name == "h" else layer(x))
    assert len(wide.layers) == len(model.layers) + 1
    stack = Sequential([Input((4,)), Dense(2)])
    assert clone_model(stack).layers[0] is not stack.layers[0]
    assert clone_model(stack, clone_function=lambda layer: layer).layers[0] is stack.layers[0]
    with pytest.raises(ValueError, match="`call_function`"):
        clone_model(stack, call_function=lambda layer, x: layer(x))
    with pytest.raises(ValueError, match="Expected `model`"):
        clone_model(3)


def test_a_deep_graph_needs_no_recursion():
    x = Input((2,))
    y = x
    for _ in range(1200):
        y = ReLU()(y)
    assert Model(x, y)(np.ones((1, 2))).tolist() == [[1.0, 1.0]]


def test_the_gradients_of_a_batch_make_a_step():
    model = two_heads()
    model.compile(ironhorn.optimizers.SGD(0.5), "mse", loss_weights=[1.0, 2.0])
    y = [X[:, :2], X[:, :1]]
    before = model.get_weights()
    g = model.gradients(X, y)
    assert g.loss == pytest.approx(model.evaluate(X, y, verbose=0)[0], rel=1e-5)
    assert [a.shape for a in g.variables] == [w.shape for w in before] and g.inputs.shape == X.shape
    assert list(g.by_path) == [v.path for v in model.trainable_variables]
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    model.train_on_batch(X, y)
    for old, gradient, new in zip(before, g.variables, model.get_weights(), strict=True):
        np.testing.assert_allclose(new, old - 0.5 * gradient, atol=1e-6)
    step = np.zeros_like(X)
    step[0, 0] = 1e-2
    up, down = (model.gradients(X + sign * step, y).loss for sign in (1, -1))
    assert (up - down) / 2e-2 == pytest.approx(model.gradients(X, y).inputs[0, 0], rel=0.05, abs=1e-4)


def test_the_summary_shows_connections(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    parts = []
    two_heads().summary(print_fn=parts.append)
    assert "Connected to" in parts[0] and "│ h[0][0]" in parts[0] and "│ x (InputLayer)" in parts[0]
    parts.clear()
    x = Input((4,))
    Model(x, Dense(1)(x)).summary(print_fn=parts.append)
    assert "Connected to" not in parts[0] and "input_layer (InputLayer)" in parts[0]


def test_inputs_of_named_models_by_order_and_with_too_many_names():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    model = Model({"a": a, "b": b}, layers.Subtract()([a, b]))
    expected = model.predict({"a": X, "b": 2 * X}, verbose=0)
    structure = "The structure of `inputs` doesn't match the expected structure"
    for x in ([X, 2 * X], {"a": X, "b": 2 * X, "c": X}):
        with pytest.warns(UserWarning, match=structure):
            np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
        with pytest.warns(UserWarning, match=structure):
            np.testing.assert_array_equal(model(x), expected)
    assert model({"a": Input((4,)), "b": Input((4,)), "c": Input((1,))}).shape == (None, 4)
    swapped = Model({"b": b, "a": a}, layers.Subtract()([a, b]))
    with pytest.raises(ValueError, match=structure):  # the order would be a guess
        swapped.predict([X, 2 * X], verbose=0)


def test_wrong_arrays_name_the_input():
    model = two_heads()
    for x, text in (
        (np.zeros((2, 3)), r"Input 0 with name 'x'.*expected shape=\(None, 4\), found shape=\(2, 3\)"),
        (np.zeros((2, 4, 5)), r"name 'x' and path ''. Expected shape \(None, 4\)"),
        ([X, X], r"expects 1 input\(s\), but it received 2"),
        ([None], "'x' is not optional"),
    ):
        with pytest.raises(ValueError, match=text):
            model.predict(x, verbose=0)
    assert model.predict([X[0], X[1]], verbose=0)[0].shape == (2, 2)  # rows


def test_targets_of_named_outputs_by_order():
    x = Input((4,))
    model = Model(x, {"a": Dense(2, name="d")(x), "b": Dense(1, name="e")(x)})
    model.compile("sgd", {"a": ["mse"], "b": "mae"})
    targets = np.ones((24, 2)), np.zeros((24, 1))
    logs = model.evaluate(X, targets, return_dict=True, verbose=0)
    assert logs == model.evaluate(X, {"a": targets[0], "b": targets[1]}, return_dict=True, verbose=0)


def test_integers_come_out_of_a_model_as_integers():
    x = Input((4,))
    model = Model(x, [layers.Discretization([-0.5, 0.5])(x), Dense(1)(x)])
    bins, numbers = model.predict(X, verbose=0)
    assert bins.dtype == np.int32 and numbers.dtype == np.float32 and model(X)[0].dtype == np.int32
    np.testing.assert_array_equal(bins, np.digitize(X, [-0.5, 0.5]))


def test_clones_are_compiled_as_the_model_is():
    model = two_heads()
    assert not clone_model(model).compiled
    model.compile("adam", {"a": "mse", "b": "mae"}, metrics={"a": ["mae"]})
    clone = clone_model(model)
    assert clone.compiled and clone.get_compile_config() == model.get_compile_config()
    assert clone.optimizer is not model.optimizer
    x, y = Input((3,), name="x"), Input((3,), name="y")
    named = Model({"x": x, "y": y}, x + y)
    with pytest.raises(ValueError, match="must have the same structure"):
        clone_model(named, input_tensors=[Input((3,)), Input((3,))])


def test_layers_are_no_attribute_to_set():
    with pytest.raises(AttributeError, match="attribute is reserved"):
        two_heads().layers = []
    with pytest.raises(AttributeError, match=r"Use `add\(\)` and `pop\(\)`"):
        Sequential().layers = []


def test_layers_of_ones_own_are_refused_by_name():
    class Doubled(layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    for use in (lambda: Sequential([Doubled()])(X), lambda: Doubled()(X), lambda: Doubled()(Input((4,)))):
        with pytest.raises(NotImplementedError, match="Doubled: a `call` of one's own is not there"):
            use()


def test_inputs_of_given_symbols():
    symbol = KerasTensor((2, 3), "int32")
    layer = layers.InputLayer(input_tensor=symbol, shape=(3,), batch_size=2)
    assert layer.output is symbol and layer.batch_shape == (2, 3) and layer.dtype == "int32" and not layer.sparse
    for wrong in ({"shape": (4,)}, {"batch_shape": (2, 4)}, {"batch_size": 5}, {"dtype": "float32"}, {"sparse": True}):
        with pytest.raises(ValueError, match=f"incompatible `{next(iter(wrong))}`"):
            layers.InputLayer(input_tensor=symbol, **wrong)
    with pytest.raises(ValueError, match="`input_tensor` must be a KerasTensor"):
        layers.InputLayer(input_tensor=X)
    middle = Dense(3)(Input((4,)))
    again = Input(tensor=middle)  # the result of a layer stays that layer's
    assert again is not middle and again.shape == middle.shape and isinstance(middle.layer, Dense)


def test_the_shapes_of_a_call_that_is_not_made():
    model, x = two_heads(), Input((4,), batch_size=3)
    assert [symbol.shape for symbol in model.compute_output_spec(x)] == [(3, 2), (3, 1)]
    spec = layers.Discretization([0.0], output_mode="int").compute_output_spec(x)
    assert spec.shape == (3, 4) and spec.dtype == "int32" and spec.layer is None


def test_configurations_of_keras_2():
    def dense(name, *calls):
        return {"class_name": "Dense", "name": name, "config": {"units": 2, "name": name}, "inbound_nodes": list(calls)}

    start = {"class_name": "InputLayer", "name": "x", "inbound_nodes": [],
             "config": {"batch_input_shape": [None, 3], "dtype": "float32", "name": "x"}}  # fmt: skip
    add = {"class_name": "Add", "name": "add", "config": {"name": "add"},
           "inbound_nodes": [[["a", 0, 0, {}], ["b", 0, 0, {}]]]}  # fmt: skip

    def model(*inner):
        ends = {"input_layers": [["x", 0, 0]], "output_layers": [["add", 0, 0]]}
        return Functional.from_config({"name": "old", "layers": [start, *inner, add], **ends})

    made = model(dense("a", [["x", 0, 0, {}]]), dense("b", [["a", 0, 0, {}]]))
    assert made.output_shape == (None, 2) and len(made.weights) == 4
    with pytest.raises(ValueError, match="loops"):
        model(dense("a", [["b", 0, 0, {}]]), dense("b", [["a", 0, 0, {}]]))
    with pytest.raises(ValueError, match="Missing node: c"):
        model(dense("a", [["c", 0, 0, {}]]), dense("b", [["a", 0, 0, {}]]))
    with pytest.raises(ValueError, match="no further arguments"):
        model(dense("a", [["x", 0, 0, {"training": True}]]), dense("b", [["a", 0, 0, {}]]))
