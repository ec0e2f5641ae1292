"""Levels as escalations: what nobody acknowledges in time is told as if it were one level higher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tocsin.config.escalation import EscalationConfig, EscalationLevelConfig
from tocsin.config.short.alerts import LEVELS, AlertsConfig, Level, level_of
from tocsin.config.short.channels import NOBODY
from tocsin.config.short.receivers import ReceiverBook
from tocsin.config.short.routes import ShortAlert, severity_matcher


def escalations_of(
    alerts: AlertsConfig, book: ReceiverBook, raised: Sequence[ShortAlert] | None = None
) -> Iterator[EscalationConfig]:
    """The escalation of each level that has one: of all alerts, or of those that are ``raised``.

    Critical incidents are told to their own channels again.
    """
    for level in LEVELS:
        mode = alerts.level(level).escalation
        levels = tuple(_steps(level, alerts, book))
        if mode is None or mode == "none" or not levels:
            continue
        if raised is None:
            yield EscalationConfig(
                name=f"alerts/{level}", mode=mode, matchers=(severity_matcher(level),), levels=levels
            )
            continue
        for each in raised:
            if level_of(each.severity) == level:
                name = f"alerts/{each.name}/{each.severity}"
                yield EscalationConfig(name=name, mode=mode, matchers=each.matchers, levels=levels)


def _steps(level: Level, alerts: AlertsConfig, book: ReceiverBook) -> Iterator[EscalationLevelConfig]:
    """Who is told when: each level above after the response times of those that were told before."""
    place = LEVELS.index(level)
    after_ms = 0
    told = LEVELS[place::-1]
    for here, above in zip(told, (*told[1:], LEVELS[0]), strict=True):
        after_ms += alerts.level(here).response_time or 0
        receiver = book.name_of(above)
        if (here != above or place == 0) and receiver != NOBODY:
            yield EscalationLevelConfig(after=after_ms, to=(receiver,))
