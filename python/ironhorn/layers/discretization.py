"""Discretization: numbers to the bins they fall in, with boundaries that are given or measured.

``adapt`` estimates quantiles as Keras does: of each batch a summary of about ``1 / epsilon`` weighted values, which are
merged and compressed by interpolating the cumulative weights.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .base import Layer, Shape
from .preprocessing import MODES, call_on_rows


class Discretization(Layer):
    """Bin 0 is below the first boundary, bin ``i`` from boundary ``i - 1`` on.

    Args:
        bin_boundaries: increasing numbers.
        num_bins: how many bins ``adapt`` is to make, instead of boundaries.
        epsilon: the accuracy of the quantiles.
        output_mode: ``"int"`` gives the bins' numbers; the others are those of ``CategoryEncoding``.
        sparse: only ``False``.

    Raises:
        ValueError: if none or both of ``bin_boundaries`` and ``num_bins`` are given, and for unknown modes.
    """

    _records_build = True

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if sparse and output_mode == "int":
            raise ValueError(
                "`sparse=True` may only be used if `output_mode` is `'one_hot'`, `'multi_hot'`, or `'count'`. "
                f"Received: sparse={sparse} and output_mode={output_mode}"
            )
        if sparse:
            raise ValueError("`sparse=True` cannot be used: there are no sparse arrays.")
        if output_mode not in ("int", *MODES):
            raise ValueError(
                f"Unknown value for `output_mode` argument of Discretization. Allowed values are: {('int', *MODES)}. "
                f"Received: output_mode={output_mode}"
            )
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"`num_bins` must be greater than or equal to 0. Received: `num_bins={num_bins}`")
        if num_bins is not None and bin_boundaries is not None:
            raise ValueError(
                "Both `num_bins` and `bin_boundaries` should not be set. "
                f"Received: `num_bins={num_bins}` and `bin_boundaries={bin_boundaries}`"
            )
        if num_bins is None and bin_boundaries is None:
            raise ValueError("You need to set either `num_bins` or `bin_boundaries`.")
        self.bin_boundaries: list[float] | None = None
        if bin_boundaries is not None:
            self.bin_boundaries = [float(value) for value in bin_boundaries]
        self.num_bins, self.epsilon, self.output_mode, self.sparse = num_bins, epsilon, output_mode, False
        self.summary: NDArray[np.float32] = np.zeros((2, 0), np.float32)
        super().__init__(name=name, dtype=dtype, **kwargs)
        self._create()

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Sets the boundaries to quantiles of the data.

        Args:
            data: an array, or an iterable of batches.
            steps: how many batches to take at most.

        Raises:
            ValueError: if the layer was given boundaries.
        """
        if self.num_bins is None:
            raise ValueError(
                "Cannot adapt a Discretization layer that has been initialized with `bin_boundaries`, use `num_bins` "
                "instead."
            )
        self.reset_state()
        if hasattr(data, "__iter__") and not isinstance(data, np.ndarray) and not hasattr(data, "__array__"):
            for index, batch in enumerate(data):
                if steps is not None and index >= steps:
                    break
                self.update_state(batch)
        else:
            self.update_state(data)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Takes a batch into the summary."""
        self.summary = _merge(_summarize(np.asarray(data, np.float32), self.epsilon), self.summary, self.epsilon)

    def finalize_state(self) -> None:
        """Makes boundaries of the summary."""
        if self.num_bins is None:
            return
        self._set_boundaries(_compress(self.summary, 1.0 / self.num_bins)[0, :-1].tolist())

    def reset_state(self) -> None:
        """Forgets all batches."""
        if self.num_bins is not None:
            self.summary = np.zeros((2, 0), np.float32)

    def _set_boundaries(self, boundaries: list[float]) -> None:
        built = self._built_shape
        self.bin_boundaries = boundaries
        self._create()  # models notice that the engine's layer is another one
        if built is not None:
            self.build(built)

    def _need_boundaries(self) -> None:
        if self.bin_boundaries is None:
            raise ValueError(
                "You need to either pass the `bin_boundaries` argument at construction time or call `adapt(dataset)` "
                "before you can start using the `Discretization` layer."
            )

    def _check_shapes(self, shapes: list[Shape]) -> None:
        self._need_boundaries()
        super()._check_shapes(shapes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output; before ``adapt``, ``num_bins`` says how many bins there will be."""
        if self.bin_boundaries is not None or self.num_bins is None:
            return super().compute_output_shape(input_shape)
        adapted = type(self)(range(self.num_bins - 1), output_mode=self.output_mode, name=self.name)
        return adapted.compute_output_shape(input_shape)

    def _output_dtype(self, inputs: Any) -> str:
        return "int32" if self.output_mode == "int" else "float32"

    def _call_arrays(self, inputs: Any, training: bool | None) -> Any:
        self._need_boundaries()
        result = call_on_rows(super()._call_arrays, self._arrays(inputs)[0], self.output_mode, training)
        return result.astype(np.int32) if self.output_mode == "int" else result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Builds a layer from ``get_config``'s result; of an adapted one with its boundaries."""
        boundaries = config.get("bin_boundaries")
        if boundaries is None or config.get("num_bins") is None:
            return cls(**config)
        layer = cls(**config | {"bin_boundaries": None})
        layer._set_boundaries([float(value) for value in boundaries])
        return layer


def _summarize(values: NDArray[np.float32], epsilon: float) -> NDArray[np.float32]:
    """Values at equal steps of the sorted ones, each with that weight."""
    ordered = np.sort(values.reshape(-1))
    step = max(ordered.size / (1.0 / epsilon), 1)
    boundaries = ordered[int(step - 1) :: int(step)]
    return np.stack([boundaries, np.ones_like(boundaries) * np.float32(step)])


def _merge(first: NDArray[np.float32], second: NDArray[np.float32], epsilon: float) -> NDArray[np.float32]:
    merged = np.concatenate((first, second), axis=1)
    return _compress(np.take(merged, np.argsort(merged[0]), axis=1), epsilon)


def _compress(summary: NDArray[np.float32], epsilon: float) -> NDArray[np.float32]:
    """A summary of at most ``1 / epsilon`` values, interpolated between the cumulative weights."""
    if summary.shape[1] * epsilon < 1:
        return summary
    percents = epsilon + np.arange(0.0, 1.0, epsilon)
    weights = summary[1].cumsum()
    shares = weights / weights[-1]
    bins = np.interp(percents, shares, summary[0])
    weights = np.interp(percents, shares, weights)
    return np.stack((bins, weights - np.concatenate((np.array([0]), weights[:-1])))).astype(np.float32)
