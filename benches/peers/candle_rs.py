"""candle, from Rust: `rust-peers` trains from files that this writes; its epochs are timed in there."""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from jobs import Job

from peers import Epoch

FOLDER = Path(__file__).parents[1] / "rust-peers"
PROGRAM = FOLDER / "target" / "release" / "rust-peers"
if not PROGRAM.exists():
    raise ModuleNotFoundError("not built: cargo build --release in benches/rust-peers", name="candle")


def version() -> str:
    _, _, entry = (FOLDER / "Cargo.lock").read_text().partition('name = "candle-core"\nversion = "')
    return entry.partition('"')[0]


VERSIONS = {"candle": version()}


class Trainer:
    def __init__(self, job: Job, x, y, weights, seed: int, shuffle: bool):
        self.folder = tempfile.TemporaryDirectory()
        place = Path(self.folder.name)
        (place / "job.json").write_text(json.dumps(asdict(job) | {"seed": seed, "shuffle": shuffle}))
        x.tofile(place / "x")
        y.tofile(place / "y")
        for i, array in enumerate(weights):
            array.tofile(place / f"w{i}")

    def run(self, epochs: int) -> list[Epoch]:
        """All epochs from the first weights: it can be called once."""
        command = [str(PROGRAM), self.folder.name, str(epochs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, check=True)
        return [Epoch(**json.loads(line)) for line in done.stdout.splitlines()]
