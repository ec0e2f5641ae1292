"""Who was told what, so that nobody is told twice (Alertmanager's notification log)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Final

from tocsin.alerts.database import Database

_RETENTION_MS: Final = 120 * 3_600_000

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS notification_log (
    receiver TEXT, channel TEXT, group_key TEXT, at_ms INTEGER, firing BLOB, resolved BLOB,
    PRIMARY KEY (receiver, channel, group_key)) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class Told:
    """The last notification of a group by a channel: when, and which alerts fired or were over.

    Alerts are named by their fingerprints.
    """

    at_ms: int
    firing: frozenset[int]
    resolved: frozenset[int]


@dataclass(frozen=True, slots=True)
class LogKey:
    """One channel of a receiver, such as ``webhook/0``, and a group of alerts."""

    receiver: str
    channel: str
    group_key: str


class NotificationLog:
    """Remembers the last notification of every group by every channel, over restarts as well."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create([_TABLE])
        rows = database.read(
            "SELECT receiver, channel, group_key, at_ms, firing, resolved FROM notification_log"
        )
        self._entries = {
            LogKey(receiver, channel, group_key): Told(at_ms, _unpacked(firing), _unpacked(resolved))
            for receiver, channel, group_key, at_ms, firing, resolved in rows
        }

    @property
    def last_ms(self) -> int:
        """When somebody was told last; 0 if nobody ever was."""
        return max((told.at_ms for told in self._entries.values()), default=0)

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
        row = (key.receiver, key.channel, key.group_key, told.at_ms)
        self._database.write(
            "INSERT OR REPLACE INTO notification_log VALUES (?, ?, ?, ?, ?, ?)",
            [(*row, _packed(told.firing), _packed(told.resolved))],
        )

    def collect(self, now_ms: int) -> None:
        """Forget what is so old that the group must be another one."""
        oldest_ms = now_ms - _RETENTION_MS
        self._entries = {key: told for key, told in self._entries.items() if told.at_ms > oldest_ms}
        self._database.write("DELETE FROM notification_log WHERE at_ms <= ?", [(oldest_ms,)])


def _packed(fingerprints: frozenset[int]) -> bytes:
    return array("Q", sorted(fingerprints)).tobytes()


def _unpacked(data: bytes) -> frozenset[int]:
    fingerprints = array("Q")
    fingerprints.frombytes(data)
    return frozenset(fingerprints)
