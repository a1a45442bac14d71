"""The peers: which module runs each, in which variants, and what its process needs.

A module here defines `VERSIONS`; a class `Trainer(job, x, y, weights, seed, shuffle, **variant)` whose `run(epochs)`
trains that many epochs and returns an `Epoch` for each; and `predictors(job, weights)`: by name, functions that prepare
one way to predict and return it, a function from array to array. It imports its library at its top, so that importing
the module measures the library's import. A trainer that takes part in `real.py` has `predict(x)` too: probabilities of
the classes, or the output. This file imports nothing but the standard library.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

TRAINING = ("mnist", "small", "wide", "line")
ON_GPU = ("mnist", "wide", "wide-4096")  # what accelerator.py trains
PREDICTING = ("predict", "predict-small")
NARROW = ("bf16", "f16", "int8")  # a way to predict whose name ends so keeps its weights in fewer bits


class Epoch(NamedTuple):
    seconds: float
    cpu_seconds: float  # of all threads of the process
    loss: float  # mean over the rows while the weights change, dropout active


def timed(epoch: Callable[[], float], count: int) -> list[Epoch]:
    """Runs an epoch `count` times; `epoch` returns its loss once everything it began has finished."""
    results = []
    for _ in range(count):
        cpu, wall = time.process_time(), time.perf_counter()
        loss = epoch()
        results.append(Epoch(time.perf_counter() - wall, time.process_time() - cpu, float(loss)))
    return results


@dataclass(frozen=True)
class Peer:
    """`variants` are settings of which the fastest on a job is raced: arguments of `Trainer`, or `cores`, the number
    of cores that the process may use, where the library takes its threads from that."""

    module: str
    variants: dict[str, dict[str, Any]] = field(default_factory=lambda: {"": {}})
    dropout: bool = True  # whether it has any; its losses are not compared where it should
    jobs: tuple[str, ...] = (*TRAINING, *PREDICTING)
    env: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Sets what its process needs, whatever the shell says: KERAS_BACKEND=jax would be no TensorFlow."""
        os.environ.update(self.env)


ONE_AND_ALL: dict[str, dict[str, Any]] = {"all threads": {}, "1 thread": {"threads": 1}}

PEERS = {
    "ironhorn": Peer("ironhorn_fit"),
    "ironhorn-1-thread": Peer("ironhorn_fit", jobs=TRAINING, env={"IRONHORN_NUM_THREADS": "1"}),
    "jax": Peer(
        "jax_scan",
        {
            "scan": {},
            "scan, 1 core": {"cores": 1},
            "a call a step": {"scan": False},
        },
    ),
    "keras-tf": Peer(
        "keras_fit",
        {
            "defaults": {},
            "jit, 25 steps": {"jit_compile": True, "steps_per_execution": 25},
            "no jit, 25 steps": {"jit_compile": False, "steps_per_execution": 25},
        },
        env={"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
    ),
    "keras-tf-defaults": Peer(
        "keras_fit", jobs=TRAINING, env={"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    ),
    "keras-jax": Peer(
        "keras_fit",
        {
            "defaults": {},
            "jit, 25 steps": {"jit_compile": True, "steps_per_execution": 25},
            "jit, whole epoch": {"jit_compile": True, "steps_per_execution": None},
        },
        env={"KERAS_BACKEND": "jax"},
    ),
    "torch": Peer("torch_eager", ONE_AND_ALL),
    "torch-compile": Peer("torch_compiled", ONE_AND_ALL),
    "sklearn": Peer("sklearn_mlp", dropout=False),
    "numpy": Peer("numpy_hand"),
    "candle": Peer("candle_rs", jobs=("mnist", "small", "line")),
    "onnxruntime": Peer("onnx_rt", jobs=PREDICTING),
    "openvino": Peer("openvino_rt", jobs=PREDICTING),
    "litert": Peer("litert_rt", jobs=PREDICTING),
    "ironhorn-gpu": Peer("ironhorn_gpu", jobs=ON_GPU),
    "torch-cuda": Peer(
        "torch_cuda",
        {
            "eager": {},
            "eager, TF32": {"tf32": True},
            "compiled, CUDA graph": {"graph": True},
            "compiled, CUDA graph, TF32": {"graph": True, "tf32": True},
        },
        jobs=ON_GPU,
    ),
    "jax-cuda": Peer("jax_cuda", {"": {}, "TF32": {"tf32": True}}, jobs=ON_GPU),
}
GPU_PEERS = ("ironhorn-gpu", "torch-cuda", "jax-cuda")  # not in the races on the processor
