"""Everything behind the monitor: what it counts, whether it is open, and its life through forks."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, time
from typing import Any, Final
from weakref import WeakSet

from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.batch import Record
from tocsin.sdk.inference.ledger import INTAKE_LIMIT, Ledger
from tocsin.sdk.inference.presence import WORKER, Presence
from tocsin.sdk.inference.quality import USUAL_QUALITY, QualityKeeper, QualitySettings
from tocsin.sdk.inference.request import Request
from tocsin.sdk.inference.sample_log import SampleLog, SampleWriter
from tocsin.sdk.inference.state import State
from tocsin.sdk.inference.tally import LATENCY_LIMITS_S
from tocsin.sdk.names import usable_labels
from tocsin.sdk.readings import Reading
from tocsin.sdk.surroundings import labels_of_environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a monitor was made with."""

    labels: Mapping[str, str] | None = None
    url: str | None = None
    port: int | None = None
    queue_capacity: int | None = None
    latency_limits_s: Iterable[float] = LATENCY_LIMITS_S
    gen_ai: bool | Mapping[str, str] = False
    samples: SampleLog | None = None
    quality: QualitySettings = USUAL_QUALITY
    monotonic_s: Callable[[], float] = perf_counter


class Core:
    """Takes what requests report, from any thread, and opens itself when the first of them comes.

    ``append`` takes the record of a request and cannot fail: into ``intake`` while the monitor is open.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.guard = Guard(f'inference "{name}"')
        self.name = str(name)
        self.settings = settings
        self.monotonic_s = settings.monotonic_s
        self._state = State(self.name, settings.gen_ai, settings.queue_capacity, self.guard)
        self._limits_s: Sequence[float] = LATENCY_LIMITS_S
        with self.guard.around("latency_limits_s", "the usual limits of buckets are taken"):
            self._limits_s = sorted({float(limit) for limit in settings.latency_limits_s})
        self._labels = {"model": self.name}
        with self.guard.around("labels", "labels are left out"):
            given = {**labels_of_environment(self.guard), **(settings.labels or {})}
            self._labels = {**usable_labels(given, self.guard), **self._labels}
        self._is_closed = False
        self._presence: Presence | None = None
        self._opening = threading.Lock()
        self._ledger, self._quality = self._empty()
        self._writer = self._new_writer()
        self.intake = self._ledger.intake
        self.append: Callable[[Record], None] = self._take_first

    # What requests report.

    def begun(self, request: Request) -> None:
        """A request is under way."""
        self._state.in_flight.add(request)
        if self._presence is None:
            self.ensure_open()

    def ended(self, request: Request, record: Record) -> None:
        """A request is over; one that began before a fork is the parent's to count."""
        if request not in self._state.in_flight:
            return
        self._state.in_flight.discard(request)
        self.append(record)
        if len(self.intake) >= INTAKE_LIMIT:
            self.relieve()

    def waits(self, request: Request, *, is_waiting: bool) -> None:
        """A request has joined the queue or left it."""
        self._state.waits(request, is_waiting=is_waiting)

    def relieve(self) -> None:
        """Count what was taken, here and now."""
        with self.guard:
            self._ledger.relieve()

    def put_aside(self, kind: str, value: Any) -> None:
        """Take what is not about a single request."""
        if not self._is_closed:
            self._ledger.put_aside(kind, value)
            self.ensure_open()

    def queue(self, length: object, capacity: object) -> None:
        """Take the length of a queue."""
        self._state.queue(length, capacity)
        self.ensure_open()

    def say(self, key: object, label: object, *, is_label: bool) -> None:
        """Take a prediction or a label."""
        if not self._is_closed:
            self._quality.say((self.monotonic_s(), is_label, key, label))
            self.ensure_open()

    def offer(self, key: object, **parts: Any) -> None:
        """Offer a part of a request to the sample log."""
        if self._writer is not None and not self._is_closed:
            with self.guard.around("sample", "a sample of a request is dropped"):
                self._writer.offer(key, **parts)
            self.ensure_open()

    def latency_metrics(self) -> dict[str, float]:
        """What is known of the newest minute, and of this moment."""
        with self.guard:
            return {**self._ledger.latency_metrics(), **self._state.now()}
        return {}

    # Its life.

    @property
    def port(self) -> int | None:
        """The port of ``/metrics``, or None when it is not served."""
        presence = self._presence
        return presence.port if presence else None

    def start(self) -> None:
        """Open it, also after :meth:`close`."""
        self._is_closed = False
        self.ensure_open()

    def close(self) -> None:
        """Send the newest values and stop."""
        with self.guard:
            self._is_closed = True
            self.append = self._refuse
            presence, self._presence = self._presence, None
            atexit.unregister(self.close)
            if presence is not None:
                self._state.is_up = False
                presence.close()

    def ensure_open(self) -> None:
        """Open it when it is not."""
        if self._presence is not None or self._is_closed:
            return
        # Whoever comes second need not wait, and must not in a signal handler: what is recorded is kept.
        if self._opening.acquire(blocking=False):
            try:
                with self.guard:
                    self._open()
            finally:
                self._opening.release()

    def abandon(self) -> None:
        """Begin anew in a forked child, where threads are gone and locks may be held for ever."""
        presence, self._presence = self._presence, None
        self._opening = threading.Lock()
        self._ledger, self._quality = self._empty()
        self._writer = self._new_writer()
        self.intake = self._ledger.intake
        self.append = self._refuse if self._is_closed else self._take_first
        self._state.renew()
        if presence is not None:
            presence.abandon()

    def _open(self) -> None:
        if self._presence is not None:
            return
        _opened.add(self)
        atexit.register(self.close)
        self._state.is_up = True
        self._state.started_s = time()
        presence = Presence(self._labels, self.name, self.settings.url, self.settings.port, self.guard)
        if self._writer is not None:
            self._writer.tell_apart(presence.labels[WORKER])
        self._presence = presence
        self.append = self.intake.append
        presence.open(self._ledger, self._read, self._pushed, self._attend)

    def _take_first(self, record: Record) -> None:
        self.intake.append(record)
        self.ensure_open()

    def _refuse(self, record: Record) -> None:
        self.guard.tell_once("closed", "requests are not counted after close()")

    def _empty(self) -> tuple[Ledger, QualityKeeper]:
        return (
            Ledger(
                self.guard,
                self._limits_s,
                self.monotonic_s,
                with_token_histograms=bool(self.settings.gen_ai),
            ),
            QualityKeeper(self.settings.quality, self.guard, self.monotonic_s),
        )

    def _new_writer(self) -> SampleWriter | None:
        samples = self.settings.samples
        with self.guard.around("samples", "no samples are kept"):
            return None if samples is None else SampleWriter(samples, self.name, self.guard)
        return None

    # What is sent and served.

    def _attend(self, now_ns: int) -> bool:
        """Do what need not be done in the thread of a request."""
        self._quality.drain()
        if self._writer is not None:
            self._writer.write()
        return False

    def _read(self) -> list[Reading]:
        readings = [*self._ledger.readings(), *self._quality.readings()]
        if self._writer is not None:
            readings += self._writer.readings()
        return self._state.complete(readings, self._ledger)

    def _pushed(self, now_ns: int) -> list[Reading]:
        readings = self._read()
        # A scrape that saw 5 and a push that says 0 afterwards would look like a restart.
        is_plain = self.settings.port is not None or not self._state.is_up
        return readings if is_plain else list(self._state.beginnings.of(readings))


_opened: Final[WeakSet[Core]] = WeakSet()


def _abandon_all() -> None:
    for core in list(_opened):
        with core.guard:
            core.abandon()


os.register_at_fork(after_in_child=_abandon_all)
