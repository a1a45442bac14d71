"""The run that the tests of backups interrupt: a net whose every source of randomness takes part."""

import numpy as np

import ironhorn
from ironhorn import layers, optimizers
from ironhorn.callbacks import EarlyStopping, LearningRateScheduler, ReduceLROnPlateau

EPOCHS = 6


def make(optimizer=None):
    """Its seed is another each time."""
    model = ironhorn.Sequential(
        [
            ironhorn.Input((3,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer or optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def data():
    generator = np.random.default_rng(4)
    x = generator.normal(size=(50, 3)).astype(np.float32)
    return x, x.sum(1) + 0.1 * generator.normal(size=50).astype(np.float32)


def rate(epoch, present):
    return present * 0.9


VARIANTS = {
    "plain": list,
    "stops": lambda: [EarlyStopping("loss", patience=1, min_delta=1.0, restore_best_weights=True)],
    "rates": lambda: [LearningRateScheduler(rate), ReduceLROnPlateau("loss", patience=1, min_delta=0.3, factor=0.5)],
}


def fit(model, given):
    """History, epochs and the bits of the weights."""
    x, y = data()
    model.fit(x, y, batch_size=8, epochs=EPOCHS, validation_data=(x, y), callbacks=given, verbose=0)
    return model.history.history, model.history.epoch, [w.tobytes() for w in model.get_weights()]
