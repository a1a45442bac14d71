"""The model file: there and back, to the bit; resumed training; whatever is wrong with a file."""

import copy
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import ironhorn
from ironhorn import layers, losses, metrics, ops, optimizers, saving
from ironhorn.errors import LoadError
from ironhorn.layers import BatchNormalization, Dense, Dropout, Embedding, Flatten, Input, Normalization
from ironhorn.models import Model, Sequential

RNG = np.random.default_rng(11)
X = RNG.normal(size=(96, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 96)


def same(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def chain(optimizer="adam", **kwargs):
    model = Sequential([Input((6,)), Dense(8, "relu"), Dropout(0.4), Dense(3, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", **{"metrics": ["accuracy"]} | kwargs)
    return model


def branched(optimizer="adam"):
    """Shared layer, two inputs, two outputs in a dict, noise, statistics, a model inside."""
    a, b = Input((6,), name="a"), Input((6,), name="b")
    shared = Dense(4, "tanh", name="shared")
    inner = Sequential([Input((4,)), Dense(4, "relu", kernel_regularizer="l2"), Dropout(0.2)], name="inner")
    left = BatchNormalization()(inner(shared(a)))
    right = layers.GaussianNoise(0.1)(layers.PReLU()(shared(b)))
    both = layers.Concatenate()([left, right])
    outputs = {"p": Dense(3, "softmax", name="p")(both), "q": Dense(1, name="q")(layers.Add()([left, right]))}
    model = Model([a, b], outputs)
    loss = {"p": "sparse_categorical_crossentropy", "q": "mse"}
    model.compile(optimizer, loss, loss_weights={"p": 1.0, "q": 0.3}, metrics={"p": ["accuracy"], "q": ["mae"]})
    return model


def table():
    model = Sequential(
        [Input((5,)), Embedding(20, 3), Flatten(), Dense(2, use_bias=False, kernel_constraint="max_norm")]
    )
    model.compile(optimizers.SGD(0.1, momentum=0.9), "mse")
    return model


CHAIN = (X, Y)
BRANCHED = ([X, X[::-1].copy()], {"p": Y, "q": X[:, :1].copy()})
TABLE = (RNG.integers(0, 20, (96, 5)), X[:, :2].copy())


def fit(model, data, epochs):
    model.fit(*data, epochs=epochs, batch_size=10, verbose=0)


# There and back


@pytest.mark.parametrize(("make", "data"), [(chain, CHAIN), (branched, BRANCHED), (table, TABLE)])
def test_a_model_comes_back_the_same(make, data, tmp_path):
    model = make()
    fit(model, data, 1)
    model.save(tmp_path / "net.ironhorn")
    loaded = ironhorn.load_model(tmp_path / "net.ironhorn")
    assert type(loaded) is type(model) and loaded.name == model.name
    assert loaded.get_config() == model.get_config()
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    assert [v.path for v in loaded.variables] == [v.path for v in model.variables]
    same(loaded.get_weights(), model.get_weights())
    same([v.numpy() for v in loaded.optimizer.variables], [v.numpy() for v in model.optimizer.variables])
    assert loaded.evaluate(*data, verbose=0, return_dict=True) == model.evaluate(*data, verbose=0, return_dict=True)
    kept, new = model.predict(data[0], verbose=0), loaded.predict(data[0], verbose=0)
    assert type(kept) is type(new)
    same(ironhorn.layers.structure.flatten(kept), ironhorn.layers.structure.flatten(new))
    loaded.save(tmp_path / "again.ironhorn")
    assert (tmp_path / "again.ironhorn").read_bytes() == (tmp_path / "net.ironhorn").read_bytes()


OPTIMIZERS = {
    "adam with a schedule": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 7, 0.8)),
    "sgd": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adamw, clipped": lambda: optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=0.5),
    "averages": lambda: optimizers.RMSprop(0.01, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=7),
    "accumulation": lambda: optimizers.Adam(0.01, amsgrad=True, gradient_accumulation_steps=3),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "lamb": lambda: optimizers.Lamb(0.01, global_clipnorm=1.0),
    "ftrl": lambda: optimizers.Ftrl(0.05),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize(("make", "data"), [(chain, CHAIN), (branched, BRANCHED)], ids=["chain", "branched"])
def test_three_epochs_save_load_three_are_six(make, data, optimizer, tmp_path):
    whole, half = make(optimizer()), make(optimizer())
    half.set_weights(whole.get_weights())
    half._seed, half._engine = whole._engine_model().seed, None  # the same dropout and order
    fit(whole, data, 6)
    fit(half, data, 3)
    half.save(tmp_path / "half.ironhorn")
    ironhorn.utils.set_random_seed(99)
    loaded = ironhorn.load_model(tmp_path / "half.ironhorn")
    fit(loaded, data, 3)
    # The average replaces the weights at the end of every fit: only a fit that ended there can be compared.
    if not half.optimizer.use_ema:
        same(loaded.get_weights(), whole.get_weights())
    fit(half, data, 3)
    same(loaded.get_weights(), half.get_weights())
    same([v.numpy() for v in loaded.optimizer.variables], [v.numpy() for v in half.optimizer.variables])


def test_a_changed_rate_frozen_layers_and_what_does_not_decay_come_back(tmp_path):
    model = chain(optimizers.AdamW(0.01, weight_decay=0.2))
    model.layers[0].trainable = False
    model.compile(optimizers.AdamW(0.01, weight_decay=0.2), "sparse_categorical_crossentropy")
    model.optimizer.exclude_from_weight_decay(var_names=["bias"], var_list=[model.layers[2].kernel])
    fit(model, CHAIN, 1)
    model.optimizer.learning_rate = 0.0123456789
    model.save(tmp_path / "net")
    loaded = ironhorn.load_model(tmp_path / "net")
    assert [layer.trainable for layer in loaded.layers] == [False, True, True]
    assert loaded.optimizer.learning_rate == model.optimizer.learning_rate
    fit(model, CHAIN, 2)
    fit(loaded, CHAIN, 2)
    same(loaded.get_weights(), model.get_weights())


def test_a_frozen_layer_of_a_functional_model_stays_frozen(tmp_path):
    model = branched()
    model.get_layer("shared").trainable = False
    model.save(tmp_path / "net")
    loaded = ironhorn.load_model(tmp_path / "net")
    assert not loaded.get_layer("shared").trainable and loaded.get_layer("p").trainable
    assert len(loaded.trainable_variables) == len(model.trainable_variables)


def test_models_without_weights_or_compilation(tmp_path):
    unbuilt = Sequential([Dense(3), Dropout(0.5)])
    unbuilt.save(tmp_path / "unbuilt")
    loaded = ironhorn.load_model(tmp_path / "unbuilt")
    assert not loaded.built and not loaded.compiled and len(loaded.layers) == 2
    known = Dense(3)
    known.build((None, 4))
    half = Sequential([known, Dense(2)])
    half.save(tmp_path / "half")
    same(ironhorn.load_model(tmp_path / "half").layers[0].get_weights(), known.get_weights())
    plain = Sequential([Input((6,)), Dense(2)])
    plain.save(tmp_path / "plain")
    loaded = ironhorn.load_model(tmp_path / "plain")
    assert not loaded.compiled
    same([loaded.predict(X, verbose=0)], [plain.predict(X, verbose=0)])
    chain().save(tmp_path / "compiled")
    assert not ironhorn.load_model(tmp_path / "compiled", compile=False).compiled


def test_statistics_that_were_measured_come_back(tmp_path):
    normalization, bins = Normalization(), layers.Discretization(num_bins=4)
    normalization.adapt(X)
    bins.adapt(X)
    model = Sequential([Input((6,)), normalization, bins])
    model.save(tmp_path / "net")
    same([ironhorn.load_model(tmp_path / "net").predict(X, verbose=0)], [model.predict(X, verbose=0)])


def test_every_layer_is_described_so_that_the_crate_reads_it_again(tmp_path):
    x = Input((4, 3))
    flat = Flatten()(x)
    parts = [
        layers.Dense(4, "gelu", kernel_initializer="he_normal", bias_regularizer="l1")(flat), layers.ELU(0.5)(flat),
        layers.LeakyReLU(0.3)(flat), layers.ReLU(6.0)(flat), layers.Activation("swish")(flat), layers.PReLU()(flat),
        layers.Softmax()(flat), layers.Identity()(flat), layers.GaussianDropout(0.2)(flat),
        layers.AlphaDropout(0.2)(flat), layers.ActivityRegularization(0.1)(flat), layers.Rescaling(2.0, 1.0)(flat),
        layers.LayerNormalization()(flat), layers.RMSNormalization()(flat), layers.UnitNormalization()(flat),
        layers.Normalization(mean=1.0, variance=2.0, axis=None)(flat), layers.CategoryEncoding(7)(flat),
        Flatten()(layers.Permute((2, 1))(x)), Flatten()(layers.Reshape((2, 6))(x)),
        Flatten()(layers.RepeatVector(2)(flat)), Flatten()(layers.Dot(axes=1)([x, x])),
        layers.Subtract()([flat, flat]), layers.Multiply()([flat, flat]), layers.Average()([flat, flat]),
        layers.Maximum()([flat, flat]), layers.Minimum()([flat, flat]),
        BatchNormalization()(flat), layers.Discretization([0.0, 0.5], output_mode="int")(flat),
    ]  # fmt: skip
    model = Model(x, layers.Concatenate()(parts))
    model.save(tmp_path / "net")
    data = np.abs(RNG.normal(size=(5, 4, 3))).astype(np.float32)
    same([ironhorn.load_model(tmp_path / "net").predict(data, verbose=0)], [model.predict(data, verbose=0)])


# Losses and metrics of one's own


def steep(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred) + ops.abs(y_pred) * 0.1, axis=-1)


class Weighted(losses.Loss):
    def __init__(self, factor=2.0, name="weighted", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name, reduction, dtype)
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * ops.mean(ops.square(y_true - y_pred), axis=-1)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def numpy_loss(y_true, y_pred):
    return np.mean((y_pred - y_true) ** 2, -1), 2 * (y_pred - y_true) / y_pred.shape[-1]


class Largest(metrics.Metric):
    def __init__(self, name="largest", dtype=None):
        super().__init__(dtype, name)
        self.value = self.add_variable((), name="value")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value.assign(max(float(self.value.numpy()), float(np.max(y_pred))))

    def result(self):
        return self.value.numpy()


def regression(loss, metric=()):
    model = Sequential([Input((6,)), Dense(4, "tanh"), Dense(2)])
    model.compile(optimizers.Adam(0.01), loss, metrics=list(metric))
    return model


@pytest.mark.parametrize("loss", [steep, Weighted(3.0), losses.Huber(0.5), losses.mean_absolute_error, "mse"])
def test_losses_that_the_engine_runs_need_nothing_to_be_handed_in(loss, tmp_path):
    data = (X, X[:, :2].copy())
    model = regression(loss, [steep, "mae", metrics.RootMeanSquaredError(), losses.LogCosh()])
    fit(model, data, 2)
    model.save(tmp_path / "net")
    loaded = ironhorn.load_model(tmp_path / "net")
    assert loaded.evaluate(*data, verbose=0, return_dict=True) == model.evaluate(*data, verbose=0, return_dict=True)
    fit(model, data, 2)
    fit(loaded, data, 2)
    same(loaded.get_weights(), model.get_weights())
    loaded.save(tmp_path / "again")
    fit(loaded, data, 1)
    fit(model, data, 1)
    same(loaded.get_weights(), model.get_weights())


def test_a_traced_loss_can_be_called_after_loading_and_be_handed_in(tmp_path):
    model = regression(Weighted(3.0))
    model.save(tmp_path / "net")
    y, p = X[:4, :2], X[4:8, :2]
    loaded = ironhorn.load_model(tmp_path / "net")
    np.testing.assert_allclose(loaded.loss(y, p), Weighted(3.0)(y, p), rtol=1e-6)
    handed = ironhorn.load_model(tmp_path / "net", custom_objects={"Weighted": Weighted})
    assert isinstance(handed.loss, Weighted) and handed.loss.factor == 3.0


def test_what_only_python_computes_is_handed_in(tmp_path):
    data = (X, X[:, :2].copy())
    model = regression(losses.PythonLoss(numpy_loss), [Largest()])
    fit(model, data, 1)
    model.save(tmp_path / "net")
    with pytest.raises(LoadError, match=r"net.*custom_objects=.'numpy_loss'"):
        ironhorn.load_model(tmp_path / "net")
    assert not ironhorn.load_model(tmp_path / "net", compile=False).compiled
    loaded = ironhorn.load_model(tmp_path / "net", {"numpy_loss": numpy_loss, "Largest": Largest})
    assert loaded.evaluate(*data, verbose=0, return_dict=True) == model.evaluate(*data, verbose=0, return_dict=True)
    fit(model, data, 1)
    fit(loaded, data, 1)
    same(loaded.get_weights(), model.get_weights())


class Halving(optimizers.schedules.LearningRateSchedule):
    def __init__(self, start):
        self.start = start

    def __call__(self, step):
        return self.start / (1 + int(step))

    def get_config(self):
        return {"start": self.start}


def test_a_schedule_of_ones_own_is_handed_in(tmp_path):
    model = chain(optimizers.SGD(Halving(0.5)))
    fit(model, CHAIN, 1)
    model.save(tmp_path / "net")
    with pytest.raises(LoadError, match="Halving"):
        ironhorn.load_model(tmp_path / "net")
    loaded = ironhorn.load_model(tmp_path / "net", custom_objects={"Halving": Halving})
    fit(model, CHAIN, 1)
    fit(loaded, CHAIN, 1)
    same(loaded.get_weights(), model.get_weights())


class Wide(Dense):
    """A layer of one's own, without a computation of its own."""


def halves(shape, dtype=None):
    return np.full(shape, 0.5, np.float32)


def test_layers_and_initializers_of_ones_own_are_handed_in(tmp_path):
    model = Sequential([Input((6,)), Wide(4, kernel_initializer=halves), Dense(2)])
    model.set_weights([w + 1 for w in model.get_weights()])
    model.save(tmp_path / "net")
    with pytest.raises(LoadError, match="Wide"):
        ironhorn.load_model(tmp_path / "net")
    loaded = ironhorn.load_model(tmp_path / "net", {"Wide": Wide, "halves": halves})
    assert type(loaded.layers[0]) is Wide and loaded.layers[0].kernel_initializer is halves
    same(loaded.get_weights(), model.get_weights())
    other = copy.deepcopy(model)
    assert type(other.layers[0]) is Wide
    same(other.get_weights(), model.get_weights())


# Copies


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
@pytest.mark.parametrize(("make", "data"), [(chain, CHAIN), (branched, BRANCHED)])
def test_copies_train_on_alone(make, data, copied):
    model = make()
    fit(model, data, 1)
    other = copied(model)
    before = model.get_weights()
    fit(other, data, 2)
    same(model.get_weights(), before)
    fit(model, data, 2)
    same(model.get_weights(), other.get_weights())


def test_a_copy_takes_along_what_a_file_cannot_hold():
    data = (X, X[:, :2].copy())
    model = regression(losses.PythonLoss(lambda t, p: numpy_loss(t, p)), [Largest()])
    fit(model, data, 1)
    other = copy.deepcopy(model)
    fit(model, data, 1)
    fit(other, data, 1)
    same(model.get_weights(), other.get_weights())


# Weights alone, and the state of a run


def test_weights_alone(tmp_path):
    model, other = chain(), chain()
    model.save_weights(tmp_path / "w")
    other.load_weights(tmp_path / "w")  # other names, the same order
    same(other.get_weights(), model.get_weights())
    model.save(tmp_path / "net")
    third = chain()
    third.load_weights(str(tmp_path / "net"))
    same(third.get_weights(), model.get_weights())
    wide = Sequential([Input((6,)), Dense(9), Dense(3)])
    before = wide.get_weights()
    with pytest.raises(LoadError, match=r"expected shape \(6, 9\), received \(6, 8\)"):
        wide.load_weights(tmp_path / "w")
    same(wide.get_weights(), before)
    with pytest.warns(UserWarning, match="left out"):
        wide.load_weights(tmp_path / "w", skip_mismatch=True)
    same([wide.get_weights()[3]], [model.get_weights()[3]])
    with pytest.raises(LoadError, match=r"'weights'.*load_weights"):
        ironhorn.load_model(tmp_path / "w")
    with pytest.raises(ValueError, match="not built"):
        Sequential([Dense(2)]).load_weights(tmp_path / "w")


def test_the_state_of_a_run(tmp_path):
    model = chain(optimizers.Adam(0.01))
    start = model.get_weights()
    fit(model, CHAIN, 2)
    model.optimizer.learning_rate = 0.005
    saving.save_state(model, tmp_path / "run", {"epoch": 2, "best": [0.5, None]})
    fit(model, CHAIN, 2)
    expected = model.get_weights()
    ironhorn.utils.set_random_seed(1)
    other = chain(optimizers.Adam(0.01))
    other.set_weights(start)
    assert saving.load_state(other, tmp_path / "run") == {"epoch": 2, "best": [0.5, None]}
    fit(other, CHAIN, 2)
    same(other.get_weights(), expected)
    small = Sequential([Input((6,)), Dense(3)])
    small.compile("adam", "mse")
    before = small.get_weights()
    with pytest.raises(LoadError, match="expected 2 variables"):
        saving.load_state(small, tmp_path / "run")
    with pytest.raises(LoadError, match="slot"):
        saving.load_state(chain("sgd"), tmp_path / "run")
    same(small.get_weights(), before)
    with pytest.raises(ValueError, match="compiled"):
        saving.save_state(Sequential([Input((6,)), Dense(3)]), tmp_path / "run")


# Paths


@pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.hdf5", "a.weights.h5"])
def test_keras_own_formats_come_later(name, tmp_path):
    for call in (chain().save, chain().save_weights, chain().load_weights, ironhorn.load_model):
        with pytest.raises(ValueError, match="not there yet"):
            call(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_targets_that_cannot_be_written(tmp_path):
    model = chain()
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "nowhere" / "net")
    with pytest.raises(OSError, match="regular file"):
        model.save(tmp_path)
    with pytest.raises(OSError, match="regular file"):
        model.save("/dev/full")
    (tmp_path / "there").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "there", overwrite=False)
    assert (tmp_path / "there").read_bytes() == b"old"
    model.save(tmp_path / "there")
    ironhorn.load_model(tmp_path / "there").save(tmp_path / "there")
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
    for wrong in (tmp_path / "none", tmp_path, "/dev/zero"):
        with pytest.raises(LoadError, match=str(wrong)):
            ironhorn.load_model(wrong)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    code = """
        import resource, signal, sys, ironhorn
        from ironhorn.layers import Dense, Input
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        model = ironhorn.Sequential([Input((64,)), Dense(64)])
        model.save(sys.argv[1])
        old = open(sys.argv[1], "rb").read()
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        model.set_weights([w + 1 for w in model.get_weights()])
        try:
            model.save(sys.argv[1])
        except OSError as error:
            assert error.filename == sys.argv[1]
        else:
            raise SystemExit("saved")
        assert open(sys.argv[1], "rb").read() == old
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "net")], check=True, timeout=120)
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_a_link_stays_a_link(tmp_path):
    model = chain()
    model.save(tmp_path / "net")
    (tmp_path / "link").symlink_to(tmp_path / "net")
    model.set_weights([w + 1 for w in model.get_weights()])
    model.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    same(ironhorn.load_model(tmp_path / "net").get_weights(), model.get_weights())


def test_kill_during_saves_leaves_the_old_or_the_new_file(tmp_path):
    path = tmp_path / "net.ironhorn"
    code = """
        import sys, ironhorn, numpy as np
        from ironhorn.layers import Dense, Input
        model = ironhorn.Sequential([Input((64,)), Dense(256), Dense(64)])
        number = 0
        while True:
            model.set_weights([np.full_like(w, number) for w in model.get_weights()])
            model.save(sys.argv[1])
            if number == 0:
                print("ready", flush=True)
            number += 1
    """
    delays = np.random.default_rng(5)
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        time.sleep(float(delays.uniform(0, 0.1)))
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)
        child.stdout.close()
        values = np.concatenate([w.reshape(-1) for w in ironhorn.load_model(path).get_weights()])
        assert (values == values[0]).all()


# Bytes that are wrong


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    ironhorn.utils.set_random_seed(7)
    model = Sequential([Input((2,), name="in"), Dense(2, name="d")], name="m")
    model.compile(optimizers.SGD(0.1, momentum=0.5), "mse")
    model.fit(X[:4, :2], X[:4, :2], verbose=0)
    path = tmp_path_factory.mktemp("small") / "net"
    model.save(path)
    return path.read_bytes()


def outcome(path, data):
    """A model that predicts, or a LoadError that names the file."""
    path.write_bytes(data)
    text = ""
    try:
        return ironhorn.load_model(path)
    except LoadError as error:
        text = str(error)
    assert str(path) in text
    return None


def test_every_truncation_is_refused(small, tmp_path):
    for length in range(len(small)):
        assert outcome(tmp_path / "cut", small[:length]) is None
    assert outcome(tmp_path / "cut", small + b"\0") is None
    assert outcome(tmp_path / "cut", small) is not None


def test_random_bytes_give_a_model_or_an_error(small, tmp_path):
    random = np.random.default_rng(17)
    models = 0
    for _ in range(2000):
        data = bytearray(small)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            data[place] = random.integers(0, 256)
        model = outcome(tmp_path / "flipped", bytes(data))
        models += model is not None
    assert 0 < models < 2000  # flips among the numbers are other numbers


def parts(data):
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header, body):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def changed(data, key, change):
    header, body = parts(data)
    header["__metadata__"][key] = change(header["__metadata__"][key])
    return joined(header, body)


@pytest.mark.parametrize(
    ("key", "old", "new", "message"),
    [
        ("version", "1", "2", "version.*newer"),
        ("version", "1", "x", "version"),
        ("format", "ironhorn", "other", "format"),
        ("kind", "model", "zoo", "kind"),
        ("python", '"units":2', '"units":1000000000000', "at most"),
        ("model", '"units":2', '"units":1000000000000', "sample"),
        ("model", '"units":2', '"units":3', "shape"),
        ("python", '"units":2', '"units":3', "at most"),
        ("python", "[null,2]", "[null,99999999999]", "sample"),
        ("model", '"input_shapes":[[2]]', '"input_shapes":[[9999999999999]]', "sample"),
        ("python", '"Dense"', '"Lambda"', "Lambda"),
        ("python", '"Sequential"', '"os.system"', "os.system"),
        ("python", '"SGD"', '"Lambda"', "Lambda"),
        ("model", '"Dense"', '"Lambda"', "Lambda"),
        ("model", '"outputs":[1]', '"outputs":[7]', "outputs"),
        ("model", "[[0,[0]]]", "[[0,[1]]]", "node"),
    ],
)
def test_what_a_file_may_not_say(small, tmp_path, key, old, new, message):
    header, _ = parts(small)
    assert old in header["__metadata__"][key]
    (tmp_path / "net").write_bytes(changed(small, key, lambda text: text.replace(old, new, 1)))
    with pytest.raises(LoadError, match=message):
        ironhorn.load_model(tmp_path / "net")


def test_tensors_that_do_not_fit(small, tmp_path):
    def refused(change, message):
        header, body = parts(small)
        body = change(header, body) or body
        (tmp_path / "net").write_bytes(joined(header, body))
        with pytest.raises(LoadError, match=message):
            ironhorn.load_model(tmp_path / "net")

    kernel, bias = "weights/0/d/kernel", "weights/1/d/bias"
    refused(lambda h, b: h[kernel].update(dtype="I32"), "dtype")
    refused(lambda h, b: h[kernel].update(shape=[4]), "shape")
    refused(lambda h, b: h[kernel].update(shape=[2**62, 2**62]), "header")
    refused(lambda h, b: h[kernel].update(data_offsets=h[bias]["data_offsets"]), "header")
    refused(lambda h, b: h.update({"weights/5/d/x": h.pop(bias)}), "without a gap")
    refused(lambda h, b: h.update({"other": h.pop(bias)}), "other")
    refused(lambda h, b: h.update({"optimizer/0/velocity": h.pop("optimizer/0/momentum")}), "velocity")
    refused(lambda h, b: h.update({"optimizer/7/momentum": h.pop("optimizer/0/momentum")}), "optimizer/7")
    many = {f"optimizer/{i}/x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}
    refused(lambda h, b: h.update(many), "10000 tensors")
    (tmp_path / "net").write_bytes(struct.pack("<Q", 2**20 + 1) + small[8:] + bytes(2**21))
    with pytest.raises(LoadError, match="1048576"):
        ironhorn.load_model(tmp_path / "net")


def test_deep_nesting_is_refused(small, tmp_path):
    (tmp_path / "net").write_bytes(changed(small, "python", lambda _: "[" * 100_000 + "]" * 100_000))
    with pytest.raises(LoadError, match="recursion"):
        ironhorn.load_model(tmp_path / "net")


def test_loading_runs_and_imports_nothing(small, tmp_path):
    (tmp_path / "net").write_bytes(small)
    code = """
        import sys, ironhorn
        ironhorn.load_model(sys.argv[1])
        seen = []
        sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))
        ironhorn.load_model(sys.argv[1])
        names = {event for event, _ in seen}
        assert not names & {"import", "exec", "compile", "pickle.find_class", "marshal.loads", "socket.connect"}, names
        assert not [a for event, a in seen if event == "open" and a[0] != sys.argv[1]], seen
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "net")], check=True, timeout=120)


