"""Processes that die at a given moment, in the middle of backups and of saves: ``python killed.py JOB FOLDER ...``.

A fresh interpreter forks them, so that a life costs milliseconds. ``os._exit`` and SIGKILL leave them no last word.
"""

import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import ironhorn
from backups import VARIANTS, fit, make
from ironhorn.callbacks import BackupAndRestore, Callback
from ironhorn.layers import Dense, Input

CRASHED = 77


def fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def status(child: int) -> int:
    """What it returned, or the negative of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Listed:
    """``os.scandir`` in one order: a folder's own differs from file system to file system."""

    scandir = staticmethod(os.scandir)

    def __init__(self, path: object) -> None:
        with self.scandir(path) as entries:
            self.entries = iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return self.entries

    def __enter__(self) -> "Listed":
        return self

    def __exit__(self, *problem: object) -> None:
        pass


class Slow(Callback):
    """Makes the batches long enough to be hit."""

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.002)


class Run:
    """A run of ``fit`` that goes on in ``folder`` from where the last process left it."""

    def __init__(self, folder: Path, freq: str | int, double: bool, *more: Callback) -> None:
        self.folder, self.result, self.more = folder, folder.with_suffix(".result"), more
        self.options = {"save_freq": freq, "double_checkpoint": double}

    def __call__(self) -> None:
        # Until there is a backup the seed is what makes the run the same; afterwards the backup does.
        backups = [self.folder / name for name in ("latest.ironhorn", "latest.ironhorn.bkp")]
        ironhorn.utils.set_random_seed(99 if any(path.exists() for path in backups) else 7)
        found = fit(make(), [*VARIANTS["rates"](), BackupAndRestore(self.folder, **self.options), *self.more])
        self.result.write_text(repr(found))

    def finish(self, whole: str | None) -> str:
        """Lets it go to its end, which must be that of ``whole``."""
        ended = status(fork(self))
        assert ended == 0, f"it refused to go on: {ended}"
        found = self.result.read_text()
        assert whole is None or found == whole, "other bits than without an interruption"
        assert not self.folder.exists(), "a backup was left"
        return found


def backups(folder: Path, freq: str | int, double: bool, kills: int) -> None:
    """Kills at ``kills`` random moments; every run ends with the bits of the whole one."""
    began = time.monotonic()
    whole = Run(folder / "whole", freq, double, Slow()).finish(None)
    duration = time.monotonic() - began
    generator, killed, runs = np.random.default_rng(11), 0, 0
    while killed < kills:
        runs += 1
        run = Run(folder / str(runs), freq, double, Slow())
        for _ in range(8):
            child = fork(run)
            time.sleep(generator.uniform(0, duration / 3))
            os.kill(child, signal.SIGKILL)
            ended = status(child)
            assert ended in (-signal.SIGKILL, 0), f"it refused to go on: {ended}"
            killed += ended != 0
            if ended == 0:
                break
        run.finish(whole)
    print(f"{killed} kills in {runs} runs")


def crashes(folder: Path, freq: str | int, double: bool) -> None:
    """Ends before the n-th operation on the backup's files, for every n."""
    whole = Run(folder / "whole", freq, double).finish(None)
    events = {"open", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.scandir"}
    n, ended = 0, CRASHED
    while ended == CRASHED:
        n += 1
        run = Run(folder / str(n), freq, double)

        def crashing(run: Run = run, n: int = n) -> None:
            count = 0

            def hook(event: str, arguments: tuple[object, ...]) -> None:
                nonlocal count
                if event in events:
                    count += 1
                    if count == n:
                        os._exit(CRASHED)

            os.scandir = Listed  # the states of runs, which backups name, come first
            sys.addaudithook(hook)
            run()

        ended = status(fork(crashing))
        assert ended in (CRASHED, 0), f"it failed: {ended}"
        run.finish(whole)
    assert n > 30, "no operation was seen"
    print(f"{n - 1} crashes")


def saves(folder: Path, kills: int) -> None:
    """Kills during saves over one file: what is there is whole, the old one or the new one."""
    path, generator = folder / "net.ironhorn", np.random.default_rng(5)
    model = ironhorn.Sequential([Input((64,)), Dense(256), Dense(64)])
    ready = folder / "ready"

    def save_for_ever() -> None:
        number = 0
        while True:
            model.set_weights([np.full_like(w, number) for w in model.get_weights()])
            model.save(path)
            ready.touch()
            number += 1

    numbers = set()
    for _ in range(kills):
        ready.unlink(missing_ok=True)
        child = fork(save_for_ever)
        while not ready.exists():
            time.sleep(0.001)
        time.sleep(generator.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        assert status(child) == -signal.SIGKILL
        values = np.concatenate([w.reshape(-1) for w in ironhorn.load_model(path).get_weights()])
        assert (values == values[0]).all()
        numbers.add(values[0])
    assert len(numbers) > 1, "the file was always the same"
    print(f"{kills} kills, {len(numbers)} different files")


if __name__ == "__main__":
    job, folder = sys.argv[1], Path(sys.argv[2])
    freq = sys.argv[3] if len(sys.argv) > 3 else ""
    if job == "saves":
        saves(folder, int(freq))
    elif job == "backups":
        backups(folder, int(freq) if freq.isdigit() else freq, sys.argv[4] == "True", int(sys.argv[5]))
    else:
        crashes(folder, int(freq) if freq.isdigit() else freq, sys.argv[4] == "True")
    shutil.rmtree(folder)
