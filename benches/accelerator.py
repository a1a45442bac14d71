"""Training on a GPU: `compare.py --device gpu`. Ironhorn there and on the processor, PyTorch and JAX on CUDA.

Each net and batch is trained by everybody in turn, a fresh process each, the best epoch counts. "GFLOP/s" are those of
the three products of each dense layer over the whole step's time: what else a step does makes it less than the products
reach alone.
"""

import argparse
import json
import sys
from datetime import UTC, datetime

import compare
import jobs
import report

PEERS = ("ironhorn-gpu", "ironhorn", "torch-cuda", "jax-cuda")
NETS = {"mnist": (32, 1024), "wide": (256, 1024, 8192), "wide-4096": (256, 1024, 8192)}
QUICK = {"mnist": (32, 1024), "wide": (256,), "wide-4096": (256,)}
STEPS, QUICK_STEPS = 128, 3  # of an epoch, where the data set stays small
DATA = 100 << 20  # bytes of it: less than the least that a buffer may have on any device


def operations(job: jobs.Job) -> int:
    """Multiplications and additions of a sample's products in a training step: forward, weights, and but for the first
    layer the input's gradient."""
    pairs = list(zip(job.widths, job.widths[1:], strict=False))
    return sum(2 * a * b * (2 if i == 0 else 3) for i, (a, b) in enumerate(pairs))


def race(runner: compare.Runner, job: jobs.Job, args: argparse.Namespace) -> dict[str, dict]:
    """Of each peer and variant its figures."""
    found = {}
    for peer in PEERS:
        for variant in compare.PEERS[peer].variants:
            if peer in runner.skipped:
                break
            size = ("--batch", job.batch, "--rows", job.rows, "--warmup", 1, "--epochs", args.epochs or 2)
            rounds = [runner.run(peer, job.name, "--variant", variant, *size) for _ in range(args.rounds)]
            done = [each for each in rounds if each]
            if not done:
                continue
            best = min(done, key=lambda each: each["us_per_step"])
            samples = job.batch / best["us_per_step"] * 1e6
            found[f"{peer}, {variant}" if variant else peer] = {
                "samples_per_s": samples,
                "gflops": samples * operations(job) / 1e9,
                "us_per_step": best["us_per_step"],
                "loss": best["final_loss"],
                "per_step": best.get("per_step"),
                "versions": best["versions"],
            }
    return found


def table(result: dict) -> str:
    lines = ["| net | batch | who | samples/s | GFLOP/s | ÷ Ironhorn's CPU | dispatches a step | submissions a step |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for each in result["races"]:
        base = each["peers"].get("ironhorn", {}).get("samples_per_s")
        for who, figures in each["peers"].items():
            ratio = f"{figures['samples_per_s'] / base:.2f}" if base else "–"
            counts = figures["per_step"] or {}
            shown = [f"{counts[key]:.3g}" if counts else "–" for key in ("dispatches", "submissions")]
            cells = [
                each["net"],
                str(each["batch"]),
                who,
                f"{figures['samples_per_s']:,.0f}",
                f"{figures['gflops']:,.1f}",
            ]
            lines.append(f"| {' | '.join([*cells, ratio, *shown])} |")
    return "\n".join(lines)


def main(args: argparse.Namespace, pythons: dict[str, str]) -> int:
    runner = compare.Runner(pythons, args.timeout, environment={})
    started = datetime.now(UTC)
    args.results.mkdir(parents=True, exist_ok=True)
    path = args.results / f"gpu-{started:%Y%m%dT%H%M%SZ}.json"
    result = {
        "machine": report.machine(),
        "started": started.isoformat(timespec="seconds"),
        "commit": compare.commit(),
        "races": [],
    }
    for name, batches in (QUICK if args.quick else NETS).items():
        for batch in batches:
            most = max(2, DATA // (4 * jobs.JOBS[name].widths[0] * batch))
            steps = min(QUICK_STEPS if args.quick and name != "mnist" else STEPS, most)
            job = jobs.sized(jobs.JOBS[name], batch, batch * steps)
            result["races"].append({"net": name, "batch": batch, "peers": race(runner, job, args)})
            result |= {"skipped": list(runner.skipped.values()), "problems": runner.problems} | runner.noise()
            path.write_text(json.dumps(result, indent=1))
    print(f"{result['machine']['cpu']}, {result['machine']['cores']} cores; {result['commit']}\n")
    print(table(result))
    print(
        "", *[f"- {line}" for line in result["skipped"]], *[f"- **{problem}**" for problem in runner.problems], sep="\n"
    )
    print(f"\n{path}", file=sys.stderr)
    return 1 if runner.problems else 0
