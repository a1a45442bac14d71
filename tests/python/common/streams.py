"""The net and the sources of batches that the tests of data have in common."""

import itertools

import numpy as np

import ironhorn
from ironhorn import Sequential, layers
from ironhorn.utils import PyDataset

RNG = np.random.default_rng(5)
X = RNG.normal(size=(100, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 100)
W = RNG.uniform(0.1, 2.0, 100).astype(np.float32)
STARTS = range(0, 100, 16)


def net(built=True, **compiled):
    ironhorn.utils.clear_session()
    ironhorn.utils.set_random_seed(1)
    first = [layers.Input((6,))] if built else []
    model = Sequential([*first, layers.Dense(8, "relu"), layers.Dropout(0.3), layers.Dense(3, "softmax")])
    model.compile(
        **{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]} | compiled
    )
    return model


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def batches(*arrays):
    return [tuple(a[i : i + 16] for a in arrays or (X, Y)) for i in STARTS]


def endless(*arrays):
    return itertools.cycle(batches(*arrays))


class Loader:
    """What a DataLoader of torch is: it can be iterated over again, mostly knows its length, gives lists of tensors."""

    class Tensor:
        def __init__(self, array):
            self.array = array

        def numpy(self):
            return self.array

    def __init__(self, sized=True, *arrays):
        self.batches = [[self.Tensor(a) for a in batch] for batch in batches(*arrays)]
        self.rounds = 0
        if sized:
            self.__class__ = type("SizedLoader", (Loader,), {"__len__": lambda self: len(self.batches)})

    def __iter__(self):
        self.rounds += 1
        return iter(self.batches)


class Numbered(PyDataset):
    def __init__(self, *arrays, **options):
        super().__init__(**options)
        self.arrays = arrays or (X, Y)
        self.seen = []

    def __len__(self):
        return len(STARTS)

    def __getitem__(self, index):
        self.seen.append(index)
        return tuple(a[16 * index : 16 * index + 16] for a in self.arrays)

    def on_epoch_begin(self):
        self.seen.append("begin")

    def on_epoch_end(self):
        self.seen.append("end")


def reference(**fit):
    model = net()
    history = model.fit(X, Y, batch_size=16, epochs=3, shuffle=False, verbose=0, **fit)
    return weights(model), history.history


def counted(n):
    """``n`` batches; ``counted.made`` says how many it has given."""
    for i in range(n):
        counted.made = i + 1
        yield X[:8], Y[:8]


def after(n, last):
    """``n`` good batches, and then what ``last`` does."""
    yield from itertools.islice(endless(), n)
    yield last()
