"""Lesson 6: a wide part that memorises, a deep part that generalises, and a model of both.

The price of a made-up fare is the sum of two things of different kinds:

    an agreement for each pair of shop and region, without any pattern: 12 × 12 numbers that can only be memorised
    a smooth function of two measurements, sin(3 a) · b: there is no use in memorising, since no value comes twice

Wide: the pair as one of 144 categories, one-hot, into Dense(1): a table. It knows nothing of what lies between numbers.
Deep: measurements, and an embedding of the shop and of the region, through hidden layers. It draws smooth functions,
and blurs the table. Both: the sum of the two, trained as one model, with a gradient for each part.
"""

import numpy as np

from ironhorn import Input, Model
from ironhorn.layers import Add, CategoryEncoding, Concatenate, Dense, Embedding
from ironhorn.utils import set_random_seed

SHOPS = REGIONS = 12
NOISE = 0.1


def fares(rows: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs by name, and prices."""
    agreements = np.random.default_rng(0).normal(size=(SHOPS, REGIONS))
    random = np.random.default_rng(seed)
    shop, region = random.integers(SHOPS, size=rows), random.integers(REGIONS, size=rows)
    numbers = random.uniform(-1, 1, (rows, 2))
    smooth = np.sin(3 * numbers[:, 0]) * numbers[:, 1]
    price = agreements[shop, region] + smooth + random.normal(0, NOISE, rows)
    return {"shop": shop, "region": region, "pair": shop * REGIONS + region, "numbers": numbers}, price


def network(wide: bool, deep: bool) -> Model:
    pair = Input((1,), dtype="int32", name="pair")
    shop, region = (Input((), dtype="int32", name=name) for name in ("shop", "region"))
    numbers = Input((2,), name="numbers")
    inputs, parts = [], []
    if wide:
        inputs += [pair]
        one_hot = CategoryEncoding(num_tokens=SHOPS * REGIONS, output_mode="one_hot")(pair)
        parts += [Dense(1, name="wide")(one_hot)]
    if deep:
        inputs += [shop, region, numbers]
        hidden = Concatenate()([Embedding(SHOPS, 2)(shop), Embedding(REGIONS, 2)(region), numbers])
        for _ in range(2):
            hidden = Dense(32, activation="relu")(hidden)
        parts += [Dense(1, name="deep")(hidden)]
    model = Model(inputs, Add(name="price")(parts) if len(parts) > 1 else parts[0])
    model.compile(optimizer="adam", loss="mse", metrics=["root_mean_squared_error"])
    return model


def main(rows: int = 6000, epochs: int = 30, seed: int = 1) -> dict[str, float]:
    """Trains the three models, prints their errors on new rows; returns them."""
    x, y = fares(rows, seed)
    x_new, y_new = fares(2000, seed + 1)
    print(f"{rows} fares to learn from; prices spread by {y_new.std():.3f}, of which {NOISE} is noise\n")
    print("root mean squared error    weights   learnt rows   new rows")
    errors = {}
    for name, wide, deep in (("wide", True, False), ("deep", False, True), ("wide and deep", True, True)):
        set_random_seed(seed)
        model = network(wide, deep)
        used = {key: x[key] for key in model.input_names}
        model.fit(used, y, epochs=epochs, verbose=0)
        learnt = model.evaluate(used, y, verbose=0, return_dict=True)["root_mean_squared_error"]
        used = {key: x_new[key] for key in model.input_names}
        errors[name] = model.evaluate(used, y_new, verbose=0, return_dict=True)["root_mean_squared_error"]
        print(f"{name:23}{model.count_params():11d}{learnt:14.3f}{errors[name]:11.3f}")
    return errors


if __name__ == "__main__":
    main()
