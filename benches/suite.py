"""Everything that the project's targets name, in one run: the table of targets, JSON, and on request the documents.

    python benches/suite.py --docs     # what `make bench` runs; about 25 minutes
    python benches/suite.py --quick    # three short rounds; about 8 minutes once cargo has built and settings are known
    python benches/suite.py --parts races,growth --update benches/results/<time>.json   # these parts anew

Exits with 1 when losses or predictions disagree or a part fails; a missed target is a result and no failure.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import compare
import jobs
import real
import report
import targets

HERE = Path(__file__).parent
ROOT = HERE.parent
PARTS = ("rust", "races", "footprint", "growth", "real")
IMPORTS = 11

# Who races where: those that the targets name, and the strongest others. (Everybody: compare.py.)
OWN = ("ironhorn", "ironhorn-1-thread")
FIELDS: dict[str, tuple[str, ...]] = {
    "mnist": (*OWN, "jax", "torch", "torch-compile", "keras-jax", "keras-tf", "keras-tf-defaults", "numpy"),
    "small": (*OWN, "jax", "torch", "torch-compile", "keras-jax", "sklearn", "numpy"),
    "wide": (*OWN, "jax", "torch", "torch-compile", "keras-jax"),
    "line": (*OWN, "jax", "torch"),
    "predict": ("ironhorn", "onnxruntime", "litert", "openvino", "jax", "torch", "numpy"),
    "predict-small": ("ironhorn", "onnxruntime", "litert", "numpy"),
}
# Epochs before the clock counts, and timed ones: (full, quick).
EPOCHS = {"mnist": ((1, 2), (1, 1)), "small": ((2, 10), (1, 3)), "wide": ((1, 3), (1, 1)), "line": ((1, 3), (1, 3))}
QUICK_LEFT_OUT = ("keras-tf", "torch-compile", "numpy", "sklearn", "openvino")
REAL_TASKS = ("digits", "breast_cancer", "diabetes")


def settings_path(machine: dict, results: Path) -> Path:
    """The fastest settings of the peers are tried out once a machine."""
    name = "".join(c if c.isalnum() else "-" for c in f"{machine['cpu']}-{machine['family_model']}-{machine['cores']}")
    return results / f"settings-{name}.json"


def race_all(runner: compare.Runner, args: argparse.Namespace, machine: dict) -> Iterator[tuple[str, dict]]:
    """Job by job the name and the race."""
    path = settings_path(machine, args.results)
    for name, field in FIELDS.items():
        if name not in args.jobs:
            continue
        warmup, epochs = EPOCHS.get(name, ((1, 1), (1, 1)))[args.quick]
        peers = [peer for peer in field if not args.quick or peer not in QUICK_LEFT_OUT]
        known = json.loads(path.read_text()) if path.exists() else {"races": {}}
        options = argparse.Namespace(
            warmup=warmup,
            epochs=epochs,
            rounds=3 if args.quick else args.rounds,
            passes=1,
            settings=path if path.exists() else None,
            reference="ironhorn",
        )
        if raced := compare.race(runner, jobs.JOBS[name], peers, options):
            if name in compare.TRAINING:
                known["races"].setdefault(name, {}).setdefault("settings", {}).update(raced["settings"])
                path.write_text(json.dumps(known, indent=1))
            yield name, raced


def process(command: list[str], problems: list[str], timeout: float, **environment: str) -> str | None:
    """The last line a process prints; what goes wrong is a problem."""
    shown = " ".join(Path(command[0]).name if i == 0 else part for i, part in enumerate(command))
    print(f"{datetime.now():%H:%M:%S} {shown}", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=compare.inherited() | environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        problems.append(f"{shown}: {error}")
        return None
    if done.returncode:
        problems.append(f"{shown}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
        return None
    return (done.stdout.strip().splitlines() or [""])[-1]


def script(args: argparse.Namespace, problems: list[str], name: str, *options: str) -> dict | None:
    line = process([args.ironhorn_python or args.python, str(HERE / name), *options], problems, 900)
    return None if line is None else json.loads(line)


def footprint(args: argparse.Namespace, problems: list[str]) -> dict:
    script(args, problems, "footprint.py", "import")  # byte code and file cache
    imports = [script(args, problems, "footprint.py", "import") for _ in range(3 if args.quick else IMPORTS)]
    return {"imports": [each for each in imports if each], "memory": script(args, problems, "footprint.py", "memory")}


def estimates(folder: Path) -> dict[str, dict]:
    """Of every benchmark under criterion's folder: seconds of its fastest sample, and what it does a second.

    The fastest and not the mean: other programs of the machine only ever add.
    """
    found = {}
    for path in folder.glob("**/new/benchmark.json"):
        about, sample = json.loads(path.read_text()), json.loads(path.with_name("sample.json").read_text())
        seconds = min(time / count for time, count in zip(sample["times"], sample["iters"], strict=True)) / 1e9
        found[about["full_id"]] = {"seconds": seconds}
        if about["throughput"]:
            found[about["full_id"]]["units_per_s"] = next(iter(about["throughput"].values())) / seconds
    return found


def rust(args: argparse.Namespace, problems: list[str]) -> dict:
    """What cargo measures: the machine's peaks, one row from Rust, the kernels at each level."""
    cargo, found = ["cargo", "bench", "--quiet", "--features", "bench-internals", "--bench"], {}
    process([*cargo, "kernels", "--bench", "roofline", "--bench", "latency", "--no-run"], problems, 1800)
    for name in ("roofline", "latency"):
        path = args.results / f"{name}.json"
        path.unlink(missing_ok=True)
        process([*cargo, name], problems, 600, IRONHORN_BENCH_JSON=str(path.resolve()))
        if path.exists():
            found[name] = json.loads(path.read_text())
    folder = args.results / "criterion"
    wanted = ["--", "wide"] if args.quick else []
    levels = [level for level in ("avx512", "avx2") if f"fma_gflops_{level}" in found.get("roofline", {})]
    for level in levels[1:]:
        process([*cargo, "kernels", *wanted], problems, 900, IRONHORN_CPU=level, CRITERION_HOME=str(folder.resolve()))
    process([*cargo, "kernels", *wanted], problems, 900, CRITERION_HOME=str(folder.resolve()))
    return found | {"kernels": estimates(folder)}


