"""How much a store holds, how large it is, and how large it will become."""

from __future__ import annotations

from dataclasses import dataclass

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class StorageUsage:
    """What is in a store and on its disk.

    ``samples_a_day`` is how many arrived in the last day; a store younger than that is taken to go on as
    it began, and of one younger than an hour nothing is predicted. ``retention_ms`` is how long samples
    are kept.
    """

    path: str
    file_bytes: int
    disk_free_bytes: int
    series: int
    samples: int
    samples_a_day: float | None
    oldest_ms: int | None
    newest_ms: int | None
    retention_ms: int

    @property
    def bytes_a_sample(self) -> float | None:
        """The size of the file by samples; None while there are none."""
        return self.file_bytes / self.samples if self.samples else None

    @property
    def bytes_a_day(self) -> float | None:
        """What a day adds; None while that cannot be told."""
        if self.bytes_a_sample is None or self.samples_a_day is None:
            return None
        return self.bytes_a_sample * self.samples_a_day

    @property
    def predicted_bytes(self) -> float | None:
        """The size that the file will have when the oldest samples are as old as they may become."""
        return None if self.bytes_a_day is None else self.bytes_a_day * self.retention_ms / _DAY_MS

    @property
    def days_until_full(self) -> float | None:
        """When the disk will be full, if the file outgrows it; None when it will not."""
        if not self.bytes_a_day or self.predicted_bytes is None:
            return None
        if self.predicted_bytes <= self.file_bytes + self.disk_free_bytes:
            return None
        return self.disk_free_bytes / self.bytes_a_day
