"""What is known of alerts, and survives restarts and exchanges of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tocsin.alerts.database import FILE_NAME, Database
from tocsin.alerts.log import NotificationLog
from tocsin.alerts.silence import Silences
from tocsin.alerts.store import AlertStore

RESOLVE_TIMEOUT_MS = 300_000


@dataclass(frozen=True, slots=True)
class AlertingState:
    """The alerts, who was told what, and what is silenced."""

    database: Database
    alerts: AlertStore
    log: NotificationLog
    silences: Silences

    @classmethod
    def open(cls, folder: Path | None = None, resolve_timeout_ms: int = RESOLVE_TIMEOUT_MS) -> Self:
        """What a folder remembers, or nothing yet; without a folder it is forgotten at the end.

        Raises StorageError.
        """
        database = Database(folder / FILE_NAME if folder else None)
        return cls(
            database, AlertStore(database, resolve_timeout_ms), NotificationLog(database), Silences(database)
        )

    def resume(self, now_ms: int) -> None:
        """Go on after a restart."""
        self.alerts.resume(now_ms, self.log.last_ms)

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()
