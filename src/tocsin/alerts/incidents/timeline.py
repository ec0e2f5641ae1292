"""What happened in incidents, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.alerts.database import Database

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS timeline (
        incident INTEGER, at_ms INTEGER, kind TEXT, who TEXT, text TEXT, sequence INTEGER PRIMARY KEY)""",
    "CREATE INDEX IF NOT EXISTS timeline_incident ON timeline (incident)",
)


class EntryKind(StrEnum):
    """What an entry of a timeline is about."""

    OPENED = "opened"
    REOPENED = "reopened"
    ALERT_FIRED = "alert fired"
    ALERT_RESOLVED = "alert resolved"
    NOTIFIED = "notified"
    NOT_NOTIFIED = "not notified"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    NOTE = "note"
    ACTION = "action"
    MERGED = "merged"
    FLAPPING = "flapping"
    RESOLVED = "resolved"


_OF_PEOPLE: Final = (EntryKind.ACKNOWLEDGED, EntryKind.NOTE, EntryKind.ESCALATED, EntryKind.MERGED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened; ``who`` is a person, a receiver, or empty for tocsin itself."""

    incident: int
    at_ms: int
    kind: EntryKind
    text: str = ""
    who: str = ""


class Timeline:
    """The entries of all incidents, over restarts as well."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_TABLES)

    def add(self, entries: Iterable[Entry]) -> None:
        """Note what happened."""
        rows = [(each.incident, each.at_ms, each.kind, each.who, each.text) for each in entries]
        self._database.write(
            "INSERT INTO timeline (incident, at_ms, kind, who, text) VALUES (?, ?, ?, ?, ?)", rows
        )

    def of(self, incident: int) -> Sequence[Entry]:
        """What happened in an incident, in order."""
        rows = self._database.read(
            "SELECT at_ms, kind, who, text FROM timeline WHERE incident = ? ORDER BY at_ms, sequence",
            [incident],
        )
        return [Entry(incident, at_ms, EntryKind(kind), text, who) for at_ms, kind, who, text in rows]

    def acted_on(self) -> set[int]:
        """The incidents in which a person did something; what receivers are told does not count."""
        rows = self._database.read("SELECT DISTINCT incident, kind FROM timeline WHERE who != ''")
        return {incident for incident, kind in rows if kind in _OF_PEOPLE}

    def move(self, source: int, target: int) -> None:
        """Give the entries of an incident to the one that it was merged into."""
        self._database.write("UPDATE timeline SET incident = ? WHERE incident = ?", [(target, source)])

    def forget(self, incidents: Iterable[int]) -> None:
        """Drop the entries of incidents."""
        self._database.write("DELETE FROM timeline WHERE incident = ?", [(each,) for each in incidents])
