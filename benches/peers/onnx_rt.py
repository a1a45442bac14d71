"""onnxruntime, which only predicts: the default session, one with bound buffers, and one with a single thread."""

import functools

import numpy as np
import onnx
import onnxruntime
from jobs import Job
from onnx import TensorProto, helper, numpy_helper

VERSIONS = {"onnxruntime": onnxruntime.__version__}


def model_bytes(job: Job, weights) -> bytes:
    nodes, value = [], "x"
    for layer in range(len(weights) // 2):
        nodes.append(helper.make_node("Gemm", [value, f"w{2 * layer}", f"w{2 * layer + 1}"], [f"z{layer}"]))
        last = 2 * layer + 2 == len(weights)
        value = "y" if last else f"a{layer}"
        nodes.append(helper.make_node("Softmax" if last else "Relu", [f"z{layer}"], [value]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
        for name, width in (("x", job.widths[0]), ("y", job.widths[-1]))
    ]
    arrays = [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


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
