"""Pictures of models and histories, and what notebooks show."""

import re
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import ironhorn
from ironhorn import layers
from ironhorn.callbacks import History
from ironhorn.utils import plot_history, plot_model

SVG = "{http://www.w3.org/2000/svg}"


def branched():
    x = ironhorn.Input((4,), name="x<y>")
    inner = ironhorn.Sequential([ironhorn.Input((4,)), layers.Dense(3, activation="tanh", name="deep")], name="inner")
    a = layers.Dense(3, name="left", activation="relu", trainable=False)(x)
    b = inner(x)
    joined = layers.Add(name="sum")([a, b])
    return ironhorn.Model(x, [layers.Dense(1, name="out")(joined), a], name="branched")


def texts(svg):
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_box_a_layer_and_an_arrow_a_connection(tmp_path):
    path = tmp_path / "model.svg"
    picture = plot_model(branched(), path, show_layer_names=True)
    assert path.read_text(encoding="utf-8") == picture.svg == picture._repr_svg_()
    assert sorted(texts(picture.svg)) == [
        "inner (Sequential)", "left (Dense)", "out (Dense)", "sum (Add)", "x<y> (InputLayer)",
    ]  # fmt: skip
    # x→left, x→inner, left→sum, inner→sum, sum→out
    assert len(list(ET.fromstring(picture.svg).iter(f"{SVG}polyline"))) == 5


def test_what_boxes_show(tmp_path):
    model, path = branched(), tmp_path / "m.svg"
    assert sorted(texts(plot_model(model, path).svg)) == ["Add", "Dense", "Dense", "InputLayer", "Sequential"]
    everything = texts(
        plot_model(
            model, path, show_shapes=True, show_dtype=True, show_layer_names=True, expand_nested=True,
            show_layer_activations=True, show_trainable=True,
        ).svg
    )  # fmt: skip
    for expected in ("Activation: tanh", "Activation: relu", "Input shape: (None, 4)", "Output shape: (None, 3)"):
        assert expected in everything
    assert "inner" in everything and "deep (Dense)" in everything and "inner (Sequential)" not in everything
    assert everything.count("Non-trainable") == 1 and everything.count("Trainable") == 2
    assert "Output dtype: float32" in everything
    assert "Input shape: [(None, 3), (None, 3)]" in everything


def boxes(svg):
    """The frames of the layers, as rectangles on the page."""
    found = []

    def walk(node, x, y):
        moved = re.match(r"translate\(([-\d.]+),([-\d.]+)\)", node.get("transform", ""))
        if moved:
            x, y = x + float(moved[1]), y + float(moved[2])
        for child in node:
            if child.tag == f"{SVG}rect" and child.get("fill") == "black":
                found.append((x, y, x + float(child.get("width")), y + float(child.get("height"))))
            walk(child, x, y)

    root = ET.fromstring(svg)
    walk(root, 0.0, 0.0)
    return root, found


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
@pytest.mark.parametrize("nested", [False, True])
def test_boxes_do_not_overlap_and_lie_on_the_page(tmp_path, rankdir, nested):
    x = ironhorn.Input((4,))
    wide = [layers.Dense(3, name=f"branch_{i}")(x) for i in range(6)]
    y = layers.Concatenate()([*wide, x, branched()(x)[1]])
    for _ in range(3):
        y = layers.Dense(3)(y)
    model = ironhorn.Model(x, layers.Add()([y, wide[0]]))
    options = {"rankdir": rankdir, "expand_nested": nested, "show_layer_names": True}
    root, found = boxes(plot_model(model, tmp_path / "m.svg", **options).svg)
    assert len(found) == len(model.layers) + (4 if nested else 0)  # five for one
    for i, a in enumerate(found):
        assert a[0] >= 0 and a[1] >= 0 and a[2] <= float(root.get("width")) and a[3] <= float(root.get("height"))
        for b in found[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)
    first, last = found[0], found[-1]
    axis, sign = (1 if rankdir in ("TB", "BT") else 0), (1 if rankdir in ("TB", "LR") else -1)
    assert sign * (last[axis] - first[axis]) > 0


