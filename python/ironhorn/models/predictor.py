"""Predictors: what a service keeps of a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..config import _resolve
from ..layers.structure import flatten, is_nested
from ..layers.tensor import KerasTensor
from . import data
from .outputs import Outputs
from .spread import adjust_ranks, pack_outputs, spread_inputs


class Signature:
    """What inputs and outputs a model had when its predictor was made, for checks and messages."""

    def __init__(self, model: Any) -> None:
        self.name: str = model.name
        self.input, self._made = model._structure()
        self.inputs: list[KerasTensor] = flatten(self.input)
        self.input_names = [tensor.name for tensor in self.inputs]
        self._names = list(model.output_names)

    def _structure(self) -> tuple[Any, Any]:
        return self.input, self._made

    def _outputs(self) -> Outputs:
        return Outputs(self._made, self._names)

    def pack(self, results: Sequence[NDArray[np.float32]]) -> Any:
        """Results in the structure of the outputs; a list of one is the one."""
        return pack_outputs(self._made, results)

    @property
    def is_plain(self) -> bool:
        """Whether there is one output, which is given as the engine computes it."""
        outputs = flatten(self._made)
        bare = not is_nested(self._made) or (isinstance(self._made, (list, tuple)) and self._made[0] is outputs[0])
        return len(outputs) == 1 and bare and np.dtype(outputs[0].dtype).kind not in "iu"


class Predictor(_core.Predictor):
    """An immutable copy of a model's weights, to be asked by calling it: ``predict(x)``. ``Model.predictor`` makes it.

    Training the model afterwards changes nothing here. Any number of threads may call it at the same time. It runs on
    the ``device`` that it was made for. The results have the same bits as ``model.predict``'s there, for any number of
    rows and threads; those of other precisions do not depend on rows and threads either.

    ``predict(x, out=None)``:

    Args:
        x: what ``model.predict`` takes, but for generators: arrays ``(n, ...)`` of any numeric dtype and layout, or
            lists and dicts of them for several inputs. Contiguous float32 arrays are read where they are.
        out: a float32 array of the result's shape, which receives it; for several outputs a list of them.

    Returns:
        As ``model.predict``: a float32 array ``(n, ...)``; of several outputs their list, tuple or dict. With ``out``,
        that.

    Raises:
        ValueError: for values and shapes that do not fit.
        TypeError: for wrong types and dtypes.
        DeviceError: if a GPU is lost or out of memory; the next call opens it anew.
    """

    _signature: Signature

    def __new__(
        cls, model: Any, precision: str = "f32", calibrate: Any = None, device: str | None = None
    ) -> "Predictor":
        """See ``Model.predictor``."""
        if not isinstance(precision, str):
            raise TypeError(f"`precision` must be a string. Received: precision={precision!r}")
        place = "cpu" if device is None else device
        _resolve(place)
        engine, signature = model._engine_model(), Signature(model)
        samples = None
        if calibrate is not None:
            arrays = adjust_ranks(signature, spread_inputs(signature, calibrate, "calibrate"))
            if len(arrays) > 1:
                raise ValueError(f"`calibrate` is for a model of one input. Received: {len(arrays)} inputs")
            samples = arrays[0]
        self = super().__new__(cls, engine, signature.is_plain, precision, samples, place)
        self._signature = signature
        return self

    def _general(self, x: Any, out: Any) -> Any:
        """Answers what ``__call__`` does not answer at once."""
        packed = data.pack(self._signature, x)
        results = self._run(adjust_ranks(self._signature, packed.x))
        if out is None:
            return self._signature.pack(results)
        targets = list(out) if isinstance(out, (list, tuple)) else [out]
        if len(targets) != len(results):
            raise ValueError(f"`out` must have {len(results)} array(s), one an output. Received: {len(targets)}")
        for target, result in zip(targets, results, strict=True):
            if not isinstance(target, np.ndarray) or target.dtype != np.float32 or not target.flags.writeable:
                raise TypeError(f"`out` must be a float32 array that can be written. Received: {_described(target)}")
            if target.shape != result.shape:
                raise ValueError(f"`out` must have shape {result.shape}. Received: shape {target.shape}")
        for target, result in zip(targets, results, strict=True):
            target[...] = result
        return out


def _described(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    return f"dtype {value.dtype}" + ("" if value.flags.writeable else ", read-only")
