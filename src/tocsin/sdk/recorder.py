"""Steps on their way from the training loop to whoever sends or serves them: thinned, in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from tocsin.sdk.guard import Guard
from tocsin.sdk.health.verdicts import Verdict
from tocsin.sdk.health.watcher import Watcher
from tocsin.sdk.pace import Pace
from tocsin.sdk.thinning import Row, Step, Thinner
from tocsin.sdk.values import resolve

INTAKE_LIMIT: Final = 512
"""Steps taken since the sender last looked, from which on the step itself thins them."""

_INTAKE_MOST: Final = 32 * INTAKE_LIMIT
"""Steps taken while another thread was thinning, from which on the newest are dropped."""

OUTBOX_SAMPLES: Final = 50_000
"""Samples kept while no server takes them (about 4 MB); the oldest are dropped first."""


class Recorder:
    """Takes steps from any thread and gives rows to one sender.

    ``intake`` is the list that steps are appended to, nothing else; appending needs no lock.
    """

    def __init__(self, guard: Guard, watcher: Watcher | None = None) -> None:
        self.intake: list[Step] = []
        self.dropped = 0
        self.holds_deferred = False
        self._guard = guard
        self._watcher = watcher
        self._lock = threading.Lock()
        self._thinner = Thinner()
        self._pace = Pace()
        self._taken = 0
        self._last_number: int | None = None
        self._outbox: deque[Row] = deque()
        self._outbox_samples = 0
        self._newest: dict[str, float] = {}

    def relieve(self) -> None:
        """Make room in a full intake; never waits, so that a signal handler may take steps as well."""
        if self._lock.acquire(blocking=False):
            try:
                self._absorb()
            finally:
                self._lock.release()
        elif len(self.intake) > _INTAKE_MOST:
            self.intake.pop()
            self.dropped += 1

    def drain(self, now_ns: int, *, is_end: bool = False) -> None:
        """Move what was taken towards the outbox; at the end also what a bucket still holds."""
        with self._lock:
            self._absorb()
            self._put(self._thinner.close() if is_end else self._thinner.close_due(now_ns))

    def take_rows(self, most_samples: int) -> list[Row]:
        """Remove the oldest rows, at least one when there is any."""
        rows = []
        with self._lock:
            while self._outbox and most_samples > 0:
                rows.append(self._outbox.popleft())
                most_samples -= _sample_count(rows[-1])
            self._outbox_samples -= sum(map(_sample_count, rows))
        return rows

    def give_back(self, rows: list[Row]) -> None:
        """Put rows that could not be sent back where they were."""
        with self._lock:
            self._outbox.extendleft(reversed(rows))
            self._outbox_samples += sum(map(_sample_count, rows))
            self._trim()

    def drop(self, rows: list[Row]) -> None:
        """Count rows that nobody will ever take."""
        with self._lock:
            self.dropped += len(rows)

    @property
    def waiting(self) -> int:
        """Rows in the outbox."""
        return len(self._outbox)

    def steps_per_second(self, now_ns: int) -> float | None:
        """The pace now; None before there are two steps."""
        with self._lock:
            return self._pace.per_second(now_ns)

    def verdicts(self, now_ns: int) -> list[Verdict]:
        """What the health checks found that nobody was told yet."""
        if self._watcher is None:
            return []
        with self._lock:
            self._watcher.tick(now_ns)
        return self._watcher.verdicts()

    def checks(self) -> dict[str, tuple[bool, int]]:
        """Of each health check whether it is bad, and how many events it had."""
        return {} if self._watcher is None else self._watcher.checks()

    def newest(self) -> tuple[int | None, dict[str, float]]:
        """The number of the newest step, and the newest of each value."""
        with self._lock:
            self._absorb()
            return self._last_number, {**self._newest, **self._thinner.newest()}

    def _absorb(self) -> None:
        count = len(self.intake)
        if not count:
            return
        # Other threads may append meanwhile; they do so behind these.
        steps = self.intake[:count]
        del self.intake[:count]
        if self.holds_deferred:
            steps = [(time_ns, number, resolve(values, self._guard)) for time_ns, number, values in steps]
        self._taken += count
        self._last_number = steps[-1][1]
        self._pace.update(self._taken, steps[-1][0])
        if self._watcher is not None:
            with self._guard.around("health", "the health of the training is not judged"):
                self._watcher.take(steps)
        self._put(self._thinner.add(steps))

    def _put(self, rows: list[Row]) -> None:
        for row in rows:
            self._newest.update(row[2])
        self._outbox.extend(rows)
        self._outbox_samples += sum(map(_sample_count, rows))
        self._trim()

    def _trim(self) -> None:
        while self._outbox_samples > OUTBOX_SAMPLES:
            self._outbox_samples -= _sample_count(self._outbox.popleft())
            self.dropped += 1


def _sample_count(row: Row) -> int:
    return 1 + len(row[2])
