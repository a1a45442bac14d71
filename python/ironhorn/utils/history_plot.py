"""The curves of a history, drawn by matplotlib."""

from typing import Any

from .notebook import epochs_of, groups


def plot_history(history: Any, to_file: Any = None) -> Any:
    """Draws each value of a history over the epochs, with that of validation beside it.

    Needs matplotlib: ``pip install ironhorn[plot]``. Nothing is shown or kept by matplotlib itself, so no window and no
    backend is needed.

    Args:
        history: what ``fit`` returns, or its ``history`` dict.
        to_file: a path to save the figure to; its ending tells the format.

    Returns:
        The ``matplotlib.figure.Figure``, with one axes a value; a notebook shows it.

    Raises:
        ImportError: without matplotlib.
        ValueError: if the history holds no epoch.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ImportError("plot_history needs matplotlib: `pip install ironhorn[plot]`") from error
    values: dict[str, list[Any]] = getattr(history, "history", history)
    if not isinstance(values, dict):
        raise TypeError(f"plot_history: expected a History or a dict of lists. Received: {history!r}")
    shown = [(title, [n for n in names if len(values[n])]) for title, names in groups(values)]
    shown = [(title, names) for title, names in shown if names]
    if not shown:
        raise ValueError("plot_history: the history holds no epoch. Received: an empty history")
    longest = max(len(column) for column in values.values())
    epochs = list(getattr(history, "epoch", None) or range(longest))
    figure = Figure(figsize=(4.5 * len(shown), 3.4), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for name in names:
            column = values[name]
            at = [epoch + 1 for epoch in epochs_of(epochs, len(column))]
            axes.plot(at, column, marker="." if len(column) == 1 else "", label=name)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    if to_file is not None:
        figure.savefig(to_file)
    return figure
