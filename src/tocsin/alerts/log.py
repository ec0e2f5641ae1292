"""Who was told what, so that nobody is told twice (Alertmanager's notification log)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tocsin.model import Labels

_RETENTION_MS: Final = 120 * 3_600_000


@dataclass(frozen=True, slots=True)
class Told:
    """The last notification of a group by a channel: when, and which alerts fired or were over."""

    at_ms: int
    firing: frozenset[Labels]
    resolved: frozenset[Labels]


@dataclass(frozen=True, slots=True)
class LogKey:
    """One channel of a receiver, and a group of alerts."""

    receiver: str
    channel: int
    group_key: str


class NotificationLog:
    """Remembers the last notification of every group by every channel."""

    def __init__(self) -> None:
        self._entries: dict[LogKey, Told] = {}

    def needs_update(self, key: LogKey, now: Told, repeat_interval_ms: int, *, send_resolved: bool) -> bool:
        """Whether the present state of a group is to be told (Alertmanager's ``DedupStage``)."""
        last = self._entries.get(key)
        if last is None:
            return bool(now.firing)
        if not now.firing <= last.firing:
            return True
        if not now.firing:
            return bool(last.firing)
        if send_resolved and not now.resolved <= last.resolved:
            return True
        return last.at_ms < now.at_ms - repeat_interval_ms

    def record(self, key: LogKey, told: Told) -> None:
        """Note a notification that was delivered."""
        self._entries[key] = told

    def collect(self, now_ms: int) -> None:
        """Forget what is so old that the group must be another one."""
        self._entries = {
            key: told for key, told in self._entries.items() if now_ms - told.at_ms < _RETENTION_MS
        }
