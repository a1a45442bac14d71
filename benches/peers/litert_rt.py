"""LiteRT (once TensorFlow Lite), which only predicts: on one thread and on all, through XNNPACK.

Its file is written by TensorFlow, once, in a process of its own: `python benches/peers/litert_rt.py JOB PATH`.
"""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

if __name__ != "__main__":
    from ai_edge_litert import interpreter as litert

    VERSIONS = {"ai-edge-litert": metadata.version("ai-edge-litert")}


def prepared(model: bytes, threads: int):
    """Tensors are laid out for one number of rows, anew when it changes."""
    runner = litert.Interpreter(model_content=model, num_threads=threads)
    x_index, y_index = runner.get_input_details()[0]["index"], runner.get_output_details()[0]["index"]
    laid_out: tuple[int, ...] = ()

    def predict(x):
        nonlocal laid_out
        if x.shape != laid_out:
            runner.resize_tensor_input(x_index, x.shape)
            runner.allocate_tensors()
            laid_out = x.shape
        runner.set_tensor(x_index, x)
        runner.invoke()
        return runner.get_tensor(y_index)

    return predict


def predictors(job, weights):
    path = Path(__file__).parents[1] / "results" / f"{job.name}.tflite"
    if not path.exists():  # the weights are the same each time; what is wrong with the file shows in its answers
        path.parent.mkdir(exist_ok=True)
        subprocess.run([sys.executable, __file__, job.name, str(path)], check=True, capture_output=True)
    model = path.read_bytes()
    every = len(os.sched_getaffinity(0))
    return {"all threads": lambda: prepared(model, every), "1 thread": lambda: prepared(model, 1)}


def convert(name: str, path: str) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow
    from jobs import JOBS, weights

    from peers.keras_like import model_of

    model = model_of(JOBS[name], keras)
    model.set_weights(weights(JOBS[name]))
    Path(path).write_bytes(tensorflow.lite.TFLiteConverter.from_keras_model(model).convert())


if __name__ == "__main__":
    convert(*sys.argv[1:])
