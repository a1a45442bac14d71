"""The model file: there and back, to the bit; resumed training; weights alone; the files of every version."""

import numpy as np
import pytest

import ironhorn
from ironhorn import layers, optimizers, saving
from ironhorn.errors import LoadError
from ironhorn.layers import BatchNormalization, Dense, Dropout, Flatten, Input, Normalization
from ironhorn.models import Model, Sequential
from saved import BRANCHED, CHAIN, RNG, TABLE, X, branched, chain, fit, same, table


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
