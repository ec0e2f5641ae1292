"""All short forms of a file at once, as rules, routes, receivers and escalations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tocsin.config.alertmanager import AlertmanagerConfig
from tocsin.config.escalation import EscalationConfig
from tocsin.config.short.alerts import AlertsConfig
from tocsin.config.short.escalations import escalations_of
from tocsin.config.short.monitoring import MonitoringConfig
from tocsin.config.short.receivers import ReceiverBook
from tocsin.config.short.routes import alone, beside, short_alerts
from tocsin.config.short.rules import rule_file
from tocsin.config.source import Place, Source


@dataclass(frozen=True, slots=True)
class ShortForms:
    """What short forms mean: a rule file, the whole configuration of alerting, and further escalations."""

    rules: Source
    alertmanager: AlertmanagerConfig | None
    escalations: tuple[EscalationConfig, ...]


def compile_short_forms(
    monitoring: MonitoringConfig,
    alerts: AlertsConfig,
    alertmanager: AlertmanagerConfig | None,
    source: Source,
) -> ShortForms:
    """Compile the short forms of ``source``, beside an alertmanager.yml where there is one.

    Expressions and templates are for whoever reads the rule file to check. Raises ConfigError, with the
    line, when a channel is not defined or has the name of a receiver.
    """
    rules = rule_file(monitoring, alerts, source)
    for name, place in _named_channels(alerts):
        if name not in alerts.channels:
            defined = ", ".join(sorted(alerts.channels)) or "none"
            written = ".".join(str(part) for part in place[:-1])
            raise source.error(
                f'{written}[{place[-1]}]: the channel "{name}" is not defined (defined: {defined})', place
            )
    if not alerts.channels:
        return ShortForms(rules, alertmanager, ())
    book = ReceiverBook(alerts)
    raised = list(short_alerts(monitoring, alerts))
    if alertmanager is None:
        escalations = tuple(escalations_of(alerts, book))
        return ShortForms(rules, alone(alerts, raised, book), escalations)
    escalations = tuple(escalations_of(alerts, book, raised))
    try:
        return ShortForms(rules, beside(alertmanager, raised, book), escalations)
    except ValueError as error:
        raise source.error(f"alerts.channels: {error}", ("alerts", "channels")) from error


def _named_channels(alerts: AlertsConfig) -> Iterator[tuple[str, Place]]:
    """The channels that rules and levels name, and where."""
    for section, named in (("rules", alerts.rules), ("levels", alerts.levels)):
        for key, entry in named.items():
            for number, channel in enumerate(entry.channels or ()):
                yield channel, ("alerts", section, key, "channels", number)
