"""BackupAndRestore: a run that was interrupted, at whatever moment, ends with the bits of one that was not."""

import os

import numpy as np
import pytest

import ironhorn
from backups import EPOCHS, VARIANTS, data, fit, make
from ironhorn import optimizers
from ironhorn.callbacks import (
    BackupAndRestore,
    Callback,
    ModelCheckpoint,
    SwapEMAWeights,
    state,
)


class Interrupted(Exception):
    pass


class Interrupts(Callback):
    """Raises at the n-th call of its methods, counted over all of them."""

    def __init__(self, n):
        self.n = n

    def _count(self, *args):
        self.n -= 1
        if self.n == 0:
            raise Interrupted

    on_train_begin = on_epoch_begin = on_epoch_end = on_train_end = _count

    def on_train_batch_end(self, batch, logs=None):
        self._count()


@pytest.mark.parametrize("save_freq", ["epoch", 1, 3, 10])
@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_run_ends_with_the_same_bits(quick_folder, variant, save_freq):
    whole = fit(start := make(), VARIANTS[variant]())
    assert start.built
    calls = 1 + len(whole[1]) * (7 + 2) + 1
    for moment in np.random.default_rng(len(variant)).choice(np.arange(1, calls + 1), 8, replace=False):
        ironhorn.utils.set_random_seed(7)  # as `whole` began
        folder = quick_folder / f"{moment}"
        with pytest.raises(Interrupted):
            fit(make(), [*VARIANTS[variant](), BackupAndRestore(folder, save_freq), Interrupts(moment)])
        if not folder.exists():
            ironhorn.utils.set_random_seed(7)
        else:
            ironhorn.utils.set_random_seed(123)
        model = make()
        again = fit(model, [*VARIANTS[variant](), BackupAndRestore(folder, save_freq)])
        assert again == whole, f"interrupted at call {moment}"
        assert not folder.exists() and model._initial_epoch is None


def test_the_order_of_callbacks_does_not_matter(tmp_path):
    given = VARIANTS["stops"]
    whole = fit(make(), given())
    for order in (lambda a, b: [*a, b], lambda a, b: [b, *a]):
        ironhorn.utils.set_random_seed(7)
        with pytest.raises(Interrupted):
            fit(make(), [*order(given(), BackupAndRestore(tmp_path / "a")), Interrupts(25)])
        assert fit(make(), order(given(), BackupAndRestore(tmp_path / "a"))) == whole


def test_a_stop_is_not_forgotten(tmp_path):
    whole = fit(make(), VARIANTS["stops"]())
    assert 1 < len(whole[1]) < EPOCHS
    ironhorn.utils.set_random_seed(7)

    class End(Callback):
        def on_train_end(self, logs=None):
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(make(), [*VARIANTS["stops"](), BackupAndRestore(tmp_path / "a"), End()])
    assert fit(make(), [*VARIANTS["stops"](), BackupAndRestore(tmp_path / "a")]) == whole


def test_double_checkpoint_survives_a_broken_file(tmp_path):
    whole = fit(make(), [])
    for broken in ("latest.ironhorn", "run"):
        ironhorn.utils.set_random_seed(7)
        folder = tmp_path / broken
        with pytest.raises(Interrupted):
            fit(make(), [BackupAndRestore(folder, double_checkpoint=True), Interrupts(40)])
        runs = sorted(folder.glob("run-*.json"), key=os.path.getmtime)
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            ["latest.ironhorn", "latest.ironhorn.bkp", *(path.name for path in runs)]
        )
        assert len(runs) == 2
        (folder / broken if broken == "latest.ironhorn" else runs[1]).write_text("0")
        assert fit(make(), [BackupAndRestore(folder, double_checkpoint=True)]) == whole
    folder = tmp_path / "single"
    with pytest.raises(Interrupted):
        fit(make(), [BackupAndRestore(folder), Interrupts(40)])
    assert sorted(path.suffix for path in folder.iterdir()) == [".ironhorn", ".json"]
    (folder / "latest.ironhorn").write_text("0")
    with pytest.raises(ironhorn.errors.LoadError, match=r"latest\.ironhorn"):
        fit(make(), [BackupAndRestore(folder)])


