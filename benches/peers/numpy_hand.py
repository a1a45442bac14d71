"""NumPy by hand: the backward pass written out, Adam in place on one flat vector."""

import numpy as np
from jobs import BETA_1, BETA_2, EPSILON, Job, forward

from peers import Epoch, timed

VERSIONS = {"numpy": np.__version__}


class Trainer:
    def __init__(self, job: Job, x, y, weights, seed: int, shuffle: bool):
        self.job, self.x, self.y, self.shuffle = job, x, y, shuffle
        self.rng = np.random.default_rng(seed)
        self.flat = np.concatenate([w.ravel() for w in weights])
        self.grad, self.m, self.v, self.work = (np.zeros_like(self.flat) for _ in range(4))
        self.t = 0
        self.params, self.grads = self.views(self.flat, weights), self.views(self.grad, weights)

    @staticmethod
    def views(flat, arrays):
        ends = np.cumsum([a.size for a in arrays])
        return [flat[end - a.size : end].reshape(a.shape) for a, end in zip(arrays, ends, strict=True)]

    def step(self, x, y) -> float:
        job, params, grads = self.job, self.params, self.grads
        inputs, slopes = [x], []
        last = len(params) // 2 - 1
        for layer in range(last):
            x = x @ params[2 * layer]
            x += params[2 * layer + 1]
            slope = (x > 0).astype(np.float32)
            if job.dropout:
                kept = round((1 - job.dropout) * 256)
                slope *= np.frombuffer(self.rng.bytes(x.size), np.uint8).reshape(x.shape) < kept
                slope *= np.float32(256 / kept)
            x *= slope
            inputs.append(x)
            slopes.append(slope)
        z = x @ params[-2] + params[-1]
        if job.classes:
            z -= z.max(axis=1, keepdims=True)
            every = np.arange(len(y))
            right = z[every, y]
            np.exp(z, out=z)
            total = z.sum(axis=1, keepdims=True)
            loss = (np.log(total[:, 0]) - right).mean()
            z /= total
            z[every, y] -= 1
            z /= np.float32(len(y))
        else:
            z -= y
            loss = np.square(z).mean()
            z *= np.float32(2 / z.size)
        for layer in range(last, -1, -1):
            np.matmul(inputs[layer].T, z, out=grads[2 * layer])
            z.sum(axis=0, out=grads[2 * layer + 1])
            if layer:
                z = z @ params[2 * layer].T
                z *= slopes[layer - 1]
        self.update()
        return float(loss)

    def update(self) -> None:
        grad, work, m, v = self.grad, self.work, self.m, self.v
        if self.job.optimizer == "sgd":
            grad *= np.float32(self.job.rate)
            self.flat -= grad
            return
        self.t += 1
        np.subtract(grad, m, out=work)
        work *= np.float32(1 - BETA_1)
        m += work
        grad *= grad
        grad -= v
        grad *= np.float32(1 - BETA_2)
        v += grad
        np.sqrt(v, out=work)
        work += np.float32(EPSILON)
        np.divide(m, work, out=work)
        work *= np.float32(self.job.rate * np.sqrt(1 - BETA_2**self.t) / (1 - BETA_1**self.t))
        self.flat -= work

    def train(self) -> float:
        rows = self.rng.permutation(self.job.rows) if self.shuffle else np.arange(self.job.rows)
        order = rows.reshape(self.job.steps, self.job.batch)
        return sum(self.step(self.x[rows], self.y[rows]) for rows in order) / self.job.steps

    def predict(self, x):
        return forward(self.params, x)

    def run(self, epochs: int) -> list[Epoch]:
        return timed(self.train, epochs)


def predictors(job: Job, weights):
    return {"by hand": lambda: lambda x: forward(weights, x)}
