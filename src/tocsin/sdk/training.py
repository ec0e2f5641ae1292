"""The monitor that a training loop reports to."""

from __future__ import annotations

import atexit
import itertools
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from time import time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tocsin.sdk import summary
from tocsin.sdk.checkpoints import Checkpoints
from tocsin.sdk.columns import Step
from tocsin.sdk.discovery import Destination
from tocsin.sdk.guard import Guard
from tocsin.sdk.health.settings import HealthSettings
from tocsin.sdk.health.telling import tell
from tocsin.sdk.health.watcher import Watcher
from tocsin.sdk.names import Names, usable_labels
from tocsin.sdk.parts import Batches, Part, Parts
from tocsin.sdk.progress import Progress
from tocsin.sdk.rank import Rank
from tocsin.sdk.rates import Rates
from tocsin.sdk.readings import Reading
from tocsin.sdk.recorder import INTAKE_LIMIT, Recorder
from tocsin.sdk.sender import Sender
from tocsin.sdk.surroundings import labels_of_environment
from tocsin.sdk.validation import Validation
from tocsin.sdk.values import Deferred, around_value, resolve, settle

if TYPE_CHECKING:
    from tocsin.sdk.shared_endpoint import SharedEndpoint

CLOSE_WITHIN_S: Final = 2.0
"""How long leaving the ``with`` block may take when the server is dead or hangs."""

_NS_PER_S: Final = 1_000_000_000
_USUAL_HEALTH: Final = HealthSettings()

Item = TypeVar("Item")


class Status(IntEnum):
    """The values of ``training_status``."""

    IDLE = 0
    RUNNING = 1
    COMPLETE = 2
    FAILED = 3


