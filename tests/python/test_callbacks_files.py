"""Callbacks that write: checkpoints, CSV files, event files, a server."""

import csv
import importlib.util
import json
import os
import sys
import types

import numpy as np
import pytest

import ironhorn
from ironhorn import callbacks, optimizers
from ironhorn.callbacks import CSVLogger, LambdaCallback, ModelCheckpoint, RemoteMonitor, TensorBoard, TerminateOnNaN

X, Y = np.ones((6, 1), np.float32), np.ones(6, np.float32)


@pytest.fixture
def saving(monkeypatch):
    """Makes models write their weights as text, so that a checkpoint shows when it was written."""

    def save(self, filepath, overwrite=True):
        assert overwrite
        with open(filepath, "w") as file:
            json.dump([weights.tolist() for weights in self.get_weights()], file)

    for name in ("save", "save_weights"):
        monkeypatch.setattr(ironhorn.Sequential, name, save, raising=False)


def test_semantics_20_checkpoints_of_epochs_are_named_from_one(line, saving, tmp_path):
    model, kept = line(), []
    note = LambdaCallback(on_epoch_end=lambda *args: kept.append([w.tolist() for w in model.get_weights()]))
    path = tmp_path / "new" / "folder" / "{epoch:02d}-{loss:.3f}.ironhorn"
    history = model.fit(X, Y, epochs=3, callbacks=[note, ModelCheckpoint(path)], verbose=0)
    names = [f"{i + 1:02d}-{loss:.3f}.ironhorn" for i, loss in enumerate(history.history["loss"])]
    assert sorted(os.listdir(path.parent)) == names
    assert [json.loads((path.parent / name).read_text()) for name in names] == kept


def test_a_checkpoint_of_the_best_epoch(line, saving, tmp_path, capsys):
    model, kept = line(optimizers.SGD(1.5)), []  # diverges
    note = LambdaCallback(on_epoch_end=lambda *args: kept.append([w.tolist() for w in model.get_weights()]))
    path = tmp_path / "best.ironhorn"
    best = ModelCheckpoint(path, "loss", save_best_only=True, save_weights_only=True, verbose=1)
    losses = model.fit(X, Y, epochs=2, callbacks=[note, best], verbose=0).history["loss"]
    assert json.loads(path.read_text()) == kept[0] and best.best == losses[0] < losses[1]
    assert capsys.readouterr().out == (
        f"\nEpoch 1: loss improved from None to {losses[0]:.5f}, saving model to {path}\n"
        f"\nEpoch 1: finished saving model to {path}\n"
        f"\nEpoch 2: loss did not improve from {losses[0]:.5f}\n"
    )


def test_checkpoints_after_batches(line, saving, tmp_path):
    path = tmp_path / "{epoch}-{batch}.ironhorn"
    line().fit(X, Y, batch_size=1, epochs=2, callbacks=[ModelCheckpoint(path, save_freq=4)], verbose=0)
    assert sorted(os.listdir(tmp_path)) == ["1-4.ironhorn", "2-2.ironhorn", "2-6.ironhorn"]
    best = ModelCheckpoint(tmp_path / "best.ironhorn", "loss", save_best_only=True, save_freq=1)
    losses = []
    note = LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
    line().fit(X, Y, batch_size=1, epochs=2, callbacks=[note, best], verbose=0)
    assert best.best == min(losses)


def test_what_a_checkpoint_refuses(line, saving, tmp_path):
    with pytest.raises(ValueError, match="Unrecognized save_freq: batch"):
        ModelCheckpoint("a.ironhorn", save_freq="batch")
    with pytest.raises(KeyError, match=r"Failed to format this callback filepath.*acc"):
        line().fit(X, Y, callbacks=[ModelCheckpoint(tmp_path / "{acc}.ironhorn")], verbose=0)
    (tmp_path / "folder.ironhorn").mkdir()
    with pytest.raises(OSError, match="existing directory"):
        line().fit(X, Y, callbacks=[ModelCheckpoint(tmp_path / "folder.ironhorn")], verbose=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        line().fit(X, Y, callbacks=[ModelCheckpoint(tmp_path / "file" / "a.ironhorn")], verbose=0)
    with pytest.warns(UserWarning, match="Can save best model only with val_loss available"):
        line().fit(X, Y, callbacks=[ModelCheckpoint(tmp_path / "a.ironhorn", save_best_only=True)], verbose=0)
    assert (tmp_path / "a.ironhorn").exists()


def test_csv_logger_in_fit(line, tmp_path):
    path = tmp_path / "log.csv"
    arguments = {"verbose": 0, "validation_data": (X, Y), "validation_freq": 2}
    first = line(metrics=["mae"]).fit(X, Y, epochs=3, callbacks=[CSVLogger(path)], **arguments).history
    more = line(metrics=["mae"]).fit(X, Y, epochs=2, callbacks=[CSVLogger(path, append=True)], **arguments).history
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "0", "1"]
    assert [float(row["loss"]) for row in rows] == first["loss"] + more["loss"]
    assert [row["val_mae"] for row in rows] == ["NA", str(first["val_mae"][0]), "NA", "NA", str(more["val_mae"][0])]


