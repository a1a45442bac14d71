"""Bytes that are no model file, or a changed one: each a model or an error. And the files of every version."""

import json
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import ironhorn
from ironhorn import optimizers
from ironhorn.errors import LoadError
from ironhorn.layers import Dense, Input
from ironhorn.models import Sequential
from saved import X, same


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    ironhorn.utils.set_random_seed(7)
    model = Sequential([Input((2,), name="in"), Dense(2, name="d")], name="m")
    model.compile(optimizers.SGD(0.1, momentum=0.5), "mse")
    model.fit(X[:4, :2], X[:4, :2], verbose=0)
    path = tmp_path_factory.mktemp("small") / "net"
    model.save(path)
    return path.read_bytes()


def outcome(path, data):
    """A model that predicts, or a LoadError that names the file."""
    path.write_bytes(data)
    text = ""
    try:
        return ironhorn.load_model(path)
    except LoadError as error:
        text = str(error)
    assert str(path) in text
    return None


def test_every_truncation_is_refused(small, tmp_path):
    for length in range(len(small)):
        assert outcome(tmp_path / "cut", small[:length]) is None
    assert outcome(tmp_path / "cut", small + b"\0") is None
    assert outcome(tmp_path / "cut", small) is not None


def test_random_bytes_give_a_model_or_an_error(small, tmp_path):
    random = np.random.default_rng(17)
    models = 0
    for _ in range(2000):
        data = bytearray(small)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            data[place] = random.integers(0, 256)
        model = outcome(tmp_path / "flipped", bytes(data))
        models += model is not None
    assert 0 < models < 2000  # flips among the numbers are other numbers


def parts(data):
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header, body):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def changed(data, key, change):
    header, body = parts(data)
    header["__metadata__"][key] = change(header["__metadata__"][key])
    return joined(header, body)


@pytest.mark.parametrize(
    ("key", "old", "new", "message"),
    [
        ("version", "1", "2", "version.*newer"),
        ("version", "1", "x", "version"),
        ("format", "ironhorn", "other", "format"),
        ("kind", "model", "zoo", "kind"),
        ("python", '"units":2', '"units":1000000000000', "at most"),
        ("model", '"units":2', '"units":1000000000000', "sample"),
        ("model", '"units":2', '"units":3', "shape"),
        ("python", '"units":2', '"units":3', "at most"),
        ("python", "[null,2]", "[null,99999999999]", "sample"),
        ("model", '"input_shapes":[[2]]', '"input_shapes":[[9999999999999]]', "sample"),
        ("python", '"Dense"', '"Lambda"', "Lambda"),
        ("python", '"Sequential"', '"os.system"', "os.system"),
        ("python", '"SGD"', '"Lambda"', "Lambda"),
        ("model", '"Dense"', '"Lambda"', "Lambda"),
        ("model", '"outputs":[1]', '"outputs":[7]', "outputs"),
        ("model", "[[0,[0]]]", "[[0,[1]]]", "node"),
    ],
)
def test_what_a_file_may_not_say(small, tmp_path, key, old, new, message):
    header, _ = parts(small)
    assert old in header["__metadata__"][key]
    (tmp_path / "net").write_bytes(changed(small, key, lambda text: text.replace(old, new, 1)))
    with pytest.raises(LoadError, match=message):
        ironhorn.load_model(tmp_path / "net")


def test_tensors_that_do_not_fit(small, tmp_path):
    def refused(change, message):
        header, body = parts(small)
        body = change(header, body) or body
        (tmp_path / "net").write_bytes(joined(header, body))
        with pytest.raises(LoadError, match=message):
            ironhorn.load_model(tmp_path / "net")

    kernel, bias = "weights/0/d/kernel", "weights/1/d/bias"
    refused(lambda h, b: h[kernel].update(dtype="I32"), "dtype")
    refused(lambda h, b: h[kernel].update(shape=[4]), "shape")
    refused(lambda h, b: h[kernel].update(shape=[2**62, 2**62]), "header")
    refused(lambda h, b: h[kernel].update(data_offsets=h[bias]["data_offsets"]), "header")
    refused(lambda h, b: h.update({"weights/5/d/x": h.pop(bias)}), "without a gap")
    refused(lambda h, b: h.update({"other": h.pop(bias)}), "other")
    refused(lambda h, b: h.update({"optimizer/0/velocity": h.pop("optimizer/0/momentum")}), "velocity")
    refused(lambda h, b: h.update({"optimizer/7/momentum": h.pop("optimizer/0/momentum")}), "optimizer/7")
    many = {f"optimizer/{i}/x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}
    refused(lambda h, b: h.update(many), "10000 tensors")
    (tmp_path / "net").write_bytes(struct.pack("<Q", 2**20 + 1) + small[8:] + bytes(2**21))
    with pytest.raises(LoadError, match="1048576"):
        ironhorn.load_model(tmp_path / "net")


def test_deep_nesting_is_refused(small, tmp_path):
    (tmp_path / "net").write_bytes(changed(small, "python", lambda _: "[" * 100_000 + "]" * 100_000))
    with pytest.raises(LoadError, match="recursion"):
        ironhorn.load_model(tmp_path / "net")


def test_loading_runs_and_imports_nothing(small, tmp_path):
    (tmp_path / "net").write_bytes(small)
    code = """
        import sys, ironhorn
        ironhorn.load_model(sys.argv[1])
        seen = []
        sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))
        ironhorn.load_model(sys.argv[1])
        names = {event for event, _ in seen}
        assert not names & {"import", "exec", "compile", "pickle.find_class", "marshal.loads", "socket.connect"}, names
        assert not [a for event, a in seen if event == "open" and a[0] != sys.argv[1]], seen
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "net")], check=True, timeout=120)


# Golden files


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "golden").glob("*.ironhorn")), ids=lambda p: p.name
)
def test_files_of_every_version_are_read(path):
    expected = {
        name: np.array(values, np.float32) for name, values in json.loads(path.with_suffix(".json").read_text()).items()
    }
    model = ironhorn.load_model(path)
    np.testing.assert_allclose(model.predict(expected["x"], verbose=0), expected["p"], rtol=1e-5, atol=1e-6)
    logs = model.fit(expected["x"], expected["y"], batch_size=4, epochs=2, verbose=0).history
    np.testing.assert_allclose(logs["loss"], expected["loss"], rtol=1e-4)


def test_a_file_without_pythons_text_is_read_by_its_graph(small, tmp_path):
    header, body = parts(small)
    del header["__metadata__"]["python"]
    (tmp_path / "net").write_bytes(joined(header, body))
    loaded = ironhorn.load_model(tmp_path / "net")
    (tmp_path / "whole").write_bytes(small)
    assert not loaded.compiled
    same([loaded.predict(X[:, :2], verbose=0)], [ironhorn.load_model(tmp_path / "whole").predict(X[:, :2], verbose=0)])


def test_there_is_a_golden_file_of_this_version(small):
    version = int(parts(small)[0]["__metadata__"]["version"])
    assert (Path(__file__).parents[1] / "golden" / f"version-{version}.ironhorn").is_file()
