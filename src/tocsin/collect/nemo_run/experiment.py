"""An experiment of NeMo-Run and its tasks, as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class Status(IntEnum):
    """Where a task or an experiment stands; the first four as ``training_status`` has them.

    WAITING is for a dependency. LOST is what was running when NeMo-Run itself ended: it never says so.
    """

    WAITING = 0
    RUNNING = 1
    COMPLETE = 2
    FAILED = 3
    LOST = 4


@dataclass(frozen=True, slots=True)
class Task:
    """One task. Times are in seconds since 1970; ``exit_code`` is the first that is not 0 of its replicas."""

    name: str
    status: Status
    folder: Path
    started_s: float | None = None
    ended_s: float | None = None
    exit_code: int | None = None
    logs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment; ``id`` is ``<title>_<start in nanoseconds>``."""

    id: str
    title: str
    started_s: float
    is_done: bool
    tasks: Sequence[Task]

    @property
    def status(self) -> Status:
        """The worst that is known of its tasks, once none of them runs."""
        states = {task.status for task in self.tasks}
        if Status.RUNNING in states:
            return Status.RUNNING
        for status in (Status.LOST, Status.FAILED):
            if status in states:
                return status
        if self.is_done:
            return Status.COMPLETE
        return Status.WAITING if states <= {Status.WAITING} else Status.RUNNING

    @property
    def ended_s(self) -> float | None:
        """When its last task ended; None while it goes on."""
        if self.status in {Status.RUNNING, Status.WAITING}:
            return None
        return max((task.ended_s for task in self.tasks if task.ended_s is not None), default=self.started_s)
