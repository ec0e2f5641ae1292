"""What a sender asks of whoever has something to send."""

from __future__ import annotations

from typing import Protocol

from tocsin.sdk.thinning import Row


class Outbox(Protocol):
    """Rows that wait to be sent, oldest first; :class:`~tocsin.sdk.recorder.Recorder` is one."""

    @property
    def waiting(self) -> int:
        """How many rows wait."""

    def drain(self, now_ns: int, *, is_end: bool = False) -> None:
        """Look at what was taken since the last time; at the end all of it becomes rows."""

    def take_rows(self, most_samples: int) -> list[Row]:
        """Remove the oldest rows, at least one when there is any."""

    def give_back(self, rows: list[Row]) -> None:
        """Put rows that could not be sent back where they were."""

    def drop(self, rows: list[Row]) -> None:
        """Count rows that nobody will ever take."""
