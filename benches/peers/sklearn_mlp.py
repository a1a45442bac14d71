"""scikit-learn's MLP by `partial_fit`, which is one shuffled epoch. It has no dropout: its loss on mnist is another."""

import warnings

import numpy as np
import sklearn
from jobs import BETA_1, BETA_2, EPSILON, Job
from sklearn.neural_network import MLPClassifier, MLPRegressor

from peers import Epoch, timed

VERSIONS = {"scikit-learn": sklearn.__version__}


def mlp(job: Job, x, y, weights, seed: int, shuffle: bool):
    kind = MLPClassifier if job.classes else MLPRegressor
    model = kind(
        hidden_layer_sizes=job.widths[1:-1],
        solver=job.optimizer,
        alpha=0.0,
        batch_size=job.batch,
        # Half the squared error has half the gradient: twice the rate for SGD, and nothing to Adam.
        learning_rate_init=job.rate * (2 if job.optimizer == "sgd" and not job.classes else 1),
        momentum=0.0,
        beta_1=BETA_1,
        beta_2=BETA_2,
        epsilon=EPSILON,
        shuffle=shuffle,
        random_state=seed,
        n_iter_no_change=10**9,
    )
    with warnings.catch_warnings():  # a batch larger than the data
        warnings.simplefilter("ignore")
        model.partial_fit(x[:1], y[:1], **({"classes": np.arange(job.widths[-1])} if job.classes else {}))
    # The first call makes the arrays; now put the first weights into them and forget that step.
    for kernel, bias, w, b in zip(model.coefs_, model.intercepts_, weights[::2], weights[1::2], strict=True):
        kernel[:], bias[:] = w, b
    del model._optimizer
    model.random_state = np.random.RandomState(seed)  # an integer would give every epoch the same order
    return model


class Trainer:
    def __init__(self, job: Job, x, y, weights, seed: int, shuffle: bool):
        self.job, self.x, self.y = job, x, y if job.classes else y.ravel()
        self.model = mlp(job, self.x, self.y, weights, seed, shuffle)

    def train(self) -> float:
        self.model.partial_fit(self.x, self.y)
        return self.model.loss_ * (1 if self.job.classes else 2)

    def predict(self, x):
        return self.model.predict_proba(x) if self.job.classes else self.model.predict(x)[:, None]

    def run(self, epochs: int) -> list[Epoch]:
        return timed(self.train, epochs)


def predictors(job: Job, weights):
    x = np.zeros((1, job.widths[0]), np.float32)
    y = np.zeros(1, np.int64 if job.classes else np.float32)
    model = mlp(job, x, y, weights, 0, True)
    if job.classes:
        return {"predict_proba": lambda: model.predict_proba}
    return {"predict": lambda: lambda x: model.predict(x)[:, None]}
