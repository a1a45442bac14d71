"""Writes what TensorBoard shows: logs, rates, weights, embeddings, the architecture."""

import importlib
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers import Embedding
from .base import Callback, Logs
from .batch_hooks import only_if
from .learning_rate_scheduler import rate_of


class TensorBoard(Callback):
    """Writes event files for TensorBoard, with the package ``tensorboardX`` (``pip install ironhorn[tensorboard]``).

    Into ``log_dir/train`` go ``epoch_loss`` and the other logs of each epoch, ``epoch_learning_rate``, and what the
    arguments ask for; into ``log_dir/validation`` the ``val_`` values under the same names, and
    ``evaluation_loss_vs_iterations`` and so on of each evaluation, by the optimizer's count of updates.

    Args:
        log_dir: the folder, for this callback alone.
        histogram_freq: every how many epochs to write histograms of the weights; 0 never.
        write_graph: whether to write the architecture.
        write_images: whether to write weights as images where histograms are written.
        write_steps_per_second: whether to write how quick training is.
        update_freq: ``"epoch"``; after how many batches to write the running logs as ``batch_loss`` and so on, which
            costs an engine call a batch; or ``"batch"`` for 1.
        profile_batch: ignored with a warning, because the engine has no profiler.
        embeddings_freq: every how many epochs to write the tables of ``Embedding`` layers for the projector; 0 never.
        embeddings_metadata: a file with the labels of the rows for all tables, or a dict of them by layers' names.

    Raises:
        ImportError: without ``tensorboardX``.
        ValueError: in ``fit``, for names in ``embeddings_metadata`` that no
            ``Embedding`` has.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | dict[str, str] | None = None,
    ) -> None:
        try:
            self._tensorboardx: Any = importlib.import_module("tensorboardX")
        except ImportError as error:
            raise ImportError(
                "TensorBoard needs the package tensorboardX. Install it with `pip install ironhorn[tensorboard]`."
            ) from error
        if profile_batch:
            warnings.warn(
                f"TensorBoard: there is no profiler; profile_batch={profile_batch!r} is ignored.",
                UserWarning,
                stacklevel=2,
            )
        self.log_dir = str(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._writers: dict[str, Any] = {}
        self._global_train_batch = 0
        self._batch_start = self._epoch_start = 0.0
        self._iterations_before = 0

    def set_model(self, model: Any) -> None:
        """Receives the model and writes its architecture."""
        self.model = model
        self._close()
        if self.write_graph:
            self._write_architecture()
        if self.embeddings_freq:
            self._write_projector_config()

    def on_train_begin(self, logs: Logs = None) -> None:
        """Counts batches from 0."""
        self._global_train_batch = 0
        self._writer("train")

    def on_train_end(self, logs: Logs = None) -> None:
        """Closes the files."""
        self._close()

    def on_test_end(self, logs: Logs = None) -> None:
        """Writes an evaluation's values."""
        optimizer = self.model.optimizer
        if optimizer is not None:
            self._write("validation", "evaluation_{}_vs_iterations", logs or {}, int(optimizer.iterations))
            self._writer("validation").flush()

    @only_if(lambda self: self.update_freq != "epoch")
    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Counts."""
        self._global_train_batch += 1
        self._batch_start = time.perf_counter()

    @only_if(lambda self: self.update_freq != "epoch")
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Writes the running logs."""
        if self.update_freq == "epoch" or self._global_train_batch % int(self.update_freq):
            return
        values = dict(logs or {})
        if self.write_steps_per_second:
            values["steps_per_second"] = 1.0 / max(time.perf_counter() - self._batch_start, 1e-9)
        self._write("train", "batch_{}", values, self._global_train_batch)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Notes the time."""
        self._epoch_start = time.perf_counter()
        if self.write_steps_per_second:
            self._iterations_before = int(self.model.optimizer.iterations)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Writes the epoch's logs and what else is due."""
        logs = logs or {}
        if logs:
            train = {name: value for name, value in logs.items() if not name.startswith("val_")}
            train["learning_rate"] = rate_of(self.model.optimizer)
            if self.write_steps_per_second:
                steps = int(self.model.optimizer.iterations) - self._iterations_before
                train["steps_per_second"] = steps / max(time.perf_counter() - self._epoch_start, 1e-9)
            self._write("train", "epoch_{}", train, epoch)
            validation = {name[4:]: value for name, value in logs.items() if name.startswith("val_")}
            if validation:
                self._write("validation", "epoch_{}", validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            for layer in self._embeddings():
                np.savetxt(self._table_path(layer), layer.get_weights()[0], fmt="%.8g", delimiter="\t")
        for writer in self._writers.values():
            writer.flush()

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = self._tensorboardx.SummaryWriter(os.path.join(self.log_dir, part))
        return self._writers[part]

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _write(self, part: str, tag: str, values: dict[str, Any], step: int) -> None:
        for name, value in values.items():
            self._writer(part).add_scalar(tag.format(name), value, step)

    def _write_weights(self, epoch: int) -> None:
        writer = self._writer("train")
        for layer in self.model.layers:
            for weight in layer.weights:
                name, values = weight.path.replace(":", "_"), weight.numpy()
                if np.isfinite(values).all():
                    writer.add_histogram(f"{name}/histogram", values, epoch)
                image = _image(values)
                if self.write_images and image is not None:
                    writer.add_image(f"{name}/image", image, epoch, dataformats="HW")

    def _write_architecture(self) -> None:
        """The model's JSON, which TensorBoard draws as a graph: a text tensor for its plugin ``graph_keras_model``."""
        proto = importlib.import_module("tensorboardX.proto.summary_pb2")
        tensor = importlib.import_module("tensorboardX.proto.tensor_pb2").TensorProto(
            dtype="DT_STRING", string_val=[self.model.to_json().encode()]
        )
        plugin = proto.SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
        value = proto.Summary.Value(tag="keras", metadata=proto.SummaryMetadata(plugin_data=plugin), tensor=tensor)
        self._writer("train").file_writer.add_summary(proto.Summary(value=[value]), 0)

    def _embeddings(self) -> list[Any]:
        return [layer for layer in self.model.layers if isinstance(layer, Embedding)]

    def _table_path(self, layer: Any) -> Path:
        return Path(self.log_dir, "train", f"{layer.name}.tsv")

    def _write_projector_config(self) -> None:
        given = self.embeddings_metadata
        layers = self._embeddings()
        if isinstance(given, dict) and set(given) - {layer.name for layer in layers}:
            raise ValueError(
                "Unrecognized `Embedding` layer names passed to `TensorBoard` `embeddings_metadata` argument: "
                f"{sorted(set(given) - {layer.name for layer in layers})}"
            )
        text = ""
        for layer in layers:
            labels = given.get(layer.name) if isinstance(given, dict) else given
            path = self._table_path(layer).relative_to(self.log_dir).as_posix()
            text += f'embeddings {{\n  tensor_name: "{layer.name}"\n  tensor_path: "{path}"\n'
            text += f'  metadata_path: "{labels}"\n}}\n' if labels else "}\n"
        Path(self.log_dir, "train").mkdir(parents=True, exist_ok=True)
        Path(self.log_dir, "projector_config.pbtxt").write_text(text, encoding="utf-8")


def _image(values: NDArray[Any]) -> NDArray[np.uint8] | None:
    """A vector as a line, a matrix lying on its longer side, both from black to white; nothing else is an image."""
    values = np.atleast_2d(values.squeeze())
    if values.ndim > 2 or not np.isfinite(values).all():
        return None
    values = values.T if values.shape[0] > values.shape[1] else values
    low, high = float(values.min()), float(values.max())
    return ((values - low) * (255.0 / (high - low or 1.0))).astype(np.uint8)
