"""Checkpoints that a training has saved: an event each, and series of how many, when and how large."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from tocsin.sdk.events import log_event
from tocsin.sdk.guard import Guard
from tocsin.sdk.readings import Reading

logger: Final = logging.getLogger("tocsin.training")

_MOST_FILES: Final = 10_000
"""Files of one checkpoint whose sizes are looked up."""


class Checkpoints:
    """Counts the checkpoints of one run.

    >>> checkpoints = Checkpoints("digits", Guard("TrainingMonitor"))
    >>> checkpoints.saved(None, step=100, size_bytes=2048, time_s=1.8e9)
    >>> checkpoints.readings()[0]
    Reading(name='training_checkpoints_total', value=1.0, labels=())
    """

    def __init__(self, run: str, guard: Guard) -> None:
        self._run = run
        self._guard = guard
        self._count = 0
        self._time_s = 0.0
        self._step: int | None = None
        self._size_bytes: int | None = None

    def saved(
        self, path: str | os.PathLike[str] | None, *, step: int | None, size_bytes: int | None, time_s: float
    ) -> None:
        """Count one; the size of a file or folder that is not given is looked up."""
        if size_bytes is None and path is not None:
            with self._guard.around("checkpoint", "the size of a checkpoint is not known"):
                size_bytes = size_of(Path(path))
        self._count += 1
        self._time_s, self._step, self._size_bytes = time_s, step, size_bytes
        shown = None if path is None else os.fspath(path)
        log_event(
            logger, "training_checkpoint_saved", run=self._run, step=step, path=shown, size_bytes=size_bytes
        )

    def readings(self) -> list[Reading]:
        """The series, once there was a checkpoint."""
        if not self._count:
            return []
        readings = [
            Reading("training_checkpoints_total", float(self._count)),
            Reading("training_checkpoint_time_seconds", self._time_s),
        ]
        if self._step is not None:
            readings.append(Reading("training_checkpoint_step", float(self._step)))
        if self._size_bytes is not None:
            readings.append(Reading("training_checkpoint_size_bytes", float(self._size_bytes)))
        return readings


def size_of(path: Path) -> int:
    """The bytes of a file, or of the first 10,000 files of a folder; raises OSError when there is neither."""
    if not path.is_dir():
        return path.stat().st_size
    total, files = 0, 0
    for folder, _, names in os.walk(path):
        for name in names[: _MOST_FILES - files]:
            total += (Path(folder) / name).lstat().st_size
        files += len(names)
        if files >= _MOST_FILES:
            break
    return total
