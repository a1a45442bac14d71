"""One peer on one job in a fresh process: prints one JSON line. Started by compare.py, and by hand to look closer."""

import argparse
import importlib
import json
import os
import statistics
import time
from pathlib import Path

import jobs
import numpy as np
import peers

ONE_ROW_CALLS, ONE_ROW_SECONDS = 2000, 5.0  # whichever is reached first
MANY_ROWS_CALLS = 10


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def train(module, job: jobs.Job, variant: dict, args: argparse.Namespace) -> dict:
    x, y = jobs.data(job)
    began = time.perf_counter()
    trainer = module.Trainer(job, x, y, jobs.weights(job), args.seed, not args.given_order, **variant)
    built = time.perf_counter()
    epochs = trainer.run(args.warmup + args.epochs)
    raced = epochs[args.warmup :]
    micro = [epoch.seconds / job.steps * 1e6 for epoch in raced]
    return {
        "us_per_step": min(micro),
        "median_us_per_step": statistics.median(micro),
        "cpu_us_per_step": statistics.median(epoch.cpu_seconds for epoch in raced) / job.steps * 1e6,
        "final_loss": epochs[-1].loss,
        "losses": [epoch.loss for epoch in epochs],
        "build_s": built - began,
        "first_epoch_s": epochs[0].seconds,
        "per_step": getattr(trainer, "per_step", None),
        "threads": getattr(trainer, "threads", len(os.sched_getaffinity(0))),
    }


def one_row(way, rows: list[np.ndarray], calls: int) -> list[float]:
    """Microseconds of each call, the rows in turn."""
    micro, end = [], time.perf_counter() + ONE_ROW_SECONDS
    for i in range(calls):
        row = rows[i % len(rows)]
        began = time.perf_counter_ns()
        way(row)
        micro.append((time.perf_counter_ns() - began) / 1e3)
        if time.perf_counter() > end:
            break
    return micro


def predict(module, job: jobs.Job) -> dict:
    """Every way the peer has: one row at a time, then all rows at once, each answer as a NumPy array."""
    x, weights = jobs.data(job)[0], jobs.weights(job)
    expected = jobs.forward(weights, x)
    single = [x[i : i + 1] for i in range(256)]
    ways = {}
    for name, prepare in module.predictors(job, weights).items():
        way = prepare()
        error = max(np.abs(way(x) - expected).max(), np.abs(way(single[0]) - expected[:1]).max())
        one_row(way, single, ONE_ROW_CALLS // 10)
        micro = one_row(way, single, ONE_ROW_CALLS)
        seconds = []
        for _ in range(MANY_ROWS_CALLS):
            began = time.perf_counter()
            way(x)
            seconds.append(time.perf_counter() - began)
        p50, p99 = np.percentile(micro, [50, 99])
        ways[name] = {"p50_us": p50, "p99_us": p99, "rows_per_s": len(x) / min(seconds), "max_error": float(error)}
    return {"ways": ways, "threads": len(os.sched_getaffinity(0))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=peers.PEERS)
    parser.add_argument("job", choices=jobs.JOBS)
    parser.add_argument("--variant", help="a name of peers.PEERS; default: the peer's first")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, help="another batch than the job's")
    parser.add_argument("--rows", type=int, help="another number of rows")
    parser.add_argument("--given-order", action="store_true", help="do not shuffle")
    args = parser.parse_args()
    job, peer = jobs.sized(jobs.JOBS[args.job], args.batch, args.rows), peers.PEERS[args.peer]
    name = args.variant or next(iter(peer.variants))
    variant = dict(peer.variants[name])
    if cores := variant.pop("cores", None):  # before the import: libraries look once
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    peer.prepare()

    before, began = resident_mib(), time.perf_counter()
    try:
        module = importlib.import_module(f"peers.{peer.module}")
    except ModuleNotFoundError as error:
        print(json.dumps({"missing": error.name}))
        return
    result = {
        "peer": args.peer,
        "job": args.job,
        "variant": name,
        "import_s": time.perf_counter() - began,
        "import_mib": resident_mib() - before,
        "versions": module.VERSIONS,
    }
    result |= predict(module, job) if args.job in peers.PREDICTING else train(module, job, variant, args)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
