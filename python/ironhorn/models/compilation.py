"""What a model trains with: the arguments of ``compile``, checked, named and handed to the engine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from numpy.typing import NDArray

from .. import losses, optimizers, serialization
from ..metrics.compiled import Compiled, resolve
from . import data


class Compilation:
    """The compiled half of a model's state."""

    name: str
    input_shape: Any

    def _init_trainer(self) -> None:
        self.compiled = False
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: Any = None
        self.stop_training = False
        self.stop_evaluating = False
        self.stop_predicting = False
        self._initial_epoch: int | None = None
        self._compiled_metrics: list[Compiled] = []
        self._compile_text = ""
        self._compile_arguments: dict[str, Any] = {}
        self._compiled_engine: Any = None

    def _engine_model(self) -> Any:
        raise NotImplementedError

    def _ensure_built(self, x: NDArray[Any]) -> None:
        raise NotImplementedError

    def _undone_on_error(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Sets what to train with. When anything is refused, the model stays compiled as it was.

        Args:
            optimizer: a name or an object of ``ironhorn.optimizers``.
            loss: a name, a function or an object of ``ironhorn.losses``.
            loss_weights: not there yet, ``None``.
            metrics: a list of names, functions or objects of ``ironhorn.metrics``; ``"accuracy"`` suits itself to the
                shapes of output and target.
            weighted_metrics: not there yet, ``None``.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted; without a meaning here.

        Raises:
            ValueError: for unknown names.
            TypeError: for losses and metrics written in Python.
        """
        for argument, value in (("loss_weights", loss_weights), ("weighted_metrics", weighted_metrics)):
            if value is not None and value != []:
                raise NotImplementedError(f"compile: `{argument}` is not there yet; pass None. Received: {value!r}")
        if metrics is not None and not isinstance(metrics, (list, tuple, dict)):
            raise ValueError(
                "Expected `metrics` argument to be a list, tuple, or dict. "
                f"Received instead: metrics={metrics} of type {type(metrics)}"
            )
        data.integer(steps_per_execution, "steps_per_execution", 1)
        new_optimizer = optimizers.get(optimizer)
        if new_optimizer is None:
            raise ValueError("compile: `optimizer` is a name or an object of ironhorn.optimizers. Received: None")
        only = _only(loss, "loss")
        if isinstance(only, str) and only.lower() in ("crossentropy", "ce"):
            new_loss: Any = "crossentropy"  # the engine takes the one that suits the shapes
        else:
            new_loss = None if only is None else losses.resolve(only)
        new_metrics = resolve(list(_flatten(metrics)))
        form = {
            "loss": losses.serialize(new_loss),
            "metrics": [{"name": metric.name, "metric": metric.form} for metric in new_metrics],
        }
        text = serialization.to_text(form)
        engine = getattr(self, "_engine", None)
        if engine is not None and new_loss is not None:
            engine.compile(new_optimizer._native, text)
        self._compiled_engine = engine if new_loss is not None else None
        self.optimizer = new_optimizer
        self.loss = loss
        self._compiled_metrics = new_metrics
        self._compile_text = text if new_loss is not None else ""
        self._compile_arguments = {
            "optimizer": new_optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        self.stop_training = False
        self.compiled = True

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of ``compile`` in Keras's form; empty before it."""
        config: dict[str, Any] = serialization.serialize(self._compile_arguments)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles with ``get_compile_config``'s result."""
        known = ("optimizer", "loss", "metrics", "run_eagerly", "steps_per_execution", "jit_compile")
        arguments = {name: config[name] for name in known if name in config}
        if isinstance(arguments.get("loss"), dict):
            arguments["loss"] = losses.get(arguments["loss"])
        self.compile(**arguments)

    @property
    def metrics_names(self) -> list[str]:
        """``loss`` and the metrics, in the order of ``evaluate``'s list."""
        return ["loss", *(metric.name for metric in self._compiled_metrics)]

    def _assert_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(f"You must call `compile()` before using the model. Received: a call of `{method}()`.")
        if not self._compile_text:
            raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")

    def _ready(self, x: NDArray[Any]) -> Any:
        """The engine's model, built and compiled."""
        self._ensure_built(x)
        engine = self._engine_model()
        if self._compiled_engine is not engine:
            assert self.optimizer is not None
            engine.compile(self.optimizer._native, self._compile_text)
            self._compiled_engine = engine
        return engine

    def _in_order(self, logs: dict[str, float]) -> Any:
        names = [name for name in self.metrics_names if name in logs]
        values = [logs[name] for name in names] + [logs[name] for name in sorted(set(logs) - set(names))]
        return values[0] if len(values) == 1 else values


def _only(value: Any, argument: str) -> Any:
    """A loss may stand in a list or dict of one; more of them belong to models of several outputs."""
    is_form = isinstance(value, dict) and "class_name" in value
    inner = list(value.values()) if isinstance(value, dict) and not is_form else value
    if not isinstance(inner, (list, tuple)):
        return value
    if len(inner) != 1:
        raise ValueError(f"`{argument}` must be one for a model of one output. Received: {argument}={value!r}")
    return inner[0]


def _flatten(value: Any) -> Iterator[Any]:
    """The entries of nested lists and dicts; a dict with ``class_name`` is an entry."""
    if isinstance(value, dict) and "class_name" not in value:
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for entry in value:
            yield from _flatten(entry)
    elif value is not None:
        yield value
