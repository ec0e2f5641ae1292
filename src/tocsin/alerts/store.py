"""The alerts that are known, whoever reported them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from tocsin.alerts.database import Database, Row
from tocsin.model import Labels
from tocsin.model.alert import Alert

_TABLE: Final = "CREATE TABLE IF NOT EXISTS alerts (labels TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID"


@dataclass(frozen=True, slots=True)
class KnownAlert:
    """An alert with both its times, when it was last reported, and whether its end was only assumed."""

    alert: Alert
    starts_at_ms: int
    ends_at_ms: int
    updated_at_ms: int
    end_is_assumed: bool = False

    def is_resolved(self, at_ms: int) -> bool:
        """Say whether it is over at a time."""
        return self.ends_at_ms <= at_ms

    def reported(self, at_ms: int) -> Alert:
        """The alert as it is to be told at a time: with an end only when that has come."""
        ends_at_ms = self.ends_at_ms if self.is_resolved(at_ms) else None
        return replace(self.alert, starts_at_ms=self.starts_at_ms, ends_at_ms=ends_at_ms)


class AlertStore:
    """Holds one alert for each label set and merges what is reported about it, over restarts as well.

    ``resolve_timeout_ms`` says how long an alert lasts whose sender named no end.
    """

    def __init__(self, database: Database, resolve_timeout_ms: int) -> None:
        self.resolve_timeout_ms = resolve_timeout_ms
        self._database = database
        database.create([_TABLE])
        self._alerts = {
            known.alert.labels: known
            for known in map(_from_row, database.read("SELECT labels, content FROM alerts"))
        }

    def resume(self, now_ms: int, seen_until_ms: int) -> None:
        """Give the senders of alerts that fired when tocsin ended time to confirm them.

        ``seen_until_ms`` is when it is known to have run still: what had ended by then has ended.
        """
        until_ms = now_ms + self.resolve_timeout_ms
        for labels, known in self._alerts.items():
            if known.ends_at_ms > max(known.updated_at_ms, seen_until_ms):
                self._alerts[labels] = replace(known, ends_at_ms=max(known.ends_at_ms, until_ms))

    def put(self, alerts: Sequence[Alert], now_ms: int) -> list[KnownAlert]:
        """Note a report, and return what is known after it."""
        known = [self._put(alert, now_ms) for alert in alerts]
        self._database.write("INSERT OR REPLACE INTO alerts VALUES (?, ?)", map(_as_row, known))
        return known

    def _put(self, alert: Alert, now_ms: int) -> KnownAlert:
        known = self._completed(alert, now_ms)
        old = self._alerts.get(alert.labels)
        if old is not None and _overlap(old, known):
            known = _merged(old, known, now_ms)
        self._alerts[alert.labels] = known
        return known

    def _completed(self, alert: Alert, now_ms: int) -> KnownAlert:
        """Fill in the times that the sender left open, as Alertmanager's API does."""
        starts_at_ms = alert.starts_at_ms
        if starts_at_ms is None:
            starts_at_ms = now_ms if alert.ends_at_ms is None else alert.ends_at_ms
        if alert.ends_at_ms is not None:
            return KnownAlert(alert, starts_at_ms, alert.ends_at_ms, now_ms)
        return KnownAlert(alert, starts_at_ms, now_ms + self.resolve_timeout_ms, now_ms, end_is_assumed=True)

    def all(self) -> list[KnownAlert]:
        """Everything that is known, resolved alerts included until they are collected."""
        return list(self._alerts.values())

    def firing(self, now_ms: int) -> list[KnownAlert]:
        """Those that are not over."""
        return [known for known in self._alerts.values() if not known.is_resolved(now_ms)]

    def collect(self, now_ms: int, needed: Container[Labels] = ()) -> None:
        """Forget the alerts that are over and not needed any more."""
        gone = [
            known
            for labels, known in self._alerts.items()
            if known.is_resolved(now_ms) and labels not in needed
        ]
        for known in gone:
            del self._alerts[known.alert.labels]
        self._database.write("DELETE FROM alerts WHERE labels = ?", [_as_row(known)[:1] for known in gone])


def _overlap(old: KnownAlert, new: KnownAlert) -> bool:
    ends_within = old.starts_at_ms < new.ends_at_ms < old.ends_at_ms
    starts_within = old.starts_at_ms < new.starts_at_ms < old.ends_at_ms
    return ends_within or starts_within


def _merged(old: KnownAlert, new: KnownAlert, now_ms: int) -> KnownAlert:
    """One alert of two reports, as Alertmanager's ``Alert.Merge``: the earlier start, and the surer end."""
    ends_at_ms = new.ends_at_ms
    if old.ends_at_ms > ends_at_ms:
        counts = old.is_resolved(now_ms) if new.is_resolved(now_ms) else not old.end_is_assumed
        ends_at_ms = old.ends_at_ms if counts else ends_at_ms
    return replace(new, starts_at_ms=min(old.starts_at_ms, new.starts_at_ms), ends_at_ms=ends_at_ms)


def _as_row(known: KnownAlert) -> Row:
    alert = known.alert
    content = (
        dict(alert.annotations),
        alert.generator_url,
        known.starts_at_ms,
        known.ends_at_ms,
        known.updated_at_ms,
        known.end_is_assumed,
    )
    return orjson.dumps(alert.labels.pairs).decode(), orjson.dumps(content)


def _from_row(row: Row) -> KnownAlert:
    labels, content = row
    annotations, generator_url, starts_at_ms, ends_at_ms, updated_at_ms, end_is_assumed = orjson.loads(
        content
    )
    alert = Alert(Labels(orjson.loads(labels)), annotations, generator_url=generator_url)
    return KnownAlert(alert, starts_at_ms, ends_at_ms, updated_at_ms, end_is_assumed)