def test_a_backup_that_stays_lets_a_later_call_go_on(tmp_path):
    x, y = data()
    model = make()
    model.fit(x, y, epochs=2, callbacks=[BackupAndRestore(tmp_path, delete_checkpoint=False)], verbose=0)
    steps = model.optimizer.iterations
    history = model.fit(x, y, epochs=5, callbacks=[BackupAndRestore(tmp_path, delete_checkpoint=False)], verbose=0)
    assert history.epoch == [0, 1, 2, 3, 4] and model.optimizer.iterations == steps * 5 // 2
    # A fit without it begins at the beginning.
    assert model.fit(x, y, epochs=1, verbose=0).epoch == [0]


def test_averages_survive(tmp_path):
    def averaged():
        return make(optimizers.SGD(0.01, momentum=0.9, use_ema=True, ema_momentum=0.9))

    whole = fit(averaged(), [SwapEMAWeights(swap_on_epoch=True)])
    ironhorn.utils.set_random_seed(7)
    with pytest.raises(Interrupted):
        fit(averaged(), [SwapEMAWeights(True), BackupAndRestore(tmp_path / "a"), Interrupts(35)])
    assert fit(averaged(), [SwapEMAWeights(True), BackupAndRestore(tmp_path / "a")]) == whole


def test_what_it_refuses(tmp_path):
    for bad in ("", None):
        with pytest.raises(ValueError, match="Empty `backup_dir` argument passed"):
            BackupAndRestore(bad)
    for bad in ("batch", 0.15, 0, -1):
        with pytest.raises(ValueError, match="Invalid value for argument `save_freq`"):
            BackupAndRestore("a", save_freq=bad)

    class Odd(Callback):
        def get_state(self):
            return {"odd": {1, 2}}

    with pytest.raises(TypeError, match=r"the state of Odd\['odd'\] must consist of.*Received: \{1, 2\}"):
        fit(make(), [BackupAndRestore(tmp_path / "a"), Odd()])
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        fit(make(), [BackupAndRestore(tmp_path / "file" / "a")])


def test_states_as_json(tmp_path):
    value = {
        "n": 1, "x": 0.1 + 0.2, "t": "é", "none": None, "bool": True, "tuple": (1, [2.0]), "nan": float("nan"),
        "inf": [-np.inf, np.float32("inf")], "f": np.float32(0.1), "i": np.int64(7),
        "w": [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 2)), np.array(True)],
    }  # fmt: skip
    name = state.write(str(tmp_path), "run", state.encode(value, "x"))
    got = state.decode(state.read(str(tmp_path), name))
    assert str(got["nan"]) == "nan" and got["inf"] == [-np.inf, np.inf] and got["tuple"] == [1, [2.0]]
    assert got["x"] == value["x"] and got["f"] == float(np.float32(0.1)) and got["i"] == 7 and got["t"] == "é"
    for a, b in zip(value["w"], got["w"], strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
    assert os.listdir(tmp_path) == [name]
    (tmp_path / name).write_text("{}")
    with pytest.raises(ironhorn.errors.LoadError, match="checksum"):
        state.read(str(tmp_path), name)
    with pytest.raises(ironhorn.errors.LoadError, match="expected the state of a run"):
        state.read(str(tmp_path), "run-0.json")
    for bad in (object(), {1: 2}, {1, 2}, np.array(["a"]), 1j):
        with pytest.raises(TypeError, match="must consist of numbers"):
            state.encode({"a": [bad]}, "x")


def test_a_checkpoint_beside_a_backup_counts_on(tmp_path):
    """``save_freq`` of a checkpoint counts over the interruption."""

    def given(folder):
        return [ModelCheckpoint(tmp_path / folder / "{epoch}-{batch}.ironhorn", save_freq=5)]

    fit(make(), given("whole"))
    ironhorn.utils.set_random_seed(7)
    with pytest.raises(Interrupted):
        fit(make(), [*given("parts"), BackupAndRestore(tmp_path / "a"), Interrupts(30)])
    fit(make(), [*given("parts"), BackupAndRestore(tmp_path / "a")])
    names = [sorted(os.listdir(tmp_path / folder)) for folder in ("whole", "parts")]
    assert names[0] == names[1] and len(names[0]) == 8
