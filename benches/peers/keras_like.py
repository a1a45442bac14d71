"""What Ironhorn's and Keras's peers share: the same model, written and trained the same way."""

import time
from types import ModuleType
from typing import Any

from jobs import Job

from peers import Epoch


def model_of(job: Job, keras: ModuleType, logits: bool = False, **compile_args: Any):
    """The job's network, compiled; `keras` is a module with Keras's submodules. With `logits` the softmax is moved
    from the last layer into the loss."""
    layers = [keras.layers.Input((job.widths[0],))]
    for width in job.widths[1:-1]:
        layers.append(keras.layers.Dense(width, activation="relu"))
        if job.dropout:
            layers.append(keras.layers.Dropout(job.dropout))
    layers.append(keras.layers.Dense(job.widths[-1], activation="softmax" if job.classes and not logits else None))
    model = keras.models.Sequential(layers)
    optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[job.optimizer](job.rate)
    loss = "sparse_categorical_crossentropy" if job.classes else "mse"
    if job.classes and logits:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, **compile_args)
    return model


def run_epochs(model, keras: ModuleType, x, y, epochs: int, **fit_args: Any) -> list[Epoch]:
    """One `fit` over all epochs, each timed by a callback: cheaper than one `fit` each, and what users write. The loss
    in the logs is a plain number, so an epoch's work has ended when its end is called."""
    times: list[Epoch] = []

    class Timer(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.process_time(), time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            loss = float(logs["loss"])
            cpu, wall = self.began
            times.append(Epoch(time.perf_counter() - wall, time.process_time() - cpu, loss))

    model.fit(x, y, epochs=epochs, callbacks=[Timer()], verbose=0, **fit_args)
    return times
