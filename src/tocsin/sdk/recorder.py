"""Steps on their way from the training loop to whoever sends or serves them: thinned, in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from tocsin.sdk.columns import Columns, Step
from tocsin.sdk.course import Course
from tocsin.sdk.guard import Guard
from tocsin.sdk.health.verdicts import Verdict
from tocsin.sdk.health.watcher import Watcher
from tocsin.sdk.progress import Progress
from tocsin.sdk.readings import Reading
from tocsin.sdk.thinning import Row, Thinner
from tocsin.sdk.values import resolve

INTAKE_LIMIT: Final = 512
"""Steps taken since the sender last looked, from which on the step itself thins them."""

_INTAKE_MOST: Final = 64 * INTAKE_LIMIT
"""Steps taken while another thread was thinning, from which on the newest are dropped."""

_BREATH_S: Final = 0.05
"""How long a step may wait then, rather than be dropped."""

_PATIENCE_S: Final = 1.0
"""How long a validation or its result may wait for the sender, which takes milliseconds."""

OUTBOX_SAMPLES: Final = 50_000
"""Samples kept while no server takes them (about 4 MB); the oldest are dropped first."""


class Recorder:
    """Takes steps from any thread and gives rows to one sender.

    ``intake`` is the list that steps are appended to, nothing else; appending needs no lock.
    """

    def __init__(
        self, guard: Guard, watcher: Watcher | None = None, progress: Progress | None = None
    ) -> None:
        self.intake: list[Step] = []
        self.dropped = 0
        self.holds_deferred = False
        self._guard = guard
        self._watcher = watcher
        self._lock = threading.Lock()
        self._thinner = Thinner()
        self._progress = progress or Progress()
        self._outbox: deque[Row] = deque()
        self._outbox_samples = 0
        self.course = Course()

    def relieve(self) -> None:
        """Make room in a full intake; hardly waits, so that a signal handler may take steps as well."""
        # Where many threads are faster than the one that thins, they let it have a moment.
        wait_s = _BREATH_S if len(self.intake) > _INTAKE_MOST else 0.0
        if self._lock.acquire(timeout=wait_s):
            try:
                self._absorb()
            finally:
                self._lock.release()
        elif wait_s and len(self.intake) > _INTAKE_MOST:
            with suppress(IndexError):  # emptied just now
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

    def progress(self, now_ns: int) -> list[Reading]:
        """The series of what follows from the steps so far."""
        with self._lock:
            return list(self._progress.readings(now_ns))

    def begin_validation(self) -> None:
        """Steps end for a while, on purpose; raises TimeoutError when the recorder is busy for too long."""
        with self._soon():
            self._absorb()
            if self._watcher is not None:
                self._watcher.pause()

    def end_validation(self, now_ns: int) -> None:
        """Steps go on; raises TimeoutError when the recorder is busy for too long."""
        with self._soon():
            if self._watcher is not None:
                self._watcher.resume(now_ns)

    def take_evaluation(self, time_ns: int, number: int | None, values: Mapping[str, float]) -> None:
        """Take plain numbers that were measured beside the steps, by default after the newest.

        Raises TimeoutError when the recorder is busy for too long.
        """
        with self._soon():
            self._absorb()
            step = number if number is not None else self._progress.number or 0
            if self._watcher is not None:
                self._watcher.take_evaluation(time_ns, step, values)
            self._put(self._thinner.add(Columns([(time_ns, step, dict(values))])))

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
            return self._progress.number, {**self.course.newest, **self._thinner.newest()}

    @contextmanager
    def _soon(self) -> Iterator[None]:
        # A signal handler that interrupts the holder would otherwise wait for ever.
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise TimeoutError("the recorder is busy")
        try:
            yield
        finally:
            self._lock.release()

    def _absorb(self) -> None:
        count = len(self.intake)
        if not count:
            return
        # Other threads may append meanwhile; they do so behind these.
        steps = self.intake[:count]
        del self.intake[:count]
        if self.holds_deferred:
            steps = [(time_ns, number, resolve(values, self._guard)) for time_ns, number, values in steps]
        columns = Columns(steps)
        with self._guard.around("progress", "steps are not counted"):
            self._progress.take(columns)
        if self._watcher is not None:
            with self._guard.around("health", "the health of the training is not judged"):
                self._watcher.take(columns)
        self._put(self._thinner.add(columns))

    def _put(self, rows: list[Row]) -> None:
        self.course.take(rows)
        self._outbox.extend(rows)
        self._outbox_samples += sum(map(_sample_count, rows))
        self._trim()

    def _trim(self) -> None:
        while self._outbox_samples > OUTBOX_SAMPLES:
            self._outbox_samples -= _sample_count(self._outbox.popleft())
            self.dropped += 1


def _sample_count(row: Row) -> int:
    return 1 + len(row[2])