def test_csv_logger_where_it_cannot_write_and_after_an_exception(line, tmp_path):
    with pytest.raises(OSError):
        line().fit(X, Y, callbacks=[CSVLogger(tmp_path / "no" / "log.csv")], verbose=0)

    def boom(*args):
        raise KeyError("boom")

    logger = CSVLogger(tmp_path / "log.csv")
    with pytest.raises(KeyError, match="boom"):
        line().fit(X, Y, epochs=2, callbacks=[logger, LambdaCallback(on_epoch_end=boom)], verbose=0)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2  # what was written is there
    line().fit(X, Y, epochs=2, callbacks=[logger], verbose=0)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_terminate_on_nan_and_the_csv_file(line, tmp_path, capsys):
    x = np.array([[1.0], [1.0], [np.nan], [1.0]], np.float32)
    seen = []
    given = [
        TerminateOnNaN(),
        CSVLogger(tmp_path / "log.csv"),
        LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch)),
    ]
    history = line().fit(x, Y[:4], batch_size=1, epochs=5, shuffle=False, callbacks=given, verbose=0)
    assert history.epoch == [0] and np.isnan(history.history["loss"][0]) and seen == [0, 1, 2]
    assert capsys.readouterr().out == "Batch 2: Invalid loss, terminating training\n"
    assert (tmp_path / "log.csv").read_text().splitlines()[1] == "0,nan,NA"
    ended = []
    given = [TerminateOnNaN(raise_error=True), LambdaCallback(on_train_end=ended.append)]
    with pytest.raises(RuntimeError, match="NaN or Inf loss encountered at batch 2"):
        line().fit(x, Y[:4], batch_size=1, epochs=5, shuffle=False, callbacks=given, verbose=0)
    assert ended == []


def test_remote_monitor(line, monkeypatch):
    class RequestException(Exception):
        pass

    sent = []
    requests = types.ModuleType("requests")
    requests.exceptions = types.SimpleNamespace(RequestException=RequestException)
    requests.post = lambda *args, **kwargs: sent.append((args, kwargs))
    monkeypatch.setitem(sys.modules, "requests", requests)
    loss = line().fit(X, Y, callbacks=[RemoteMonitor(), RemoteMonitor(send_as_json=True)], verbose=0).history["loss"][0]
    address = "http://localhost:9000/publish/epoch/end/"
    assert sent[0] == ((address, {"data": json.dumps({"epoch": 0, "loss": loss})}), {"headers": None})
    assert sent[1] == ((address,), {"json": {"epoch": 0, "loss": loss}, "headers": None})

    def fail(*args, **kwargs):
        raise RequestException

    requests.post = fail
    with pytest.warns(UserWarning, match="Could not reach RemoteMonitor root server"):
        line().fit(X, Y, callbacks=[RemoteMonitor()], verbose=0)
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(ImportError, match="requires the `requests` library"):
        line().fit(X, Y, callbacks=[RemoteMonitor()], verbose=0)


def test_tensorboard_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install ironhorn\[tensorboard\]"):
        TensorBoard()


@pytest.fixture
def events():
    """Reads event files: tag and step of scalars with their values; tags of the rest by their kind."""
    if importlib.util.find_spec("tensorboardX") is None:
        pytest.skip("tensorboardX is needed, `pip install ironhorn[tensorboard]`")
    from tensorboardX.proto.event_pb2 import Event

    def read(folder):
        scalars, others = {}, {}
        for path in sorted(folder.glob("events.*")):
            content, at = path.read_bytes(), 0
            while at < len(content):
                size = int.from_bytes(content[at : at + 8], "little")
                event = Event.FromString(content[at + 12 : at + 12 + size])
                at += size + 16
                for value in event.summary.value:
                    kind = value.WhichOneof("value")
                    if kind == "simple_value":
                        scalars[value.tag, event.step] = value.simple_value
                    else:
                        others.setdefault(kind, {})[value.tag] = value
        return scalars, others

    return read


