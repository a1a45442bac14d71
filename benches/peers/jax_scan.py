"""JAX as an expert would write it: one jitted scan an epoch, data on the device, donated state, Adam by hand.

The order of the rows is drawn on the host; dropout masks are bytes from the cheapest generator.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jobs import BETA_1, BETA_2, EPSILON, Job

from peers import Epoch, timed

VERSIONS = {"jax": jax.__version__}


def network(params, x, keys, rate):
    """Logits, or the linear output."""
    last = len(params) // 2 - 1
    for layer in range(last + 1):
        x = x @ params[2 * layer] + params[2 * layer + 1]
        if layer < last:
            x = jax.nn.relu(x)
            if rate > 0:
                kept = round((1 - rate) * 256)
                x = jnp.where(jax.random.bits(keys[layer], x.shape, jnp.uint8) < kept, x * (256 / kept), 0)
    return x


def loss_of(job: Job, params, x, y, keys):
    out = network(params, x, keys, job.dropout)
    if job.classes:
        return -jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], axis=1).mean()
    return jnp.square(out - y).mean()


def update(job: Job, state, grads):
    params, m, v, t = state
    t = t + 1
    if job.optimizer == "sgd":
        return jax.tree.map(lambda p, g: p - job.rate * g, params, grads), m, v, t
    m = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), m, grads)
    v = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g * g - v), v, grads)
    rate = job.rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), params, m, v)
    return params, m, v, t


def step(job: Job, x, y, state, key, rows):
    keys = None
    if job.dropout:
        key, *keys = jax.random.split(key, len(job.widths) - 1)
    loss, grads = jax.value_and_grad(functools.partial(loss_of, job))(state[0], x[rows], y[rows], keys)
    return update(job, state, grads), key, loss


class Trainer:
    def __init__(self, job: Job, x, y, weights, seed: int, shuffle: bool, scan: bool = True):
        self.job, self.shuffle, self.scan = job, shuffle, scan
        self.x, self.y = jax.device_put(x), jax.device_put(y.astype(np.int32) if job.classes else y)
        params = [jnp.array(w) for w in weights]
        zeros = [jnp.zeros_like(p) for p in params]
        self.state = (params, zeros, [z.copy() for z in zeros], jnp.float32(0))
        self.key = jax.random.key(seed, impl="unsafe_rbg")
        self.rng = np.random.default_rng(seed)

        @functools.partial(jax.jit, donate_argnums=(2, 3))
        def epoch(x, y, state, key, order):
            def body(carry, rows):
                state, key, loss = step(job, x, y, *carry[:2], rows)
                return (state, key, carry[2] + loss), None

            return jax.lax.scan(body, (state, key, jnp.float32(0)), order)[0]

        @functools.partial(jax.jit, donate_argnums=(2, 3, 5))
        def one(x, y, state, key, rows, total):
            state, key, loss = step(job, x, y, state, key, rows)
            return state, key, total + loss

        self.epoch, self.one, self.answers = epoch, one, answers(job)

    def predict(self, x):
        return np.asarray(self.answers(self.state[0], x))

    def train(self) -> float:
        rows = self.rng.permutation(self.job.rows) if self.shuffle else np.arange(self.job.rows)
        order = rows.astype(np.int32).reshape(self.job.steps, self.job.batch)
        if self.scan:
            self.state, self.key, total = self.epoch(self.x, self.y, self.state, self.key, order)
        else:
            total = jnp.float32(0)
            for rows in order:
                self.state, self.key, total = self.one(self.x, self.y, self.state, self.key, rows, total)
        jax.block_until_ready(self.state)
        return float(total) / self.job.steps

    def run(self, epochs: int) -> list[Epoch]:
        return timed(self.train, epochs)


def answers(job: Job):
    """The compiled prediction: of parameters and rows."""

    def predict(params, x):
        out = network(params, x, None, 0.0)
        return jax.nn.softmax(out) if job.classes else out

    return jax.jit(predict)


def predictors(job: Job, weights):
    params, predict = [jnp.array(w) for w in weights], answers(job)
    return {"jit": lambda: lambda x: np.asarray(predict(params, x))}
