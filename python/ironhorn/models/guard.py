"""A loss that is no number ends ``fit``: who asks for it, and the error, which names the place.

The engine finds the loss before the step changes anything, so the weights stay those of the last good step. What a
number must be to be bad is NaN or infinity in float32.
"""

from typing import Any

from ..errors import NonFiniteError


def is_wanted(model: Any, callbacks: Any) -> bool:
    """Whether ``fit`` is to end with an error: unless compiled otherwise, or a callback of Keras's is to see to it."""
    names = {cls.__name__ for callback in callbacks for cls in type(callback).__mro__}
    return bool(model._check_finite) and "TerminateOnNaN" not in names


def located(error: NonFiniteError, session: Any, epoch: int, epochs: int) -> NonFiniteError:
    """The error with epoch and step, counted from 1, and the first bad layer of the batch.

    Args:
        error: what the engine raised.
        session: the training session, which stands at the bad step.
        epoch: counted from 0.
        epochs: of the whole run.
    """
    received = str(error).rpartition("received ")[2]
    steps = "" if session.steps is None else f"/{session.steps}"
    place = f"epoch {epoch + 1}/{epochs}, step {session.step + 1}{steps}"
    return NonFiniteError(
        f"fit: expected a finite loss, received {received} in {place}. {_cause(*session.find_fault())} "
        "The weights are those before this step. `compile(check_finite=False)` trains on."
    )


def _cause(layer: tuple[str, str] | None, arrays: list[tuple[int, int] | None]) -> str:
    named = zip(("x", "y", "sample_weight"), arrays, strict=True)
    bad = [f"`{name}{f'[{found[0]}]' if found[0] else ''}`" + f" (row {found[1]})" for name, found in named if found]
    text = f"NaN or infinity is in {' and '.join(bad)}. " if bad else ""
    if layer is not None:
        name, part = layer
        return f"{text}The first bad layer is '{name}': its {part} {'is' if part == 'output' else 'are'} not finite."
    if bad:
        return text + "All layers' weights and outputs are finite."
    return "All layers' weights and outputs are finite: it is the loss itself, or a penalty, that is not."
