"""Ironhorn on the first GPU, written as `ironhorn_fit.py`; counts what goes to the device."""

from jobs import Job

import ironhorn
from peers import Epoch, ironhorn_fit

names = dict(ironhorn._core.devices())
if "gpu:0" not in names:
    raise ModuleNotFoundError("no GPU", name="adapter")

VERSIONS = ironhorn_fit.VERSIONS | {"device": names["gpu:0"]}


class Trainer(ironhorn_fit.Trainer):
    def __init__(self, job: Job, *arguments):
        ironhorn._core.set_device("gpu")
        super().__init__(job, *arguments)
        self.steps = job.steps

    def run(self, epochs: int) -> list[Epoch]:
        before = ironhorn._core.gpu_counters(0)
        results = super().run(epochs)
        after = ironhorn._core.gpu_counters(0)
        counts = [(now - then) / (epochs * self.steps) for now, then in zip(after, before, strict=True)]
        self.per_step = dict(zip(("dispatches", "submissions"), counts, strict=True))
        return results
