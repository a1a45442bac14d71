"""``fit``: checks, the loop over epochs, callbacks, validation."""

from typing import Any

from ..errors import NonFiniteError
from . import data, guard
from .data import Data
from .evaluation import Evaluating
from .mapped import blocks_for
from .python_path import open_session
from .sources import Dataset, Rows, is_stream, source_of
from .spread import adjust_ranks
from .streams import close, is_exhausted


class Fitting(Evaluating):
    """The part of a model that is trained."""

    history: Any
    _engine: Any

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        device: str | None = None,
    ) -> Any:
        """Trains the model.

        Ctrl-C ends it between two steps; the model stays usable, and ``model.history`` holds the finished epochs.
        Arguments that are refused change nothing. An exception of a generator arrives as it is, after the whole steps
        before it; one that ends too early is warned about, and training ends.

        Args:
            x: inputs, ``(n, ...)``: a NumPy array of any numeric dtype, which is read a batch at a time and never
                copied, or a list, a pandas frame, anything with ``__array__``; a matrix of ``scipy.sparse``, which
                becomes dense a batch at a time; of several inputs a list in their order or a dict by their names.
                Or what gives batches ``(x, y)`` or ``(x, y, sample_weight)``: a generator or another iterator, an
                iterable such as a ``DataLoader`` of torch, a ``PyDataset``. It runs on the calling thread while the
                engine takes the step before.
            y: targets, ``(n,)`` or ``(n, ...)``; of several outputs a list or a dict, with ``None`` for outputs
                without a loss.
            batch_size: rows a step; 32 by default, or what ``steps_per_epoch`` asks for. Not for batches.
            epochs: the number of the last epoch.
            verbose: 0 silent, 1 a bar, 2 a line an epoch; ``"auto"`` is 1.
            callbacks: objects with methods of ``ironhorn.callbacks.Callback``.
            validation_split: the share of the last rows to validate with.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, or what gives batches; overrides
                ``validation_split``.
            shuffle: whether each epoch draws a new order: of the rows; of the batches of a ``PyDataset``; in runs of
                neighbours where the arrays are mapped from files of 4 GiB or more (``models/mapped.py`` has the rule).
                Iterators and iterables bring an order of their own.
            class_weight: a dict from class to weight, for models of one output; with arrays and a ``PyDataset``.
            sample_weight: one weight a row; of several outputs one array for all, a list or a dict.
            initial_epoch: the number of the first epoch.
            steps_per_epoch: ends an epoch early. Iterators, iterables and ``PyDataset`` go on from there in the next.
            validation_steps: ends a validation early. The next one begins at the first batch again, but that of an
                iterator goes on. (Keras gives an iterator's first two batches again each time.)
            validation_batch_size: rows a step of validation; by default ``batch_size``.
            validation_freq: validate every so many epochs, or a list of epochs, counted from 1.
            device: where to train and validate: ``"cpu"``, ``"gpu"``, ``"gpu:N"`` or ``"auto"``, see
                ``config.set_device``; by default ``config.device()``. Weights and the optimizer's state go along, so it
                may change from call to call.

        Returns:
            A ``History``: ``history.history["loss"]`` and so on.

        Raises:
            ValueError: for values, shapes and lengths that do not fit, and a model that is not compiled.
            TypeError: for wrong types and dtypes.
            DeviceError: if there is no such device, or it is lost or too small.
            NonFiniteError: if the loss becomes NaN or infinite; see ``compile``'s ``check_finite``.
        """
        self._assert_compiled("fit")
        epochs = data.integer(epochs, "epochs", 0)
        initial_epoch = data.integer(initial_epoch, "initial_epoch", 0)
        batch_size = data.optional_integer(batch_size, "batch_size")
        steps = data.optional_integer(steps_per_epoch, "steps_per_epoch")
        validation_steps = data.optional_integer(validation_steps, "validation_steps")
        validation_batch_size = data.optional_integer(validation_batch_size, "validation_batch_size") or batch_size
        share = data.fraction(validation_split, "validation_split")
        shown = data.verbosity(verbose)
        _should_validate(0, validation_freq)
        if isinstance(shuffle, str) or shuffle is None:
            raise ValueError(f"`shuffle` must be True or False. Received: shuffle={shuffle!r}")
        held_out: Any = None
        if validation_data is not None:
            held_out = self._validation_data(validation_data)
        train: Any = x
        if is_stream(x):
            data.refuse_besides(_kind(x), y, sample_weight, 0.0 if validation_data is not None else share)
        else:
            train = data.pack(self, x, data.require_targets(y), sample_weight, class_weight, keep_sparse=True)
            if held_out is None and share:
                train, held_out = data.split(train, share)
                # Class weights belong to training alone; weights of samples go along with them.
                held_out = held_out if class_weight is None else held_out.unweighted()
        if isinstance(train, Data):
            size, steps = data.plan_batches(len(train), batch_size, steps, "steps_per_epoch")
        session: Any = None
        validation: Any = None

        def training() -> Any:
            if isinstance(train, Data):
                return self._training(train, size, steps, bool(shuffle), device)
            return self._training_stream(train, class_weight, steps, bool(shuffle), device)

        def validating() -> Any:
            if held_out is None:
                return None
            return self._evaluation(held_out, validation_batch_size, validation_steps, device)

        try:
            with self._undone_on_error():
                session = training()
                validation = validating()
                engine = self._engine
                calls = self._callbacks(callbacks, shown, epochs, session.steps, add_history=True)
            self.stop_training = False
            logs: dict[str, Any] = {}
            calls.on_train_begin()
            if self._engine is not engine:  # a backup has brought another seed, or devices that were chosen
                close(session, validation)
                session = training()
                validation = validating()
            session.set_check_finite(guard.is_wanted(self, calls.callbacks))
            self._position = getattr(session, "position", None)
            for epoch in range(self._initial_epoch or initial_epoch, epochs):
                if is_exhausted(session):
                    break
                calls.on_epoch_begin(epoch)
                position, self._resume_position = self._resume_position, None
                if position is None or self._position is None:
                    session.begin_epoch()
                else:
                    session.resume(*position)
                try:
                    self._drive(session, "train", calls)
                except NonFiniteError as error:
                    raise guard.located(error, session, epoch, epochs) from None
                logs = dict(session.logs())
                self._fill_metrics(session)
                if validation is not None and _should_validate(epoch, validation_freq) and not is_exhausted(validation):
                    tested = self._test(validation, calls)
                    logs |= {f"val_{name}": value for name, value in tested.items()}
                calls.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            if epochs > 0 and self.optimizer is not None:
                self.optimizer.finalize_variable_values(self._trained())
            calls.on_train_end(logs)
        finally:
            self._initial_epoch = self._resume_position = self._position = None
            close(session, validation)
            del session, validation  # a kept traceback must not keep the arrays
        return self.history

    def _validation_data(self, validation_data: Any) -> Any:
        """Checked arrays, or what gives batches."""
        if is_stream(validation_data):
            return validation_data
        x, y, weights = data.unpack_validation(validation_data)
        prefix = "validation_data: "
        if is_stream(x):
            data.refuse_besides(_kind(x), y, weights, prefix=prefix)
            return x
        return data.pack(self, x, data.require_targets(y), weights, prefix=prefix, keep_sparse=True)

    def _training(self, packed: Data, size: int, steps: int | None, shuffle: bool, device: str | None) -> Any:
        """A session that trains on arrays."""
        begin = self._fit_session(shuffle and not packed.is_sparse, device)
        if packed.is_sparse:
            session = self._stream(Rows(packed, size), steps, begin, shuffle=shuffle, training=True)
        else:
            engine = self._ready(packed.x)
            x = adjust_ranks(self, packed.x)
            session = open_session(self, packed, x, lambda *arrays: begin(engine, arrays, size, steps), training=True)
            blocks = blocks_for(array for array in (*packed.x, *packed.y) if array is not None) if shuffle else None
            if blocks is not None:
                session.shuffle_in_blocks(*blocks)
        self._bind_optimizer()
        return session

    def _training_stream(self, x: Any, class_weight: Any, steps: int | None, shuffle: bool, device: str | None) -> Any:
        """A session that trains on batches."""
        source = source_of(x)
        numbered = isinstance(source, Dataset)
        if class_weight is not None and not numbered:
            raise ValueError(
                f"Argument `class_weight` is not supported for Python {source.kind} inputs. "
                f"Received: class_weight={class_weight}"
            )
        begin = self._fit_session(False, device)
        drawn = shuffle and numbered and source.count is not None
        session = self._stream(source, steps, begin, class_weight=class_weight, shuffle=drawn, training=True)
        self._bind_optimizer()
        return session


def _kind(x: Any) -> str:
    """What errors call a source of batches."""
    return source_of(x).kind


def _should_validate(epoch: int, validation_freq: Any) -> bool:
    if isinstance(validation_freq, bool) or not isinstance(validation_freq, (int, list, tuple, set, range)):
        raise ValueError(
            f"Expected `validation_freq` to be a list or int. Received: validation_freq={validation_freq} of the type "
            f"{type(validation_freq)}."
        )
    if not isinstance(validation_freq, int):
        return epoch + 1 in validation_freq
    if validation_freq < 1:
        raise ValueError(f"`validation_freq` must be at least 1. Received: validation_freq={validation_freq}")
    return (epoch + 1) % validation_freq == 0
