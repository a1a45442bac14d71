"""Races Ironhorn against its peers: one fresh process a peer and round, interleaved, paired by round.

    python benches/compare.py --jobs mnist,small --rounds 5
    python benches/compare.py --device gpu --rounds 3

See benches/README.md. Exits with 1 when losses or predictions disagree or a peer fails.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import jobs
import report
from peers import GPU_PEERS, NARROW, PEERS, TRAINING

HERE = Path(__file__).parent
CALIBRATION_EPOCHS, CALIBRATION_PASSES = 2, 2  # timed epochs of each setting in turn, to choose the one that races
PREDICTION_TOLERANCE, NARROW_TOLERANCE = 1e-4, 2e-2


def busy_seconds() -> float:
    """CPU time of the whole machine so far, this program's included."""
    user, nice, system, _idle, _wait, irq, soft = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def inherited() -> dict[str, str]:
    """The environment of a user, whose imports find byte code from the second time on."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Runner:
    """Starts the processes, one at a time, and watches what else the machine does meanwhile."""

    def __init__(self, pythons: dict[str, str], timeout: float, environment: dict[str, str] | None = None):
        self.pythons, self.timeout = pythons, timeout
        self.environment = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"} if environment is None else environment
        self.foreign: list[tuple[float, float]] = []  # (seconds, cores used by others)
        self.skipped: dict[str, str] = {}  # peers that are not installed, and what they lack
        self.problems: list[str] = []

    def run(self, peer: str, job: str, *options: object) -> dict | None:
        """The peer's result, or None when it is not installed or fails, which is noted."""
        command = [self.pythons[peer], str(HERE / "child.py"), peer, job, *map(str, options)]
        print(f"{datetime.now():%H:%M:%S} {job} {peer} {' '.join(command[4:])}", file=sys.stderr, flush=True)
        environment = inherited() | self.environment
        busy, cpu, began = busy_seconds(), children_seconds(), time.perf_counter()
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            self.problems.append(f"{job}: {peer} took longer than {self.timeout:.0f} s")
            return None
        wall = time.perf_counter() - began
        foreign = max(busy_seconds() - busy - (children_seconds() - cpu), 0.0) / wall
        if done.returncode:
            error = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            self.problems.append(f"{job}: {peer} failed: {error}")
            return None
        result = json.loads(done.stdout.strip().splitlines()[-1])
        if "missing" in result:
            self.skipped[peer] = f"{peer} is skipped: no {result['missing']} here ({self.pythons[peer]})"
            return None
        self.foreign.append((wall, foreign))
        return result | {"foreign_cores": foreign}

    def noise(self) -> dict[str, float]:
        seconds = sum(wall for wall, _ in self.foreign) or 1.0
        return {
            "foreign_cores": sum(wall * cores for wall, cores in self.foreign) / seconds,
            "foreign_most": max((cores for _, cores in self.foreign), default=0.0),
        }


def compared(job: jobs.Job, losses: dict[str, float]) -> dict[str, float]:
    """Of the peers that train the same thing: a peer without dropout does not where the job has it."""
    return {peer: loss for peer, loss in losses.items() if PEERS[peer].dropout or not job.dropout}


def judge(runner: Runner, what: str, losses: dict[str, float], tolerance: float | None, reference: str) -> str:
    """A line for the report; what disagrees is a problem."""
    shown = ", ".join(f"{peer} {loss:.5g}" for peer, loss in losses.items())
    if reference not in losses or tolerance is None:
        return f"Not judged: {what}: {shown}."
    away = report.losses_apart(losses, reference, tolerance)
    if away:
        names = ", ".join(f"{peer} by {distance:.1%}" for peer, distance in away.items())
        runner.problems.append(f"{what}: further than {tolerance:.0%} from {reference}: {names}")
        return f"**DISAGREE**: {what} ({names}; tolerance {tolerance:.0%}): {shown}."
    return f"Agree within {tolerance:.0%}: {what}: {shown}."


def calibrate(
    runner: Runner, job: jobs.Job, peers: list[str], args: argparse.Namespace, known: dict[str, str]
) -> tuple[dict[str, str], dict]:
    """The fastest setting of each peer on this job if it is not known, and what was measured to choose it."""
    settings, measured = {}, {}
    for peer in peers:
        variants = list(PEERS[peer].variants)
        settings[peer] = known.get(peer, variants[0])
        if peer not in known and len(variants) > 1 and job.name in TRAINING:
            options = ("--warmup", args.warmup, "--epochs", CALIBRATION_EPOCHS)
            found: dict[str, float] = {}
            for name in variants * args.passes:
                if peer not in runner.skipped and (result := runner.run(peer, job.name, "--variant", name, *options)):
                    found[name] = min(found.get(name, math.inf), result["us_per_step"])
            settings[peer], measured[peer] = min(found, key=found.get, default=variants[0]), found
    settings = {peer: name for peer, name in settings.items() if peer not in runner.skipped}
    return settings, measured


def check(runner: Runner, job: jobs.Job, settings: dict[str, str]) -> dict[str, float]:
    """The loss of every peer that works, after a few epochs in the rows' own order."""
    options = ("--given-order", "--warmup", 0, "--epochs", jobs.CHECK_EPOCHS)
    losses = {}
    for peer, variant in settings.items():
        if result := runner.run(peer, job.name, "--variant", variant, *options):
            losses[peer] = result["final_loss"]
    return losses


