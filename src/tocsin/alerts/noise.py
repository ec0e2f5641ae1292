"""How often whom was told of what, day by day, and which rules nobody acts on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.alerts.database import Database
from tocsin.alerts.marks import is_drill
from tocsin.alerts.notification import Notification

DAY_MS: Final = 86_400_000

_TABLE: Final = """CREATE TABLE IF NOT EXISTS notification_counts (
    day INTEGER, receiver TEXT, integration TEXT, rule TEXT, count INTEGER,
    PRIMARY KEY (day, receiver, integration, rule)) WITHOUT ROWID"""
_COUNT: Final = """INSERT INTO notification_counts VALUES (?, ?, ?, ?, 1)
    ON CONFLICT DO UPDATE SET count = count + 1"""


@dataclass(frozen=True, slots=True)
class NotificationCount:
    """Messages about a rule that a receiver got on a day; ``day`` counts from 1970, in UTC.

    A message about several rules counts for each of them. The rule is the name of the alert.
    """

    day: int
    receiver: str
    integration: str
    rule: str
    count: int


class NotificationCounts:
    """Counts messages that arrived, over restarts as well."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create([_TABLE])

    def add(self, notification: Notification, integration: str, now_ms: int) -> None:
        """Count a message that a channel took; those of drills are no noise."""
        day, receiver = now_ms // DAY_MS, notification.receiver
        rules = {alert.name for alert in notification.alerts if not is_drill(alert.labels)}
        self._database.write(_COUNT, [(day, receiver, integration, rule) for rule in sorted(rules)])

    def since(self, day: int) -> list[NotificationCount]:
        """All counts from a day on, in order."""
        rows = self._database.read("SELECT * FROM notification_counts WHERE day >= ?", [day])
        return [NotificationCount(*row) for row in rows]

    def forget(self, before_ms: int) -> None:
        """Drop what was counted on days that were over before a time."""
        self._database.write("DELETE FROM notification_counts WHERE day < ?", [(before_ms // DAY_MS,)])


@dataclass(frozen=True, slots=True)
class RuleNoise:
    """What a rule costs those who are told: messages, and incidents, on some of which somebody acted."""

    rule: str
    notifications: int
    incidents: int
    acted_on: int


def rule_noise(
    counts: Iterable[NotificationCount], incidents: Iterable[Collection[str]], acted_on: Sequence[bool]
) -> list[RuleNoise]:
    """The noise of each rule, those that nobody acted on first, and of these those with most messages.

    ``incidents`` are the rules of each incident; ``acted_on`` says for each whether a person did anything.

    >>> counts = [NotificationCount(0, "team", "slack", rule, 4) for rule in ("Disk", "GPU")]
    >>> [noise.rule for noise in rule_noise(counts, [{"Disk"}, {"GPU"}], [True, False])]
    ['GPU', 'Disk']
    """
    notifications: dict[str, int] = {}
    for each in counts:
        notifications[each.rule] = notifications.get(each.rule, 0) + each.count
    by_rule: dict[str, list[bool]] = {rule: [] for rule in notifications}
    for rules, has_acted in zip(incidents, acted_on, strict=True):
        for rule in rules:
            by_rule.setdefault(rule, []).append(has_acted)
    found = [
        RuleNoise(rule, notifications.get(rule, 0), len(outcomes), sum(outcomes))
        for rule, outcomes in by_rule.items()
    ]
    return sorted(found, key=lambda each: (each.acted_on > 0, -each.notifications, each.rule))
