"""Keras 3: a callback that watches what ``model.fit`` does, on any backend."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Any, Final, Unpack

from tocsin.integrations._trainer_run import (
    FailsWithBlock,
    MonitorOptions,
    TrainerRun,
    guarded,
    numbers,
)
from tocsin.sdk.training import TrainingMonitor

try:
    import keras
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "tocsin.integrations.keras needs Keras 3 and a backend: pip install keras torch"
        f" ({error.name} is missing)",
        name=error.name,
    ) from error

__all__ = ["TocsinCallback"]

_RATE_EVERY: Final = 10
"""Batches after which the learning rate is read again; a schedule computes it each time."""

_MOST_LATE: Final = 64
"""Batches that wait for one that another thread has not handed over yet."""

_VALIDATION: Final = "val_"


class TocsinCallback(FailsWithBlock, keras.callbacks.Callback):  # type: ignore[misc]  # Keras may be missing
    """Watches what ``model.fit`` does; nothing it does raises into the training or slows it.

    Each step is told with its number, loss, metrics, epoch and samples; the learning rate at every tenth;
    then validations and the end. Keras gives callbacks the mean loss since the epoch began, in which a
    spike drowns; what is told is the loss of the batch, computed from two means. Other metrics are told as
    Keras gives them, as means of the epoch. Keras tells callbacks about no exception: a training that ends
    by one is marked as failed when the program ends, when the next begins, or at the end of the callback's
    ``with`` block.

    ``name`` names the run, by default after the model. ``checkpoints`` is the path that a ModelCheckpoint was
    given, placeholders included: files that appear or change there at the end of an epoch are told.
    ``batch_size`` is how many samples a step has, which Keras does not tell. The other arguments are those of
    :class:`tocsin.TrainingMonitor`, which stands in the attribute ``monitor`` while the training lasts.

    >>> model.fit(x, y, epochs=3, callbacks=[TocsinCallback("mnist")])  # doctest: +SKIP
    """

    async_safe = True
    """Without it Keras makes the training wait for the device at each batch, on PyTorch and JAX.

    With it other threads call on_train_batch_end, later and in any order.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        checkpoints: str | None = None,
        batch_size: int | None = None,
        **options: Unpack[MonitorOptions],
    ) -> None:
        super().__init__()
        self._run = TrainerRun("Keras callback", name, options)
        self._pattern = None if checkpoints is None else pattern_of(str(checkpoints))
        self._samples = batch_size
        self._forget()

    def _forget(self) -> None:
        self._optimizer: Any = None
        self._epoch = 0
        self._batches_before = 0
        self._updates_every = 1
        self._seen: EpochBatches | None = None  # it has a lock, so it cannot be copied
        self._rates: dict[int, float | None] = {}
        self._rate: float | None = None
        self._files: dict[str, int] = {}

    @property
    def monitor(self) -> TrainingMonitor | None:
        """The monitor while a training lasts, for what only the program knows, else None."""
        return self._run.monitor

    # A training begins and ends.

    @guarded
    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Called by Keras, as all that follows."""
        self._run.end(is_failed=True)  # one that is open still
        self._forget()
        self._optimizer = getattr(self.model, "optimizer", None)
        self._updates_every = int(getattr(self._optimizer, "gradient_accumulation_steps", None) or 1)
        steps = _number(getattr(self._optimizer, "iterations", None)) or 0
        self._batches_before = int(steps) * self._updates_every
        self._files = files_at(self._pattern)

    @guarded
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """The last epoch is over, or the training was told to stop."""
        self._tell_checkpoints()
        self._forget()
        self._run.end()

    # Steps.

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """The first batch is fetched next."""
        if self._run.monitor is None:
            self._run.begin(str(getattr(self.model, "name", "keras")), self._total_steps(epoch))
        self._tell_checkpoints()
        self._epoch = epoch
        self._rates = {0: _learning_rate(self._optimizer)}
        stride = int(getattr(self.model, "steps_per_execution", 1) or 1)
        self._seen = EpochBatches(self._tell, stride=stride, are_means=_gives_means(self.model))

    @guarded
    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """A batch is there."""
        if batch and batch % _RATE_EVERY == 0 and keras.backend.backend() != "jax":
            self._rates[batch] = _learning_rate(self._optimizer)  # JAX keeps it from sight within an epoch

    @guarded
    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """A batch was learnt."""
        if self._seen is not None:
            self._seen.take(batch + 1, numbers(logs))

    def _tell(self, earlier: int, count: int, values: Mapping[str, Any]) -> None:
        """Called for each batch of an epoch, in their order."""
        self._rate = self._rates.pop(earlier, self._rate)
        number = self._updates(count)
        if number != self._updates(earlier):
            rate, self._rate = self._rate, None
            own = {"learning_rate": rate, "epoch": self._epoch, "samples": self._samples}
            self._run.step(number, {**values, **own})

    def _total_steps(self, first_epoch: int) -> int | None:
        epochs, batches = self.params.get("epochs"), self.params.get("steps")
        if not epochs or not batches:
            return None
        return self._updates((epochs - first_epoch) * batches)

    def _updates(self, batches: int) -> int:
        """The number of the step after so many batches of this epoch."""
        return (self._batches_before + batches) // self._updates_every

    # Validations and checkpoints.

    @guarded
    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """A validation begins, or an evaluation by itself, which is none of our trainings."""
        self._run.begin_validation()

    @guarded
    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """It ends; what it has measured comes with the end of the epoch."""
        self._run.end_validation()

    @guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """An epoch is over, and its validation."""
        values = numbers(logs).items()
        measured = {name: value for name, value in values if name.startswith(_VALIDATION)}
        if self._seen is not None:
            self._batches_before += self._seen.finish()
            self._seen = None
        self._run.evaluate(self._updates(0), measured)

    def _tell_checkpoints(self) -> None:
        files = files_at(self._pattern)
        for path in sorted(path for path, changed in files.items() if self._files.get(path) != changed):
            self._run.checkpoint(path, self._updates(0))
        self._files = files


class EpochBatches:
    """The batches of an epoch, told in their order, however threads hand them over.

    ``tell`` gets how many batches there were before, how many with these, and their values. Where
    ``are_means``, losses come as means since the epoch began, and are told as those of these batches alone.
    ``stride`` is how many batches are handed over at once.

    >>> batches = EpochBatches(print, are_means=True)
    >>> batches.take(2, {"loss": 3.0})
    >>> batches.take(1, {"loss": 4.0})
    0 1 {'loss': 4.0}
    1 2 {'loss': 2.0}
    """

    def __init__(
        self, tell: Callable[[int, int, Mapping[str, Any]], None], *, stride: int = 1, are_means: bool
    ) -> None:
        self._tell_one = tell
        self._stride = stride
        self._are_means = are_means
        self._lock = threading.Lock()
        self._waiting: dict[int, dict[str, Any]] = {}
        self._count = 0
        self._mean = 0.0

    def take(self, count: int, values: dict[str, Any]) -> None:
        """The first ``count`` batches gave these values."""
        with self._lock:
            self._waiting[count] = values
            while self._waiting and (self._is_next() or len(self._waiting) > _MOST_LATE):
                self._tell_next()

    def finish(self) -> int:
        """The epoch is over; says how many batches it had."""
        with self._lock:
            while self._waiting:
                self._tell_next()
            return self._count

    def _is_next(self) -> bool:
        return min(self._waiting) <= self._count + self._stride

    def _tell_next(self) -> None:
        count = min(self._waiting)
        values = self._waiting.pop(count)
        if count <= self._count:  # so late that it was given up
            return
        earlier, self._count = self._count, count
        if self._are_means and "loss" in values:
            mean, earlier_mean = values["loss"], self._mean
            self._mean = mean
            values = {**values, "loss": (mean * count - earlier_mean * earlier) / (count - earlier)}
        self._tell_one(earlier, count, values)


def _gives_means(model: Any) -> bool:
    """Whether the loss in a batch's logs is a mean; a ``train_step`` of the user's gives what it wants."""
    return type(model).train_step is keras.Model.train_step


def _learning_rate(optimizer: Any) -> float | None:
    return _number(getattr(optimizer, "learning_rate", None))


def _number(value: Any) -> float | None:
    """Of a variable, which in older versions does not turn itself into a number."""
    return None if value is None else float(keras.ops.convert_to_numpy(value))


def pattern_of(path: str) -> str:
    """The files that a path with placeholders stands for.

    >>> pattern_of("models/{epoch:02d}-{val_loss:.2f}.keras")
    'models/*-*.keras'
    """
    return "*".join(map(escape, re.split(r"\{[^{}]*\}", path)))


def files_at(pattern: str | None) -> dict[str, int]:
    """When each file was changed last, in nanoseconds."""
    if pattern is None:
        return {}
    anchor = Path(pattern).anchor
    changed: dict[str, int] = {}
    for path in Path(anchor).glob(pattern[len(anchor) :]):
        with suppress(FileNotFoundError):  # Keras has just removed one that is no longer the best
            changed[str(path)] = path.stat().st_mtime_ns
    return changed