def race(runner: Runner, job: jobs.Job, peers: list[str], args: argparse.Namespace) -> dict | None:
    """All rounds of one job. A peer that fails once is out, and so are its earlier rounds."""
    peers = [peer for peer in peers if job.name in PEERS[peer].jobs and peer not in runner.skipped]
    training, notes, given = job.name in TRAINING, [], {}
    earlier = json.loads(args.settings.read_text())["races"] if args.settings else {}
    known = earlier.get(job.name, {}).get("settings", {})
    settings, measured = calibrate(runner, job, peers, args, known)
    if training:
        given = check(runner, job, settings)
        peers = list(given)
    epochs = args.epochs or job.epochs
    rounds: list[dict] = []
    for index in range(args.rounds):
        rounds.append({})
        turn = index % max(len(peers), 1)
        fixed = ("--seed", index, "--warmup", args.warmup, "--epochs", epochs)
        for peer in peers[turn:] + peers[:turn]:  # everybody follows everybody
            if result := runner.run(peer, job.name, "--variant", settings[peer], *fixed):
                rounds[-1][peer] = result
        peers = [peer for peer in peers if peer in rounds[-1]]
    rounds = [{peer: results[peer] for peer in peers} for results in rounds]
    if not peers:
        return None
    reference = args.reference if args.reference in peers else peers[0]
    if reference != args.reference:
        runner.problems.append(f"{job.name}: {args.reference} did not run: ratios are to {reference}")
    summary = report.summary(rounds, reference, not training)
    if training:
        what = f"losses of {job.name} after {jobs.CHECK_EPOCHS} epochs in the rows' own order"
        notes.append(judge(runner, what, compared(job, given), jobs.CHECK_TOLERANCE, reference))
        what = f"raced losses of {job.name} (shuffled, {args.warmup} + {epochs} epochs, median of the rounds)"
        raced = compared(job, {peer: figures["final_loss"] for peer, figures in summary.items()})
        notes.append(judge(runner, what, raced, job.shuffled_tolerance, reference))
        if left := [peer for peer in peers if peer not in raced]:
            notes.append(f"Without dropout, so with another loss: {', '.join(left)}.")
    else:
        for narrow, tolerance in ((False, PREDICTION_TOLERANCE), (True, NARROW_TOLERANCE)):
            errors = {name: f["max_error"] for name, f in summary.items() if name.endswith(NARROW) == narrow}
            wrong = [name for name, error in errors.items() if not error <= tolerance]
            runner.problems += [f"{job.name}: {name} differs from NumPy by over {tolerance}" for name in wrong]
            if errors:
                kept = "Of narrow weights: answers" if narrow else "Answers"
                notes.append(f"{kept} differ from NumPy's by at most {max(errors.values()):.1g}.")
    parts = {"settings": settings, "calibration": measured, "given_order_losses": given, "notes": notes}
    return parts | {"reference": reference, "summary": summary, "rounds": rounds}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default="mnist,small", help=f"of {','.join(jobs.JOBS)} (default: %(default)s)")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="gpu: see accelerator.py")
    parser.add_argument("--quick", action="store_true", help="on the GPU: fewer nets, batches and steps")
    parser.add_argument(
        "--peers",
        default=",".join(p for p in PEERS if p not in GPU_PEERS),
        help="default: all that are installed, of %(default)s",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="timed epochs (default: the job's own number)")
    parser.add_argument("--warmup", type=int, default=2, help="epochs before them (default: %(default)s)")
    parser.add_argument("--passes", type=int, default=CALIBRATION_PASSES, help="tries of each setting (%(default)s)")
    parser.add_argument("--settings", type=Path, help="JSON of an earlier run: take its settings, try no others")
    parser.add_argument("--reference", default="ironhorn", help="whom the ratios are to (default: %(default)s)")
    parser.add_argument("--python", default=sys.executable, help="interpreter of every process")
    parser.add_argument("--ironhorn-python", help="another for Ironhorn")
    parser.add_argument("--peer-python", help="another for the peers")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one process (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the JSON")
    args = parser.parse_args()
    args.jobs, args.peers = args.jobs.split(","), args.peers.split(",")
    for kind, given, known in (("job", args.jobs, jobs.JOBS), ("peer", args.peers, PEERS)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"unknown {kind} {unknown[0]!r}: one of {', '.join(known)}")
    if args.rounds < 1 or args.warmup < 0 or (args.epochs is not None and args.epochs < 1):
        parser.error("--rounds and --epochs must be at least 1, --warmup at least 0")
    return args


def commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def main() -> int:
    args = arguments()
    pythons = dict.fromkeys(args.peers, args.peer_python or args.python)
    pythons |= {peer: args.ironhorn_python or args.python for peer in args.peers if peer.startswith("ironhorn")}
    if args.device == "gpu":
        import accelerator

        own, others = args.ironhorn_python or args.python, args.peer_python or args.python
        found = {peer: own if peer.startswith("ironhorn") else others for peer in accelerator.PEERS}
        return accelerator.main(args, found)
    runner = Runner(pythons, args.timeout)
    started = datetime.now(UTC)
    path = args.results / f"{started:%Y%m%dT%H%M%SZ}.json"
    args.results.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": report.machine(),
        "started": started.isoformat(timespec="seconds"),
        "commit": commit(),
        "arguments": {key: str(value) if isinstance(value, Path) else value for key, value in vars(args).items()},
        "races": {},
    }
    for name in args.jobs:
        if raced := race(runner, jobs.JOBS[name], args.peers, args):
            result["races"][name] = raced
        result |= {"skipped": list(runner.skipped.values()), "problems": runner.problems} | runner.noise()
        path.write_text(json.dumps(result, indent=1))  # after every job: a run takes long
    print(report.render(result))
    print(f"\n{path}", file=sys.stderr)
    return 1 if runner.problems else 0


if __name__ == "__main__":
    sys.exit(main())
