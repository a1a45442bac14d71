"""Helpers: split_dataset, and what ``python -m ironhorn info`` prints."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import ironhorn
from ironhorn.__main__ import info, main
from ironhorn.utils import normalize, split_dataset, to_categorical

ROWS = np.arange(20).reshape(10, 2)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"left_size": 0.8}, (8, 2)),
        ({"right_size": 0.25}, (8, 2)),  # round(2.5) is 2
        ({"left_size": 3}, (3, 7)),
        ({"right_size": 3}, (7, 3)),
        ({"left_size": 2, "right_size": 0.5}, (2, 5)),
        ({"left_size": 0.3, "right_size": 0.2}, (3, 2)),
    ],
)
def test_the_sizes_of_a_split(sizes, expected):
    left, right = split_dataset(ROWS, **sizes)
    assert (len(left), len(right)) == expected
    np.testing.assert_array_equal(left, ROWS[: expected[0]])
    np.testing.assert_array_equal(right, ROWS[10 - expected[1] :])


def test_structures_stay_and_rows_stay_together():
    data = {"x": (ROWS, [ROWS * 2]), "y": np.arange(10)}
    left, right = split_dataset(data, left_size=6, shuffle=True, seed=3)
    for part in (left, right):
        assert isinstance(part["x"], tuple) and isinstance(part["x"][1], list)
        np.testing.assert_array_equal(part["x"][1][0], part["x"][0] * 2)
        np.testing.assert_array_equal(part["x"][0][:, 0], part["y"] * 2)
    assert sorted([*left["y"], *right["y"]]) == list(range(10)) and list(left["y"]) != list(range(6))
    again, _ = split_dataset(data, left_size=6, shuffle=True, seed=3)
    np.testing.assert_array_equal(again["y"], left["y"])


def test_a_sequence_of_samples():
    class Samples:
        def __len__(self):
            return 10

        def __getitem__(self, index):
            return ROWS[index], index

    (x, y), (_, rest) = split_dataset(Samples(), left_size=4)
    np.testing.assert_array_equal(x, ROWS[:4])
    assert list(y) == [0, 1, 2, 3] and list(rest) == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({}, ValueError, "At least one"),
        ({"left_size": "a"}, TypeError, "`left_size` Type"),
        ({"right_size": True}, TypeError, "`right_size` Type"),
        ({"left_size": 0, "right_size": 0}, ValueError, "are zero"),
        ({"left_size": 10}, ValueError, "`left_size` should be"),
        ({"right_size": -1}, ValueError, "`right_size` should be"),
        ({"left_size": 1.0}, ValueError, "`left_size` should be"),
        ({"left_size": 0.7, "right_size": 0.6}, ValueError, "greater than 1"),
        ({"left_size": 7, "right_size": 6}, ValueError, "smaller than the 10"),
        ({"left_size": 0.01}, ValueError, "left side dataset split will be empty"),
    ],
)
def test_sizes_that_are_refused(arguments, kind, text):
    with pytest.raises(kind, match=text):
        split_dataset(ROWS, **arguments)


def test_data_that_is_refused():
    with pytest.raises(ValueError, match="same length"):
        split_dataset((ROWS, np.zeros(9)), left_size=0.5)
    for nothing in (5, [], [1, 2], None):
        with pytest.raises(TypeError, match="array"):
            split_dataset(nothing, left_size=0.5)


def test_normalize_along_each_axis():
    x = np.array([[3.0, 0.0, 12.0], [4.0, 5.0, 0.0]])
    np.testing.assert_allclose(normalize(x, axis=0), [[0.6, 0, 1], [0.8, 1, 0]])
    np.testing.assert_allclose(normalize(x, order=1), x / [[15], [9]])
    np.testing.assert_array_equal(normalize(np.zeros((2, 2))), np.zeros((2, 2)))


def test_to_categorical_has_a_row_a_class():
    np.testing.assert_array_equal(to_categorical([0, 2]), [[1, 0, 0], [0, 0, 1]])
    assert to_categorical(np.zeros((3, 2, 1), int), 4).shape == (3, 2, 4)


def test_info_in_this_process():
    lines = dict(line.split(None, 1) for line in info().splitlines())
    assert lines["ironhorn"].startswith(ironhorn.__version__) and lines["numpy"] == np.__version__
    assert lines["kernels"].split()[0] == ironhorn.config.cpu_level()
    assert lines["threads"].split()[0] == str(ironhorn.config.num_threads())
    assert lines["cpu"].endswith(ironhorn.config.cpu_level())
    assert lines["device"].startswith(ironhorn.config.device())
    for name in ironhorn.list_devices()[1:]:
        assert lines[name].startswith(ironhorn.config.device_names()[name])


def test_info_tells_where_settings_come_from():
    settings = {"IRONHORN_NUM_THREADS": "1", "IRONHORN_CPU": "portable", "IRONHORN_DEVICE": "cpu"}
    command = [sys.executable, "-m", "ironhorn", "info"]
    run = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stderr == ""
    lines = [" ".join(line.split()) for line in run.stdout.splitlines()]
    assert "kernels portable (IRONHORN_CPU=portable)" in lines
    assert "device cpu (IRONHORN_DEVICE=cpu); for all runs that name none" in lines
    assert any(line.startswith("threads 1 of ") and "(IRONHORN_NUM_THREADS=1)" in line for line in lines)


def info_of(**settings):
    command = [sys.executable, "-m", "ironhorn", "info", "--json"]
    run = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stderr == ""
    return json.loads(run.stdout)


def test_info_for_programs():
    told = info_of(IRONHORN_DEVICE="auto", IRONHORN_NUM_THREADS="1")
    assert told["ironhorn"] == ironhorn.__version__ and told["numpy"] == np.__version__
    assert told["device"] == "auto" and told["device_from"] == "IRONHORN_DEVICE=auto"
    assert told["threads"] == 1 and told["environment"]["IRONHORN_DEVICE"] == "auto"
    assert [adapter["device"] for adapter in told["adapters"]] == ironhorn.list_devices()[1:]
    for adapter in told["adapters"]:
        assert adapter["type"] in ("discrete", "integrated", "virtual", "software", "other")
        assert adapter["interface"] in ("vulkan", "metal", "dx12") and adapter["driver"]
        assert all(value > 0 for value in adapter["limits"].values()) and "binding_bytes" in adapter["limits"]
        assert set(adapter["features"].values()) <= {True, False}


def test_info_survives_what_is_wrong():
    """No adapter; a device that does not exist."""
    told = info_of(VK_DRIVER_FILES="/nonexistent.json", VK_ICD_FILENAMES="/nonexistent.json", IRONHORN_DEVICE="tpu")
    assert told["device"].startswith("error: IRONHORN_DEVICE: expected")
    if sys.platform == "linux":
        assert told["adapters"] == []


def test_info_without_adapters_and_without_gpus(monkeypatch):
    monkeypatch.setattr(ironhorn._core, "adapters", list)
    assert "none found by Vulkan, Metal or DX12" in info()
    monkeypatch.setattr(ironhorn._core, "wgpu_version", lambda: None)
    assert "none: this build is without GPUs" in info()

    def fails():
        raise RuntimeError("the loader is broken")

    monkeypatch.setattr(ironhorn._core, "adapters", fails)
    assert "error: the loader is broken" in info()


def test_a_command_that_does_not_exist(capsys):
    for arguments in ([], ["train"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "info" in capsys.readouterr().err