def real_data(args: argparse.Namespace) -> dict:
    tasks = list(REAL_TASKS[:1] if args.quick else REAL_TASKS)
    own = {"ironhorn": args.ironhorn_python or args.python}
    pythons = dict.fromkeys(real.PEERS, args.peer_python or args.python) | own
    return real.measure(tasks, list(real.PEERS), 1.0, 2 if args.quick else 5, None, pythons)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write tables and plots into docs/ and README.md")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", default=",".join(PARTS), help="default: %(default)s; none: only print and write")
    parser.add_argument("--jobs", default=",".join(FIELDS), help="of the races")
    parser.add_argument("--update", type=Path, help="JSON of an earlier run that the measured parts go into")
    parser.add_argument("--python", default=sys.executable, help="interpreter of every process")
    parser.add_argument("--ironhorn-python", help="another for Ironhorn")
    parser.add_argument("--peer-python", help="another for the peers")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the JSON")
    args = parser.parse_args()
    args.parts, args.jobs = [p for p in args.parts.split(",") if p not in ("", "none")], args.jobs.split(",")
    if unknown := [p for p in args.parts if p not in PARTS] + [j for j in args.jobs if j not in FIELDS]:
        parser.error(f"unknown {unknown[0]!r}: parts are {', '.join(PARTS)}; jobs {', '.join(FIELDS)}")
    if not args.parts and not args.update:
        parser.error("--parts none needs --update, a run to print and write")
    return args


def main() -> int:
    args, started = arguments(), datetime.now(UTC)
    args.results.mkdir(parents=True, exist_ok=True)
    names = sorted({peer for field in FIELDS.values() for peer in field})
    pythons = dict.fromkeys(names, args.peer_python or args.python)
    pythons |= {peer: args.ironhorn_python or args.python for peer in names if peer.startswith("ironhorn")}
    runner = compare.Runner(pythons, timeout=900)
    result = json.loads(args.update.read_text()) if args.update else {"races": {}}
    if args.parts:
        result |= {"machine": report.machine(), "commit": compare.commit(), "quick": args.quick}
        result["started"] = started.isoformat(timespec="seconds")
    path = args.update or args.results / f"suite-{started:%Y%m%dT%H%M%SZ}.json"
    for part in args.parts:
        if part == "rust":
            result["rust"] = rust(args, runner.problems)
        elif part == "races":
            for name, raced in race_all(runner, args, result["machine"]):
                result["races"][name] = raced
                result |= runner.noise()
                path.write_text(json.dumps(result, indent=1))  # a run takes long
        elif part == "footprint":
            result |= footprint(args, runner.problems)
        elif part == "growth":
            options = ["--quick"] if args.quick else []
            result["growth"] = script(args, runner.problems, "growth.py", *options)
        else:
            result["real"] = real_data(args)
        result |= {"skipped": list(runner.skipped.values()), "problems": runner.problems}
        path.write_text(json.dumps(result, indent=1))
    took = (datetime.now(UTC) - started).total_seconds() / 60
    print(targets.table(result))
    print("", *[f"- **{problem}**" for problem in runner.problems], sep="\n")
    print(f"{path}, after {took:.0f} minutes", file=sys.stderr)
    if args.docs:
        import documents

        documents.write(result, ROOT)
    return 1 if runner.problems else 0


if __name__ == "__main__":
    sys.exit(main())