# Golden files


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "golden").glob("*.ironhorn")), ids=lambda p: p.name
)
def test_files_of_every_version_are_read(path):
    expected = {
        name: np.array(values, np.float32) for name, values in json.loads(path.with_suffix(".json").read_text()).items()
    }
    model = ironhorn.load_model(path)
    np.testing.assert_allclose(model.predict(expected["x"], verbose=0), expected["p"], rtol=1e-5, atol=1e-6)
    logs = model.fit(expected["x"], expected["y"], batch_size=4, epochs=2, verbose=0).history
    np.testing.assert_allclose(logs["loss"], expected["loss"], rtol=1e-4)


def test_a_file_without_pythons_text_is_read_by_its_graph(small, tmp_path):
    header, body = parts(small)
    del header["__metadata__"]["python"]
    (tmp_path / "net").write_bytes(joined(header, body))
    loaded = ironhorn.load_model(tmp_path / "net")
    (tmp_path / "whole").write_bytes(small)
    assert not loaded.compiled
    same([loaded.predict(X[:, :2], verbose=0)], [ironhorn.load_model(tmp_path / "whole").predict(X[:, :2], verbose=0)])


def test_there_is_a_golden_file_of_this_version(small):
    version = int(parts(small)[0]["__metadata__"]["version"])
    assert (Path(__file__).parents[1] / "golden" / f"version-{version}.ironhorn").is_file()
