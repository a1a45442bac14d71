"""What a model needs of a device's memory: ``Model.memory``."""

import dataclasses

#: What the parts are, in the order of the table.
PARTS = {
    "weights": "variables, and the copy of them that a prediction reads",
    "optimizer": "what the optimizer keeps of each weight",
    "gradients": "of what layers pass on, and of weights where the optimizer needs them whole",
    "activations": "what layers pass on and keep for the way back",
    "data": "samples, targets and weights: a batch, the whole set or a window of it",
    "staging": "what is on its way between host and device",
    "scratch": "the rest: sums, records, room for the kernels",
}


@dataclasses.dataclass(frozen=True, repr=False)
class MemoryUse:
    """Bytes by part, of training and of a prediction; printed it is a table.

    Attributes:
        device: where, e.g. ``"cpu"`` or ``"gpu:0"``.
        batch_size: samples in a training step.
        samples: samples in the data set.
        training: bytes of each part while the model is trained.
        prediction: the same for ``predict``, which takes samples in batches of its own.
    """

    device: str
    batch_size: int
    samples: int
    training: dict[str, int]
    prediction: dict[str, int]

    @property
    def total(self) -> dict[str, int]:
        """The sums, as ``{"training": ..., "prediction": ...}``."""
        return {"training": sum(self.training.values()), "prediction": sum(self.prediction.values())}

    def as_dict(self) -> dict[str, dict[str, int]]:
        """``{"training": {...}, "prediction": {...}}``, each with its ``"total"``."""
        total = self.total
        return {
            "training": self.training | {"total": total["training"]},
            "prediction": self.prediction | {"total": total["prediction"]},
        }

    def __repr__(self) -> str:
        columns = self.as_dict()
        names = [*PARTS, "total"]
        rows = [(name, *(f"{column[name]:,}" for column in columns.values())) for name in names]
        rows.insert(0, ("bytes", *columns))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        rule = "─" * len(lines[0])
        head = f"Memory on {self.device}: batches of {self.batch_size:,} of {self.samples:,} samples"
        return "\n".join([head, rule, lines[0], rule, *lines[1:-1], rule, lines[-1]])
