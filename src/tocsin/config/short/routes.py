"""Rules, thresholds and levels as routes.

Alerts of short forms are known by their name and severity, so that no label has to be added to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.config.alertmanager import AlertmanagerConfig, InhibitRuleConfig, RouteConfig
from tocsin.config.short.alerts import DEFAULTS, LEVELS, AlertsConfig, Level, Severity, level_of
from tocsin.config.short.monitoring import MonitoringConfig
from tocsin.config.short.receivers import ReceiverBook
from tocsin.config.short.thresholds import MEMORY, thresholds_of
from tocsin.model import Matcher, MatchType

_GROUP_BY: Final = ("alertname", "instance", "run")
_GROUP_INTERVAL_MS: Final = 10_000

# The alert that always fires is left out: a route for it would make it one that somebody wants to hear of.
_TOLD_TO_NOBODY: Final = (
    Matcher("severity", MatchType.EQUAL, "none"),
    Matcher("alertname", MatchType.NOT_EQUAL, "Watchdog"),
)

_MEMORY_IS_CRITICAL: Final = InhibitRuleConfig.model_validate(
    {
        "source_matchers": [f'alertname="{MEMORY}"', 'severity="critical"'],
        "target_matchers": [f'alertname="{MEMORY}"', 'severity="warning"'],
        "equal": ["instance"],
    }
)


@dataclass(frozen=True, slots=True)
class ShortAlert:
    """The alerts of a rule or threshold; ``channels`` None means those of the level."""

    name: str
    severity: Severity
    channels: tuple[str, ...] | None = None

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        """What its alerts, and no others, satisfy."""
        return (
            Matcher("alertname", MatchType.EQUAL, self.name),
            Matcher("severity", MatchType.EQUAL, self.severity),
        )


def short_alerts(monitoring: MonitoringConfig, alerts: AlertsConfig) -> Iterator[ShortAlert]:
    """Everything that short forms raise."""
    for name, rule in alerts.rules.items():
        yield ShortAlert(name, rule.severity, rule.channels)
    for threshold in thresholds_of(monitoring):
        yield ShortAlert(threshold.alert, threshold.severity)


def severity_matcher(level: Level) -> Matcher:
    """What the alerts of a level satisfy."""
    if level == "medium":
        return Matcher("severity", MatchType.REGEX, "medium|warning")
    return Matcher("severity", MatchType.EQUAL, level)


def alone(alerts: AlertsConfig, raised: Sequence[ShortAlert], book: ReceiverBook) -> AlertmanagerConfig:
    """A whole configuration that tells of every alert: levels are routes, what has no level is medium."""
    own = [_route_of(each, book) for each in raised if each.channels is not None]
    levels = [
        _route(level, book.name_of(level), (severity_matcher(level),))
        for level in LEVELS
        if level != "medium"
    ]
    root = _route("medium", book.name_of("medium")).model_copy(
        update={"routes": (*own, RouteConfig(receiver=book.nobody(), matchers=_TOLD_TO_NOBODY), *levels)}
    )
    return AlertmanagerConfig(route=root, receivers=book.receivers, inhibit_rules=(_MEMORY_IS_CRITICAL,))


def beside(
    config: AlertmanagerConfig, raised: Sequence[ShortAlert], book: ReceiverBook
) -> AlertmanagerConfig:
    """A configuration with routes for short forms before its own.

    Raises ValueError when a receiver of it has a name that a short form needs.
    """
    routes = [_route_of(each, book) for each in raised]
    taken = {receiver.name for receiver in config.receivers}
    for receiver in book.receivers:
        if receiver.name in taken:
            raise ValueError(
                f'the receiver "{receiver.name}" stands in alertmanager and is needed here too; give it or'
                " the channel another name (a channel may have any, with a type)"
            )
    return config.model_copy(
        update={
            "receivers": (*config.receivers, *book.receivers),
            "route": config.route.model_copy(update={"routes": (*routes, *config.route.routes)}),
            "inhibit_rules": (*config.inhibit_rules, _MEMORY_IS_CRITICAL),
        }
    )


def _route_of(alert: ShortAlert, book: ReceiverBook) -> RouteConfig:
    level = level_of(alert.severity)
    return _route(level, book.name_of(level, alert.channels), alert.matchers)


def _route(level: Level, receiver: str, matchers: tuple[Matcher, ...] = ()) -> RouteConfig:
    condition: dict[str, Any] = {"matchers": matchers} if matchers else {}
    return RouteConfig(
        receiver=receiver,
        group_by=_GROUP_BY,
        group_wait=0,
        group_interval=_GROUP_INTERVAL_MS,
        repeat_interval=DEFAULTS[level].repeat_ms,
        **condition,
    )
