"""OpenVINO, which only predicts, from the same ONNX file: tuned for latency, for throughput, and on one thread."""

import openvino
from jobs import Job

from peers.onnx_model import model_bytes

VERSIONS = {"openvino": openvino.__version__}
# Float32 throughout: where the machine has bfloat16, OpenVINO would take that unasked.
FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}
WAYS = {
    "latency": FLOAT32 | {"PERFORMANCE_HINT": "LATENCY"},
    "1 thread": FLOAT32 | {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1},
    "throughput": FLOAT32 | {"PERFORMANCE_HINT": "THROUGHPUT"},
    "bf16": {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16"},
}


def prepared(model: bytes, config: dict):
    core = openvino.Core()
    request = core.compile_model(core.read_model(model), "CPU", config).create_infer_request()

    def predict(x):
        request.infer([x], share_inputs=True)
        return request.get_output_tensor(0).data.copy()

    return predict


def predictors(job: Job, weights):
    model = model_bytes(job, weights)
    return {name: lambda config=config: prepared(model, config) for name, config in WAYS.items()}
