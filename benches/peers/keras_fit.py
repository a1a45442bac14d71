"""Keras on the backend that KERAS_BACKEND names: trained as Ironhorn is."""

import importlib

import keras
import numpy as np
from jobs import Job

from peers import Epoch
from peers.keras_like import model_of, run_epochs

BACKEND = keras.backend.backend()
VERSIONS = {"keras": keras.__version__, BACKEND: importlib.import_module(BACKEND).__version__}


class Trainer:
    def __init__(
        self,
        job: Job,
        x,
        y,
        weights,
        seed: int,
        shuffle: bool,
        jit_compile: bool | str = "auto",
        steps_per_execution: int | None = 1,  # None: the whole epoch; never more than it has
    ):
        keras.utils.set_random_seed(seed)
        self.x, self.y, self.batch, self.shuffle = x, y, job.batch, shuffle
        # On JAX, Keras takes the logarithm of clipped probabilities: where they saturate, as at the start of wide, the
        # loss is another one. TensorFlow finds the logits by itself.
        self.logits = logits = BACKEND == "jax" and job.classes
        steps = min(steps_per_execution or job.steps, job.steps)
        self.model = model_of(job, keras, logits, jit_compile=jit_compile, steps_per_execution=steps)
        self.model.set_weights(weights)

    def predict(self, x):
        out = self.model.predict(x, batch_size=1024, verbose=0)
        return keras.ops.convert_to_numpy(keras.ops.softmax(out)) if self.logits else out

    def run(self, epochs: int) -> list[Epoch]:
        return run_epochs(self.model, keras, self.x, self.y, epochs, batch_size=self.batch, shuffle=self.shuffle)


def predictors(job: Job, weights):
    model = model_of(job, keras)
    model.set_weights(weights)
    return {
        "predict_on_batch": lambda: model.predict_on_batch,
        "predict": lambda: lambda x: model.predict(x, batch_size=max(32, len(x)), verbose=0),
        "call": lambda: lambda x: np.asarray(model(x, training=False)),
    }