class TrainingMonitor:
    """Watches one training run; nothing it does raises into the training, blocks it or slows it down.

    Each value of :meth:`step` becomes a series ``training_<name>{run="<name of the run>"}``, sent
    with the time of its step to the tocsin on this machine, to ``url`` or to ``TOCSIN_URL``. Up to
    20 steps a second all are sent; beyond that the last, lowest and highest of each 50 ms, and every
    kind of NaN or infinity. While no server is there a bounded number of them is kept.

    ``name`` names the run, and a run of the same name continues the same series. ``total_steps`` says how
    many steps there will be, where that is known; ``labels`` are further labels of all its series, and so are
    those in the variable ``TOCSIN_LABELS``. ``url`` is the server, such as ``http://127.0.0.1:8627``; without
    it the one on this machine is found. With ``port`` the run serves ``/metrics`` on 127.0.0.1 as well; 0
    takes any free port.

    ``health`` sets the limits of the checks for spikes, plateaus, stalls and more, which find them within a
    second, log them to ``tocsin.training`` and keep them as ``training_health``; None leaves all checks out.

    ``rank`` and ``world_size`` say which of several processes this is; without them the variables that
    torchrun, MPI and Slurm set are read. Where there are several, their series have the label ``rank``.
    ``flops_per_step`` is the work of a step, in floating-point operations, and ``peak_flops`` what the
    hardware could do in a second; ``price_per_hour`` is what an hour costs.

    What is wrong with the arguments or values is logged once, by the logger ``tocsin``.

    >>> with TrainingMonitor("digits", total_steps=2) as run:
    ...     for loss in (0.7, 0.5):
    ...         run.step(loss=loss, lr=0.01)
    """

    def __init__(
        self,
        name: str,
        total_steps: int | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        url: str | None = None,
        port: int | None = None,
        health: HealthSettings | None = _USUAL_HEALTH,
        rank: int | None = None,
        world_size: int | None = None,
        flops_per_step: float | None = None,
        peak_flops: float | None = None,
        price_per_hour: float | None = None,
    ) -> None:
        self._guard = Guard(f'training "{name}"')
        self._name = str(name)
        total = None
        with self._guard.around("total_steps", "total_steps is not a number"):
            total = None if total_steps is None else float(total_steps)
        watcher = None
        with self._guard.around("health", "the health of the training is not judged"):
            watcher = None if health is None else Watcher(health, total)
        rates = Rates.of(
            self._guard, flops_per_step=flops_per_step, peak_flops=peak_flops, price_per_hour=price_per_hour
        )
        self._progress = Progress(rates, total)
        self._recorder = Recorder(self._guard, watcher, self._progress)
        self._rank = Rank.of(rank, world_size, self._guard)
        self._parts = Parts(self._guard)
        self._checkpoints = Checkpoints(self._name, self._guard)
        self._validation = Validation(self._recorder, self._parts, self._guard)
        self._intake = self._recorder.intake
        self._append: Callable[[Step], None] = self._refuse
        self._numbers = itertools.count(1)
        self._names = Names(self._guard)
        self._status = Status.IDLE
        self._is_open = False
        self._sender: Sender | None = None
        self._endpoint: SharedEndpoint | None = None
        self._url = url
        self._wanted_port = port
        self._own_labels = {"run": str(name)}
        with self._guard.around("labels", "labels are left out"):
            given = {**labels_of_environment(self._guard), **(labels or {})}
            self._own_labels = {**usable_labels(given, self._guard), **self._own_labels}
        self._own_labels |= self._rank.labels

    def step(self, /, step: int | None = None, **values: Any) -> None:
        """Report one step: its values, and its number where it is not simply the next.

        Takes numbers and whatever holds a single one (0-d arrays, tensors of any device, which are
        read later, outside the training loop). May be called from any thread.
        """
        # What stands here cannot fail and costs nanoseconds; whatever can fail is guarded where it stands.
        for value in values.values():
            if type(value) is not float and type(value) is not int:
                values = self._settle(values)
                break
        self._append((time_ns(), next(self._numbers) if step is None else self._number(step), values))
        if len(self._intake) >= INTAKE_LIMIT:
            self._relieve()

    def part(self, name: str) -> Part:
        """A block whose time counts for a part of the step: ``data``, ``forward_backward``, ``optimizer``.

        >>> with TrainingMonitor("digits") as run, run.part("optimizer"):
        ...     pass
        """
        return self._parts[name]

    def batches(self, source: Iterable[Item]) -> Batches[Item]:
        """What ``source`` gives; the time that the training waits for it counts for the part ``data``."""
        return self._parts.batches(source)

    def validation(self) -> Validation:
        """A block in which the training takes no steps on purpose: no stall, however long it lasts."""
        return self._validation

    def evaluate(self, /, step: int | None = None, **values: Any) -> None:
        """Report what a validation measured, as ``training_val_<name>``, by default at the newest step."""
        with self._guard:
            if not self._is_open:
                self._refuse((0, 0, {}))
                return
            numbers = resolve(settle(values, self._guard), self._guard)
            named = {
                name if name.startswith("val") else f"val_{name}": number for name, number in numbers.items()
            }
            at = None if step is None else int(step)
            with self._guard.around("evaluation", "the result of a validation is left out"):
                self._recorder.take_evaluation(time_ns(), at, named)

    def checkpoint(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        step: int | None = None,
        size_bytes: int | None = None,
    ) -> None:
        """Report a checkpoint that was saved; the size of ``path`` is looked up where it is not given."""
        with self._guard:
            at = self._recorder.newest()[0] if step is None else int(step)
            self._checkpoints.saved(path, step=at, size_bytes=size_bytes, time_s=time_ns() / _NS_PER_S)

    async def get_training_metrics(self) -> dict[str, Any]:
        """What is known now, by short names: ``status``, ``step``, the newest of each value, ``health``, ….

        >>> import asyncio
        >>> with TrainingMonitor("digits") as run:
        ...     run.step(loss=0.7)
        ...     asyncio.run(run.get_training_metrics())["loss"]
        0.7
        """
        metrics: dict[str, Any] = {}
        with self._guard:
            number, values = self._recorder.newest()
            named = (reading for reading in self._state(time_ns()) if not reading.labels)
            metrics = {reading.name.removeprefix("training_"): reading.value for reading in named}
            health = {check: is_bad for check, (is_bad, _) in self._recorder.checks().items()}
            metrics |= {"run": self._name, "status": self._status.name.lower(), "step": number}
            metrics |= {"part_seconds": self._parts.seconds(), "health": health, **values}
        return metrics

    @property
    def port(self) -> int | None:
        """The port of ``/metrics``, or None when it is not served."""
        return self._endpoint.port if self._endpoint else None

    def __enter__(self) -> Self:
        with self._guard:
            self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close(Status.COMPLETE if kind is None else Status.FAILED)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        import asyncio  # noqa: PLC0415 - only an asynchronous program pays for it

        status = Status.COMPLETE if kind is None else Status.FAILED
        with self._guard:
            await asyncio.to_thread(self._close, status)
        self._close(status)  # where the thread could not be had

    def _open(self) -> None:
        if self._is_open:
            self._guard.tell_once("open", "it is entered a second time, which changes nothing")
            return
        if sys.is_finalizing():
            # A thread that is started now would never run, and whoever starts it waits for it.
            self._guard.tell_once("open", "the program is ending and nothing is measured")
            return
        self._is_open = True
        self._status = Status.RUNNING
        self._progress.start_ns = time_ns()
        self._append = self._intake.append
        _live.add(self)
        atexit.register(self._close, Status.FAILED)
        if self._wanted_port is not None:
            with self._guard.around("port", f"/metrics cannot be served on port {self._wanted_port}"):
                self._serve(self._wanted_port)
        destination = None
        with self._guard.around("url", "nothing is sent"):
            destination = Destination(self._url)
        labels = {"instance": socket.gethostname(), "job": "training", **self._own_labels}
        self._sender = Sender(
            self._recorder, destination, self._names, labels, self._state, self._guard, self._attend
        )
        self._sender.start()

    def _serve(self, port: int) -> None:
        # prometheus_client is for those who ask for a port.
        from tocsin.sdk.shared_endpoint import SharedEndpoint  # noqa: PLC0415

        self._endpoint = SharedEndpoint(port, self._own_labels, self._read, "training", self._guard)

    def _close(self, status: Status) -> None:
        with self._guard:
            if not self._is_open:
                return
            self._is_open = False
            self._append = self._refuse
            self._status = status
            atexit.unregister(self._close)
            _live.discard(self)
            try:
                if self._sender is not None:
                    self._sender.close(CLOSE_WITHIN_S)
                    self._summarise(self._sender)
            finally:
                if self._endpoint is not None:
                    self._endpoint.close()

    def _summarise(self, sender: Sender) -> None:
        """Say how the run went where no server has seen it; of several processes the first one does."""
        if not summary.is_wanted() or sender.was_served or self._rank.number or not self._progress.taken:
            return
        with self._guard.around("summary", "no summary is printed"):
            summary.Summary(
                self._name,
                self._status.name.lower(),
                self._progress.taken,
                (time_ns() - self._progress.start_ns) / _NS_PER_S,
                self._progress.total_steps,
                self._recorder.course.losses,
                self._recorder.course.newest,
                {check: events for check, (_, events) in self._recorder.checks().items()},
                sender.later,
            ).show()

    def _refuse(self, step: Step) -> None:
        self._guard.tell_once("closed", "step() counts only inside `with`, in the process that entered it")

    def _settle(self, values: dict[str, Any]) -> dict[str, Any]:
        settled: dict[str, Any] = {}
        with self._guard:
            settled = settle(values, self._guard)
            if any(type(value) is Deferred for value in settled.values()):
                self._recorder.holds_deferred = True
        return settled

    def _relieve(self) -> None:
        with self._guard:
            self._recorder.relieve()

    def _number(self, step: Any) -> int:
        with self._guard.around("step", "a step's number is not a whole number, the next one is taken"):
            number = int(step)
            self._numbers = itertools.count(number + 1)
            return number
        return next(self._numbers)

    def _attend(self, now_ns: int) -> bool:
        """Tell what the health checks found; says whether there was anything."""
        verdicts = self._recorder.verdicts(now_ns)
        for verdict in verdicts:
            tell(self._name, verdict)
        return bool(verdicts)

    def _state(self, now_ns: int) -> list[Reading]:
        readings = [Reading(name, value) for name, value in self._facts().items()]
        # A value that the training reports by itself stands for the one that would follow from its steps.
        readings += [each for each in self._recorder.progress(now_ns) if each.name not in self._names]
        readings += self._parts.readings(now_ns)
        readings += self._checkpoints.readings()
        for check, (is_bad, events) in self._recorder.checks().items():
            own = (("check", check),)
            readings.append(Reading("training_health", float(is_bad), own))
            readings.append(Reading("training_health_events_total", float(events), own))
        return readings

    def _facts(self) -> dict[str, float]:
        facts = {
            "training_status": float(self._status),
            "training_start_time_seconds": self._progress.start_ns / _NS_PER_S,
            "training_steps_dropped_total": float(self._recorder.dropped),
        }
        if self._validation.was_used:
            facts["training_validating"] = float(self._validation.is_under_way)
        if self._rank.world_size > 1:
            facts["training_world_size"] = float(self._rank.world_size)
        return facts

    def _read(self) -> list[Reading]:
        number, values = self._recorder.newest()
        series = self._state(time_ns())
        if number is not None:
            series.append(Reading("training_step", number))
        for name, value in values.items():
            metric = self._names[name]
            if metric is not None:
                with around_value(self._guard, name, value):
                    series.append(Reading(metric, float(value)))
        return series

    def _abandon(self) -> None:
        """Become inert in a forked child, where the sender does not run and locks may be held for ever."""
        self._is_open = False
        self._append = self._refuse
        if self._endpoint is not None:
            self._endpoint.abandon()


_live: Final[set[TrainingMonitor]] = set()


def _abandon_all() -> None:
    for monitor in tuple(_live):
        monitor._abandon()  # noqa: SLF001 - the other half of the class
    _live.clear()


os.register_at_fork(after_in_child=_abandon_all)
