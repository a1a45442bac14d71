"""PyTorch with the whole step in one compiled graph: the gather of the batch, forward, backward and Adam by hand.

A functional step (`torch.func`) has no graph breaks, unlike `loss.backward()` with a compiled optimizer beside it.
"""

import torch
from jobs import BETA_1, BETA_2, EPSILON, Job
from torch.nn import functional

from peers import Epoch, timed
from peers.torch_eager import inference, network, ways

VERSIONS = {"torch": torch.__version__}


def loss_of(job: Job, params, x, y):
    last = len(params) // 2 - 1
    for layer in range(last + 1):
        x = functional.linear(x, params[2 * layer], params[2 * layer + 1])
        if layer < last:
            x = functional.dropout(functional.relu(x), job.dropout) if job.dropout else functional.relu(x)
    return functional.cross_entropy(x, y) if job.classes else functional.mse_loss(x, y)


def step(job: Job, params, m, v, t, total, x, y, rows) -> None:
    batch = x.index_select(0, rows), y.index_select(0, rows)
    grads, loss = torch.func.grad_and_value(lambda params: loss_of(job, params, *batch))(params)
    total += loss
    t += 1
    rate = job.rate * torch.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if job.optimizer == "sgd":
            p -= job.rate * g
            continue
        m[i].add_(g - m[i], alpha=1 - BETA_1)
        v[i].add_(g * g - v[i], alpha=1 - BETA_2)
        p -= rate * m[i] / (torch.sqrt(v[i]) + EPSILON)


class Trainer:
    def __init__(self, job: Job, x, y, weights, seed: int, shuffle: bool, threads: int | None = None, device="cpu"):
        torch.manual_seed(seed)
        torch.set_flush_denormal(True)
        if threads:
            torch.set_num_threads(threads)
        self.threads = torch.get_num_threads()
        self.job, self.shuffle = job, shuffle
        self.device = device
        self.x, self.y = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
        self.params = [p.detach().contiguous() for p in network(job, weights).to(device).parameters()]
        self.m, self.v = ([torch.zeros_like(p) for p in self.params] for _ in range(2))
        self.t = torch.zeros((), device=device)
        self.step = torch.compile(step, fullgraph=True, dynamic=False)

    def order(self):
        make = torch.randperm if self.shuffle else torch.arange
        return make(self.job.rows, device=self.device)

    def one(self, rows, total) -> None:
        self.step(self.job, self.params, self.m, self.v, self.t, total, self.x, self.y, rows)

    @torch.no_grad()
    def train(self) -> float:
        total = torch.zeros((), device=self.device)
        for rows in self.order().split(self.job.batch):
            self.one(rows, total)
        return total.item() / self.job.steps

    def run(self, epochs: int) -> list[Epoch]:
        return timed(self.train, epochs)


def predictors(job: Job, weights):
    return ways(torch.compile(inference(job, weights)))