def test_tensorboard(line, events, tmp_path):
    model = line(optimizers.SGD(0.25), metrics=["mae"])
    board = TensorBoard(tmp_path)
    history = model.fit(X, Y, batch_size=3, epochs=2, validation_data=(X, Y), callbacks=[board], verbose=0).history
    scalars, others = events(tmp_path / "train")
    expected = {(f"epoch_{key}", i): history[key][i] for key in ("loss", "mae") for i in range(2)}
    expected |= {("epoch_learning_rate", i): 0.25 for i in range(2)}
    assert scalars == pytest.approx(expected, rel=1e-6)
    graph = others["tensor"]["keras"]
    assert graph.metadata.plugin_data.plugin_name == "graph_keras_model" and list(others) == ["tensor"]
    assert json.loads(graph.tensor.string_val[0])["class_name"] == "Sequential"
    scalars, _ = events(tmp_path / "validation")
    expected = {(f"epoch_{key}", i): history[f"val_{key}"][i] for key in ("loss", "mae") for i in range(2)}
    expected |= {
        (f"evaluation_{key}_vs_iterations", 2 * i + 2): history[f"val_{key}"][i]
        for key in ("loss", "mae")
        for i in (0, 1)
    }
    assert scalars == pytest.approx(expected, rel=1e-6)
    model.fit(X, Y, epochs=1, callbacks=[board], verbose=0)  # the object serves again


def test_tensorboard_weights_batches_and_speed(events, tmp_path):
    model = ironhorn.Sequential([ironhorn.Input((3,)), ironhorn.layers.Dense(2), ironhorn.layers.Dense(1)])
    model.compile("sgd", "mse")
    board = TensorBoard(
        tmp_path, histogram_freq=2, write_images=importlib.util.find_spec("PIL") is not None, update_freq=2,
        write_steps_per_second=True, write_graph=False,
    )  # fmt: skip
    seen = []
    note = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    model.fit(np.ones((8, 3)), np.ones(8), batch_size=2, epochs=3, callbacks=[board, note], verbose=0)
    scalars, others = events(tmp_path / "train")
    batches = {step: value for (tag, step), value in scalars.items() if tag == "batch_loss"}
    assert batches == pytest.approx({step: seen[step - 1] for step in range(2, 13, 2)}, rel=1e-6)
    for tag, count in (("epoch_steps_per_second", 3), ("batch_steps_per_second", 6)):
        assert len([key for key in scalars if key[0] == tag]) == count
    paths = {weight.path for weight in model.weights}
    assert set(others["histo"]) == {f"{path}/histogram" for path in paths} and len(paths) == 4
    if board.write_images:
        assert set(others["image"]) == {f"{path}/image" for path in paths}
        assert others["image"][f"{model.weights[0].path}/image"].image.width == 3


def test_tensorboard_embeddings(events, tmp_path):
    model = ironhorn.Sequential(
        [ironhorn.Input((2,)), ironhorn.layers.Embedding(5, 3, name="words"), ironhorn.layers.Flatten(),
         ironhorn.layers.Dense(1)]
    )  # fmt: skip
    model.compile("sgd", "mse")
    x = np.array([[0, 1], [2, 3]])
    board = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "words.txt"})
    model.fit(x, np.ones(2), callbacks=[board], verbose=0)
    table = np.loadtxt(tmp_path / "train" / "words.tsv", delimiter="\t")
    np.testing.assert_allclose(table, model.get_layer("words").get_weights()[0], rtol=1e-6)
    text = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "train/words.tsv"' in text and 'metadata_path: "words.txt"' in text
    board = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"other": "a"})
    with pytest.raises(ValueError, match=r"Unrecognized `Embedding` layer names.*'other'"):
        model.fit(x, np.ones(2), callbacks=[board], verbose=0)
    with pytest.warns(UserWarning, match="profile_batch=2 is ignored"):
        TensorBoard(tmp_path, profile_batch=2)


def test_the_list_of_names():
    assert sorted(callbacks.__all__) == sorted(
        name for name, value in vars(callbacks).items() if isinstance(value, type) and not name.startswith("_")
    )
