"""PyTorch eager: data as one tensor, batches by `index_select`, the fused optimizer, denormals flushed."""

import torch
from jobs import BETA_1, BETA_2, EPSILON, Job
from torch import nn

from peers import Epoch, timed

VERSIONS = {"torch": torch.__version__}


def network(job: Job, weights) -> nn.Sequential:
    """Ends in logits, or in the linear output."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip(job.widths, job.widths[1:], strict=False):
        if layers:
            layers += [nn.ReLU(inplace=True)] + [nn.Dropout(job.dropout)] * (job.dropout > 0)
        layers.append(nn.Linear(fan_in, fan_out))
    net = nn.Sequential(*layers)
    with torch.no_grad():
        for parameter, array in zip(net.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(array.T))
    return net


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
        self.net = network(job, weights).to(device).train()
        self.loss = nn.CrossEntropyLoss() if job.classes else nn.MSELoss()
        if job.optimizer == "adam":
            self.optimizer = torch.optim.Adam(
                self.net.parameters(), lr=job.rate, betas=(BETA_1, BETA_2), eps=EPSILON, fused=True
            )
        else:
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=job.rate, fused=True)

    def train(self) -> float:
        total = torch.zeros((), device=self.device)
        make = torch.randperm if self.shuffle else torch.arange
        order = make(self.job.rows, device=self.device)
        for rows in order.split(self.job.batch):
            loss = self.loss(self.net(self.x.index_select(0, rows)), self.y.index_select(0, rows))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return total.item() / self.job.steps

    @torch.inference_mode()
    def predict(self, x):
        out = self.net.eval()(torch.from_numpy(x))
        self.net.train()
        return out.softmax(-1).numpy() if self.job.classes else out.numpy()

    def run(self, epochs: int) -> list[Epoch]:
        return timed(self.train, epochs)


def ways(net: nn.Module) -> dict:
    """A network that predicts on all threads, and on one."""

    @torch.inference_mode()
    def predict(x):
        return net(torch.from_numpy(x)).numpy()

    def with_threads(count):
        torch.set_num_threads(count)
        return predict

    every = torch.get_num_threads()
    return {"all threads": lambda: with_threads(every), "1 thread": lambda: with_threads(1)}


def inference(job: Job, weights) -> nn.Sequential:
    """The network that ends in what is asked of it."""
    ends = (nn.Softmax(dim=-1),) if job.classes else ()
    return nn.Sequential(*network(job, weights), *ends).eval()


def predictors(job: Job, weights):
    return ways(inference(job, weights))
