"""The drills that were, over restarts as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.alerts.database import Database
from tocsin.alerts.drills.drill import Drill, from_json, to_json

RETENTION_MS: Final = 90 * 86_400_000

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS drills (id TEXT PRIMARY KEY, started_ms INTEGER, content BLOB) WITHOUT ROWID"""


class DrillHistory:
    """Keeps drills for 90 days."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create([_TABLE])

    def newest(self, limit: int) -> Sequence[Drill]:
        """The last drills, the newest first."""
        rows = self._database.read("SELECT content FROM drills ORDER BY started_ms DESC LIMIT ?", [limit])
        return [from_json(content) for (content,) in rows]

    def get(self, drill_id: str) -> Drill | None:
        """One drill, or None when there is none of that id."""
        rows = self._database.read("SELECT content FROM drills WHERE id = ?", [drill_id])
        return from_json(rows[0][0]) if rows else None

    def keep(self, drill: Drill, now_ms: int) -> None:
        """Note how a drill stands, and forget those that are too old."""
        row = drill.id, drill.started_ms, to_json(drill)
        self._database.write("INSERT OR REPLACE INTO drills VALUES (?, ?, ?)", [row])
        self._database.write("DELETE FROM drills WHERE started_ms < ?", [(now_ms - RETENTION_MS,)])
