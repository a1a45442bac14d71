"""onnxruntime, which only predicts: the default session, one with bound buffers, and one with a single thread."""

import functools

import numpy as np
import onnxruntime
from jobs import Job

from peers.onnx_model import model_bytes

VERSIONS = {"onnxruntime": onnxruntime.__version__}


def session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads  # 0: its own choice
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def plain(model: bytes, threads: int):
    run = session(model, threads).run
    return lambda x: run(["y"], {"x": x})[0]


def bound(model: bytes, outputs: int, threads: int):
    """Buffers are bound once for a number of rows; a call copies its rows in and its answer out."""
    runner = session(model, threads)

    @functools.cache
    def buffers(rows: int, width: int):
        binding = runner.io_binding()
        x = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((rows, width), np.float32))
        y = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((rows, outputs), np.float32))
        binding.bind_ortvalue_input("x", x)
        binding.bind_ortvalue_output("y", y)
        return binding, x, y

    def predict(x):
        binding, x_value, y_value = buffers(*x.shape)
        x_value.update_inplace(x)
        runner.run_with_iobinding(binding)
        return y_value.numpy()

    return predict


def predictors(job: Job, weights):
    model = model_bytes(job, weights)
    return {
        "default": lambda: plain(model, 0),
        "1 thread": lambda: plain(model, 1),
        "bound": lambda: bound(model, job.widths[-1], 0),
        "bound, 1 thread": lambda: bound(model, job.widths[-1], 1),
    }
