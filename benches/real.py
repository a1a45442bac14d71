"""Real data: seconds to a target score, and the score after 1, 10 and 60 seconds, five seeds a peer.

    python benches/real.py                                   # digits, breast_cancer, diabetes, wine
    python benches/real.py --seconds 2 --tasks digits --peers ironhorn,jax
    python benches/real.py --data FOLDER --tasks mnist,california,covertype

`FOLDER` holds `mnist.npz` (Keras's file) or scikit-learn's copies (its `data_home`); nothing is downloaded. One process
a task and peer; seeds choose the test rows, the first weights and the order. Time counts building, compiling and
training, not the import and not the scoring. Classes are scored by accuracy, numbers by R². Batch 32, Adam, the same
first weights; training rows are cut to whole batches.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import jobs
import numpy as np
import report

MARKS = (1, 10, 60)  # seconds


@dataclass(frozen=True)
class Task:
    hidden: tuple[int, ...]
    target: float
    classes: bool = True


TASKS = {
    "digits": Task((128,), 0.97),
    "breast_cancer": Task((64, 32), 0.96),
    "wine": Task((32,), 0.97),
    "diabetes": Task((16,), 0.40, classes=False),
    "mnist": Task((128,), 0.975),
    "california": Task((128, 64), 0.78, classes=False),
    "covertype": Task((128, 64), 0.85),
}
SHIPPED = ("digits", "breast_cancer", "diabetes", "wine")
PEERS = ("ironhorn", "jax", "torch", "keras-jax", "sklearn")


def load(name: str, folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """All rows and their classes from 0, or their numbers."""
    if name == "mnist":
        with np.load(folder / "mnist.npz") as file:
            x = np.concatenate([file["x_train"], file["x_test"]]).reshape(-1, 784)
            return x.astype(np.float32), np.concatenate([file["y_train"], file["y_test"]]).astype(np.int64)
    from sklearn import datasets

    if name in SHIPPED:
        return getattr(datasets, f"load_{name}")(return_X_y=True)
    fetch = {"california": datasets.fetch_california_housing, "covertype": datasets.fetch_covtype}[name]
    x, y = fetch(data_home=folder, download_if_missing=False, return_X_y=True)
    return x, y - 1 if name == "covertype" else y


def split(x, y, classes: bool, batch: int, seed: int):
    """A fifth for the test; inputs, and numbers to predict, standardised by the training rows."""
    order = np.random.default_rng(seed).permutation(len(x))
    held = len(x) // 5
    test, train = order[:held], order[held:]
    train = train[: len(train) // batch * batch]
    mean, deviation = x[train].mean(axis=0), x[train].std(axis=0)
    x = ((x - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    if classes:
        y = y.astype(np.int64)
    else:
        y = ((y - y[train].mean()) / y[train].std()).astype(np.float32)[:, None]
    return x[train], y[train], x[test], y[test]


def score(answers: np.ndarray, y: np.ndarray, classes: bool) -> float:
    if classes:
        return float((answers.argmax(axis=1) == y).mean())
    return float(1 - np.square(answers - y).sum() / np.square(y - y.mean()).sum())


def curve(module, task: Task, x, y, seed: int, seconds: float) -> list[tuple[float, float]]:
    """(training seconds so far, score on the test rows), after epochs a twentieth of that time or more apart."""
    x, y, x_test, y_test = split(x, y, task.classes, 32, seed)
    outputs = int(y.max()) + 1 if task.classes else 1
    widths = (x.shape[1], *task.hidden, outputs)
    job = jobs.Job("real", widths, rows=len(x), batch=32, epochs=0)
    spent, scored, found = 0.0, 0.0, []
    began = time.perf_counter()
    trainer = module.Trainer(job, x, y, jobs.weights(job, seed), seed, True)
    spent = time.perf_counter() - began
    while spent < seconds:
        began = time.perf_counter()
        trainer.run(1)
        spent += time.perf_counter() - began
        if spent > 1.05 * scored:
            found.append((spent, score(np.asarray(trainer.predict(x_test)), y_test, task.classes)))
            scored = spent
    return found


def summary(curves: list[list[tuple[float, float]]], target: float, seconds: float) -> dict:
    """Medians over the seeds: seconds to the target (of those that get there, and how many do), scores at the marks."""
    reached = [next((s for s, value in curve if value >= target), None) for curve in curves]
    reached = [s for s in reached if s is not None]
    result = {"target": target, "reached": len(reached), "seeds": len(curves)}
    result["to_target_s"] = statistics.median(reached) if reached else None
    for mark in MARKS:
        if mark <= seconds:
            last = [[value for s, value in curve if s <= mark] for curve in curves]
            last = [values[-1] for values in last if values]
            result[f"after_{mark}_s"] = statistics.median(last) if last else None
    return result


def child(args: argparse.Namespace) -> None:
    import importlib

    import peers

    peer, name = peers.PEERS[args.child], args.tasks
    peer.prepare()
    with np.load(args.data / f"{name}.npz") as file:
        x, y = file["x"], file["y"]
    module = importlib.import_module(f"peers.{peer.module}")
    curves = [curve(module, TASKS[name], x, y, seed, args.seconds) for seed in range(args.seeds)]
    print(json.dumps(curves))


def measure(tasks: list[str], peers: list[str], seconds: float, seeds: int, folder: Path | None, pythons: dict) -> dict:
    """By task and peer a summary; a peer that is missing or fails has an `error` instead."""
    result: dict[str, dict] = {}
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryDirectory() as copies:
        for name in tasks:
            x, y = load(name, folder)
            np.savez(Path(copies) / f"{name}.npz", x=x, y=y)
            for peer in peers:
                print(f"real {name} {peer}", file=sys.stderr, flush=True)
                command = [pythons.get(peer, sys.executable), __file__, "--child", peer, "--tasks", name]
                command += ["--data", copies, "--seconds", str(seconds), "--seeds", str(seeds)]
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
                if done.returncode:
                    figures = {"error": (done.stderr.strip().splitlines() or ["?"])[-1]}
                else:
                    curves = json.loads(done.stdout.strip().splitlines()[-1])
                    figures = summary(curves, TASKS[name].target, seconds)
                result.setdefault(name, {})[peer] = figures
    return result


def table(result: dict) -> str:
    """In Markdown."""
    marks = [m for m in MARKS if any(f"after_{m}_s" in f for peers in result.values() for f in peers.values())]
    lines = []
    for name, peers in result.items():
        for peer, figures in peers.items():
            if "error" in figures:
                continue
            seconds = figures["to_target_s"]
            shown = "–" if seconds is None else f"{seconds:.3g}"
            if figures["reached"] < figures["seeds"]:
                shown += f" ({figures['reached']} of {figures['seeds']} seeds)"
            scores = [figures.get(f"after_{m}_s") for m in marks]
            scores = ["–" if value is None else f"{value:.3f}" for value in scores]
            lines.append([f"{name} ({figures['target']:g})", peer, shown, *scores])
    return report.table(["task (target)", "peer", "seconds to it", *(f"after {m} s" for m in marks)], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(SHIPPED), help=f"of {','.join(TASKS)} (default: %(default)s)")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path, help="where mnist, california and covertype are")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args)
        return
    result = measure(args.tasks.split(","), args.peers.split(","), args.seconds, args.seeds, args.data, {})
    print(table(result))
    if errors := [f"{name} {p}: {f['error']}" for name, ps in result.items() for p, f in ps.items() if "error" in f]:
        sys.exit("\n".join(errors))


if __name__ == "__main__":
    main()
