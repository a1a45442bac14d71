"""What a model trains with: the arguments of ``compile``, checked, named and handed to the engine."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from numpy.typing import NDArray

from .. import losses, optimizers, serialization
from . import data
from .outputs import Measure, Output, Outputs, compile_text, log_order, resolve_outputs


class Compilation:
    """The compiled half of a model's state."""

    name: str
    input_shape: Any
    output_names: Any
    _compile_names = (
        "optimizer", "loss", "loss_weights", "metrics", "weighted_metrics", "run_eagerly", "steps_per_execution",
        "jit_compile", "check_finite",
    )  # fmt: skip

    def _init_trainer(self) -> None:
        self.compiled = False
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: Any = None
        self.stop_training = False
        self.stop_evaluating = False
        self.stop_predicting = False
        # What a backup and a run of `fit` tell each other: where to begin, and where it stands.
        self._initial_epoch: int | None = None
        self._resume_position: Any = None
        self._position: Any = None
        self._compiled_metrics: list[Measure] = []
        self._compiled_outputs: list[Output] = []
        self._compile_text = ""
        self._compile_arguments: dict[str, Any] = {}
        self._compiled_engine: Any = None
        self._check_finite = True

    def _engine_model(self) -> Any:
        raise NotImplementedError

    def _ensure_built_for(self, arrays: Sequence[NDArray[Any]]) -> None:
        raise NotImplementedError

    def _structure(self) -> tuple[Any, Any]:
        raise NotImplementedError

    def _undone_on_error(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def _trained(self) -> list[Any]:
        """The variables that training changes by their gradients."""
        variables: list[Any] = self.trainable_variables  # type: ignore[attr-defined]
        return variables

    def _outputs(self) -> Outputs:
        """The outputs by name; of a model that is not built yet one without a name."""
        try:
            structure = self._structure()[1]
        except AttributeError:
            return Outputs(None, None)
        return Outputs(structure, self.output_names)

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
        check_finite: bool = True,
    ) -> None:
        """Sets what to train with. When anything is refused, the model stays compiled as it was.

        Args:
            optimizer: a name or an object of ``ironhorn.optimizers``.
            loss: a name, a function or an object of ``ironhorn.losses``; for several outputs one for all, a list in
                their order or a dict by their names, with ``None`` for outputs without.
            loss_weights: what each loss counts in the sum; a number, a list or a dict.
            metrics: a list of names, functions or objects of ``ironhorn.metrics``; ``"accuracy"`` suits itself to the
                shapes of output and target. For several outputs a list of lists, or a dict by name.
            weighted_metrics: the same; these take the weights of samples into account.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted; without a meaning here.
            check_finite: whether ``fit`` ends with ``ironhorn.errors.NonFiniteError`` when the loss becomes NaN or
                infinite. The error names the epoch, the step and the first layer whose weights or outputs are not
                finite; the weights stay those before that step. With ``TerminateOnNaN`` among the callbacks there is
                no error: training stops as in Keras.

        Raises:
            ValueError: for unknown names, and lists and dicts that do not suit the outputs.
            TypeError: for things that are no losses or metrics.
        """
        data.integer(steps_per_execution, "steps_per_execution", 1)
        new_optimizer = optimizers.get(optimizer)
        if new_optimizer is None:
            raise ValueError("compile: `optimizer` is a name or an object of ironhorn.optimizers. Received: None")
        found = resolve_outputs(self._outputs(), loss, loss_weights, metrics, weighted_metrics)
        text = compile_text(found)
        engine = getattr(self, "_engine", None)
        if engine is not None and text:
            engine.compile(new_optimizer._native, text)
            engine.choices = []  # of what was compiled before
        self._compiled_engine = engine if text else None
        self.optimizer = new_optimizer
        self.loss = loss
        self._compiled_outputs = found
        self._compiled_metrics = [metric for output in found for metric in (*output.metrics, *output.weighted)]
        self._compile_text = text
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
        if not check_finite:  # where Keras reads the configuration, the usual says nothing new
            self._compile_arguments["check_finite"] = False
        self._check_finite = bool(check_finite)
        self.stop_training = False
        self.compiled = True

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of ``compile`` in Keras's form; empty before it."""
        config: dict[str, Any] = serialization.serialize(self._compile_arguments)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles with ``get_compile_config``'s result."""
        arguments = {name: config[name] for name in self._compile_names if name in config}
        arguments["loss"] = _revived(arguments.get("loss"))
        self.compile(**arguments)

    @property
    def metrics_names(self) -> list[str]:
        """``loss``, the losses of several outputs and the metrics, in the order of ``evaluate``'s list."""
        return log_order(self._compiled_outputs)

    def _assert_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(f"You must call `compile()` before using the model. Received: a call of `{method}()`.")
        if not self._compile_text:
            raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")

    def _ready(self, x: Sequence[NDArray[Any]]) -> Any:
        """The engine's model, built for the arrays and compiled."""
        self._ensure_built_for(x)
        return self._compiled_model()

    def _compiled_model(self) -> Any:
        engine = self._engine_model()
        if self._compiled_engine is not engine:
            assert self.optimizer is not None
            engine.compile(self.optimizer._native, self._compile_text)
            self._compiled_engine = engine
        return engine

    def _bind_optimizer(self) -> None:
        """Tells the optimizer which variables it trains."""
        assert self.optimizer is not None
        self.optimizer.bind(self._trained())

    def _in_order(self, logs: dict[str, float]) -> Any:
        names = [name for name in self.metrics_names if name in logs]
        values = [logs[name] for name in names] + [logs[name] for name in sorted(set(logs) - set(names))]
        return values[0] if len(values) == 1 else values


def _revived(loss: Any) -> Any:
    """Losses of a configuration, alone or in lists and dicts, as objects."""
    if isinstance(loss, dict) and "class_name" in loss:
        return losses.get(loss)
    if isinstance(loss, dict):
        return {key: _revived(value) for key, value in loss.items()}
    return [_revived(value) for value in loss] if isinstance(loss, (list, tuple)) else loss
