"""`IRONHORN_PROFILE=1` prints where the time of each run went."""

import os
import re
import subprocess
import sys

PROGRAM = """
import numpy as np
from ironhorn import Sequential
from ironhorn.layers import Dense, Dropout
hidden, out = Dense(32, activation="relu", name="hidden"), Dense(3, activation="softmax", name="out")
model = Sequential([hidden, Dropout(0.5), out])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
x, y = np.random.default_rng(0).normal(size=(256, 20)).astype("float32"), np.arange(256) % 3
model.fit(x, y, batch_size=64, epochs=2, verbose=0)
model.predict(x, verbose=0)
"""


def run(**environment):
    environment = {name: value for name, value in os.environ.items() if name != "IRONHORN_PROFILE"} | environment
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_profile_names_every_operation_of_each_run():
    out, err = run(IRONHORN_PROFILE="1", IRONHORN_NUM_THREADS="1", IRONHORN_DEVICE="cpu")
    assert out == ""
    heads = re.findall(r"^ironhorn: (.*), (\d+) batches of (\d+), 1 threads, \w+, limit \d+ GFLOP/s a core$", err, re.M)
    assert heads[0][0] == "training" and heads[-1][0] == "a forward pass"
    assert sum(int(batches) for what, batches, _ in heads if what == "training") == 8
    training = err.split("ironhorn: a forward pass")[0]
    lines = [
        "gather input 0",
        "forward hidden Dense 20 × 32",
        "forward hidden relu",
        "gradient and update out Dense 32 × 3",
    ]
    for line in lines:
        numbers = re.search(rf"^{line} +([\d.]+) +([\d.]+)% +([\d.]+)", training, re.M)
        assert numbers and float(numbers[1]) > 0 and 0 <= float(numbers[2]) <= 100
    assert re.search(r"^forward hidden Dense .* \d+%$", training, re.M), "a product has a share of the limit"


def test_without_it_nothing_is_printed():
    assert run() == ("", "")
    assert run(IRONHORN_PROFILE="0") == ("", "")
