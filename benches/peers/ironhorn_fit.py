"""Ironhorn as a user writes it, with default threads."""

import functools

from jobs import Job, data

import ironhorn
import ironhorn.callbacks
import ironhorn.layers
import ironhorn.models
import ironhorn.optimizers
import ironhorn.utils
from peers import NARROW, Epoch
from peers.keras_like import model_of, run_epochs

VERSIONS = {"ironhorn": f"{ironhorn._core.__version__} ({ironhorn._core.cpu_level()})"}


class Trainer:
    def __init__(self, job: Job, x, y, weights, seed: int, shuffle: bool):
        ironhorn.utils.set_random_seed(seed)
        self.x, self.y, self.batch, self.shuffle = x, y, job.batch, shuffle
        self.model = model_of(job, ironhorn)
        self.model.set_weights(weights)
        self.threads = ironhorn._core.num_threads()

    def predict(self, x):
        return self.model.predict(x, verbose=0)

    def run(self, epochs: int) -> list[Epoch]:
        return run_epochs(self.model, ironhorn, self.x, self.y, epochs, batch_size=self.batch, shuffle=self.shuffle)


def predictors(job: Job, weights):
    model = model_of(job, ironhorn)
    model.set_weights(weights)
    ways = {"model.predict": lambda: lambda x: model.predict(x, verbose=0)}
    if not hasattr(model, "predictor"):
        return ways
    ways["predictor"] = model.predictor
    for precision in NARROW:
        # All rows: a number beyond the range of the calibration is off by more than the rounding.
        options = {"precision": precision} | ({"calibrate": data(job)[0]} if precision == "int8" else {})
        try:
            model.predictor(**options)
        except TypeError:  # a version without it
            continue
        ways[f"predictor, {precision}"] = functools.partial(model.predictor, **options)
    return ways
