"""What Ironhorn's and Keras's peers share: the same model, written the same way."""

from types import ModuleType
from typing import Any

from jobs import Job


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
