"""A job's network as an ONNX file in memory, for those who read one."""

import onnx
from jobs import Job
from onnx import TensorProto, helper, numpy_helper


def model_bytes(job: Job, weights) -> bytes:
    nodes, value = [], "x"
    for layer in range(len(weights) // 2):
        last = 2 * layer + 2 == len(weights)
        sums = "y" if last and not job.classes else f"z{layer}"
        nodes.append(helper.make_node("Gemm", [value, f"w{2 * layer}", f"w{2 * layer + 1}"], [sums]))
        value = "y" if last else f"a{layer}"
        if sums != "y":
            nodes.append(helper.make_node("Softmax" if last else "Relu", [sums], [value]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
        for name, width in (("x", job.widths[0]), ("y", job.widths[-1]))
    ]
    arrays = [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