def test_a_layer_called_twice_and_a_sequential(tmp_path):
    x, again = ironhorn.Input((4,)), layers.Dense(4, name="again")
    between = layers.ReLU(name="between")
    model = ironhorn.Model(x, again(between(again(x))))
    svg = plot_model(model, tmp_path / "m.svg").svg
    assert len(list(ET.fromstring(svg).iter(f"{SVG}polyline"))) == 3  # there, back, and on
    chain = ironhorn.Sequential([ironhorn.Input((4,)), layers.Dense(2), layers.ReLU()])
    svg = plot_model(chain, tmp_path / "m.svg").svg
    assert texts(svg) == ["Dense", "ReLU"] and len(list(ET.fromstring(svg).iter(f"{SVG}polyline"))) == 1


def test_what_plot_model_refuses(tmp_path):
    model = branched()
    with pytest.raises(ValueError, match=r"must end in '.svg'.*model.png"):
        plot_model(model, tmp_path / "model.png")
    with pytest.raises(ValueError, match="`rankdir` must be"):
        plot_model(model, tmp_path / "m.svg", rankdir="up")
    with pytest.raises(ValueError, match="Unrecognized keyword arguments"):
        plot_model(model, tmp_path / "m.svg", layer_range=["a", "b"])
    with pytest.raises(ValueError, match="not yet been built"):
        plot_model(ironhorn.Sequential([layers.Dense(1)]), tmp_path / "m.svg")
    with pytest.raises(OSError):
        plot_model(model, tmp_path / "nowhere" / "m.svg")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def history(line):
    x = np.linspace(0, 1, 64, dtype=np.float32).reshape(-1, 1)
    return line(metrics=["mae"]).fit(x, x[:, 0], epochs=4, validation_split=0.25, validation_freq=2, verbose=0)


def test_plot_history(history, tmp_path):
    pytest.importorskip("matplotlib")
    figure = plot_history(history, tmp_path / "h.png")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "mae"]
    curves = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_array_equal(curves["loss"].get_ydata(), history.history["loss"])
    np.testing.assert_array_equal(curves["loss"].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(curves["val_loss"].get_ydata(), history.history["val_loss"])
    np.testing.assert_array_equal(curves["val_loss"].get_xdata(), [2, 4])  # validation_freq=2
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
    assert len(plot_history({"loss": [1.0, 0.5]}).axes) == 1
    with pytest.raises(ValueError, match="no epoch"):
        plot_history(History())
    with pytest.raises(TypeError, match="a History or a dict"):
        plot_history([1.0])


def test_plot_history_without_matplotlib(history, monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install ironhorn\[plot\]"):
        plot_history(history)


def test_a_history_in_a_notebook(history):
    html = history._repr_html_()
    root = ET.fromstring(html)
    assert "<script" not in html and len(list(root.iter(f"{SVG}svg"))) == 2
    shown = ["".join(cell.itertext()) for cell in root.iter("td")]
    assert shown[:2] == ["loss", f"{history.history['loss'][-1]:.4g}"] and "val_mae" in shown
    curve = next(root.iter(f"{SVG}polyline")).get("points").split()
    ys = [float(point.split(",")[1]) for point in curve]
    # The loss falls, and y grows downwards.
    assert len(curve) == 4 and ys == sorted(ys) and history.history["loss"][0] > history.history["loss"][-1]


def test_a_history_of_one_epoch_of_none_and_of_no_numbers():
    empty = History()
    empty.epoch = []
    assert "no epoch" in empty._repr_html_()
    empty.epoch, empty.history = [0], {"loss": [float("nan")], "a<b": [1.0], "note": ["text"]}
    root = ET.fromstring(empty._repr_html_())
    assert "".join(root.itertext()).count("a<b") == 3  # title, legend, table
    assert len(list(root.iter(f"{SVG}circle"))) == 1


def test_a_model_in_a_notebook():
    html = branched()._repr_html_()
    root = ET.fromstring(html)
    cells = ["".join(cell.itertext()) for cell in root.iter("td")]
    assert cells[:3] == ["x<y> (InputLayer)", "(None, 4)", "0"]
    assert "Total params: 34 (136.00 B)" in "".join(root.itertext()) and "<script" not in html
    assert next(root.iter(f"{SVG}svg")) is not None
    unbuilt = ET.fromstring(ironhorn.Sequential([layers.Dense(2)])._repr_html_())
    assert not list(unbuilt.iter(f"{SVG}svg")) and "0 (unbuilt)" in "".join(unbuilt.itertext())
