"""Writes layers.json: what Keras gives for small inputs, which tests/layer_values.rs holds the engine against.

Run with KERAS_BACKEND=jax (Keras 3.15.1).
"""

import json
import pathlib

import numpy as np
from keras import layers

CASES = [
    ("PReLU", {"shared_axes": [1]}, [[3, 4]]),
    ("Normalization", {"axis": [2, 1]}, [[3, 4]]),
    ("Normalization", {"axis": 1, "invert": True}, [[3, 4]]),
    ("Normalization", {"axis": [1, 2], "mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0, 0.0, 4.0, 2.0]}, [[3, 4]]),
    ("BatchNormalization", {"axis": 1}, [[3, 4]]),
    ("LayerNormalization", {"axis": [1, 2]}, [[3, 4]]),
    ("LayerNormalization", {"axis": [1, 3]}, [[3, 4, 2]]),
    ("LayerNormalization", {"rms_scaling": True}, [[3, 4]]),
    ("RMSNormalization", {"axis": [1, 2]}, [[3, 4]]),
    ("UnitNormalization", {"axis": [1, 2]}, [[3, 4]]),
    ("Permute", {"dims": [3, 1, 2]}, [[2, 3, 4]]),
    ("RepeatVector", {"n": 2}, [[3]]),
    ("Rescaling", {"scale": [1.0, 2.0, -3.0], "offset": 0.5}, [[2, 3]]),
    ("Discretization", {"bin_boundaries": [-0.5, 0.0, 0.7]}, [[3, 4]]),
    ("Discretization", {"bin_boundaries": [-0.5, 0.0, 0.7], "output_mode": "one_hot"}, [[3, 4]]),
    ("Discretization", {"bin_boundaries": [-0.5, 0.0, 0.7], "output_mode": "count"}, [[3, 4]]),
    ("Discretization", {"bin_boundaries": [-0.5, 0.0, 0.7], "output_mode": "multi_hot"}, [[3]]),
    ("CategoryEncoding", {"num_tokens": 2, "output_mode": "multi_hot"}, [[3, 4]]),
    ("Add", {}, [[3, 4], [4]]),
    ("Subtract", {}, [[3, 1], [1, 4]]),
    ("Average", {}, [[3, 4], [4], [3, 1]]),
    ("Maximum", {}, [[3, 4], [4]]),
    ("Concatenate", {"axis": 1}, [[3, 4], [2, 4]]),
    ("Concatenate", {"axis": -2}, [[3, 4], [2, 4]]),
    ("Dot", {"axes": 1}, [[4], [4]]),
    ("Dot", {"axes": [2, 1], "normalize": True}, [[3, 4], [4, 2]]),
    ("Dot", {"axes": -1}, [[4], [3, 2, 4]]),
    ("Dot", {"axes": [1, 2]}, [[4], [3, 4]]),
]


def main() -> None:
    rng = np.random.default_rng(7)
    cases = []
    for name, config, shapes in CASES:
        layer = getattr(layers, name)(**config)
        x = [rng.uniform(-1.5, 1.5, (2, *shape)).astype("float32") for shape in shapes]
        if name == "CategoryEncoding":
            x = [np.abs(np.round(v)) for v in x]
        layer.build([v.shape for v in x] if len(x) > 1 else x[0].shape)
        weights = []
        for v in layer.weights:
            low = 0.5 if "variance" in v.name else -1.0
            weights.append(np.zeros(v.shape) if v.name == "count" else rng.uniform(low, 1.5, v.shape))
        layer.set_weights([w.astype("float32") for w in weights])
        if name == "Normalization":
            layer.finalize_state()
        y = np.asarray(layer(x if len(x) > 1 else x[0]))
        flat = [np.asarray(w, "float32").astype(float).round(7).tolist() for w in weights]
        cases.append(
            {
                "class": name,
                "config": config,
                "inputs": [[list(v.shape), v.ravel().astype(float).tolist()] for v in x],
                "weights": [[list(np.shape(w)), np.ravel(w).tolist()] for w in flat],
                "output": [list(y.shape), y.ravel().astype(float).tolist()],
            }
        )
    lines = ",\n".join(json.dumps(case) for case in cases)
    (pathlib.Path(__file__).parent / "layers.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
