"""Writes a golden file of the present version, and beside it what the model in it is to predict and to lose next.

Run it once when the version of the file changes, and never again: ``python tests/golden/make.py 2``. The tests read the
files of every version.
"""

import json
import sys
from pathlib import Path

import numpy as np

import ironhorn
from ironhorn import layers, optimizers

ironhorn.utils.set_random_seed(42)
generator = np.random.default_rng(42)
x = generator.normal(size=(12, 5)).astype(np.float32)
y = generator.integers(0, 3, 12)
symbol = layers.Input((5,), name="x")
hidden = layers.Dropout(0.3)(layers.BatchNormalization()(layers.Dense(4, "relu", kernel_regularizer="l2")(symbol)))
merged = layers.Concatenate()([hidden, layers.Dense(2, "tanh")(symbol)])
model = ironhorn.Model(symbol, layers.Dense(3, "softmax")(merged), name="golden")
rate = optimizers.schedules.CosineDecay(0.05, 40)
model.compile(optimizers.Adam(rate, amsgrad=True), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=4, epochs=3, verbose=0)

path = Path(__file__).parent / f"version-{sys.argv[1]}.ironhorn"
model.save(path)
expected = {"x": x.tolist(), "y": y.tolist(), "p": model.predict(x, verbose=0).tolist()}
expected["loss"] = model.fit(x, y, batch_size=4, epochs=2, verbose=0).history["loss"]
path.with_suffix(".json").write_text(json.dumps(expected) + "\n")
