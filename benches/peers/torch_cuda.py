"""PyTorch on CUDA, with and without TF32: eager as in `torch_eager.py`, and the compiled step of `torch_compiled.py`
captured in a CUDA graph."""

import torch
from jobs import Job

from peers import torch_compiled, torch_eager

if not torch.cuda.is_available():
    raise ModuleNotFoundError("no CUDA device", name="CUDA")

VERSIONS = {"torch": torch.__version__, "device": torch.cuda.get_device_name()}


class Captured(torch_compiled.Trainer):
    """Replays one graph a step; the rows of the batch are copied to where the graph reads them."""

    def __init__(self, *arguments):
        super().__init__(*arguments, device="cuda")
        batch = self.job.batch
        self.rows = torch.arange(batch, device="cuda")
        self.total = torch.zeros((), device="cuda")
        state = [*self.params, *self.m, *self.v, self.t, self.total]
        saved = [each.clone() for each in state]
        with torch.no_grad():
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):  # compiles, and allocates
                    self.one(self.rows, self.total)
            torch.cuda.current_stream().wait_stream(stream)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.one(self.rows, self.total)
            for each, before in zip(state, saved, strict=True):
                each.copy_(before)

    @torch.no_grad()
    def train(self) -> float:
        self.total.zero_()
        for rows in self.order().split(self.job.batch):
            self.rows.copy_(rows)
            self.graph.replay()
        return self.total.item() / self.job.steps


def Trainer(job: Job, *arguments, graph: bool = False, tf32: bool = False):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    return Captured(job, *arguments) if graph else torch_eager.Trainer(job, *arguments, device="cuda")
