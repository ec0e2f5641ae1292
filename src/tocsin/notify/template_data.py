"""What templates of channels see: Alertmanager's data, and ``AcknowledgeURL`` beside it.

Source: prometheus.io/docs/alerting/latest/notifications.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Final

from tocsin.alerts import Alert, Notification, common_pairs
from tocsin.gotemplate import Object, Record, Signature, Time, Value, bind
from tocsin.gotemplate.values import display
from tocsin.model.alert import ALERT_NAME

_SPECIAL: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")


def quoted_receiver(name: str) -> str:
    """The name as Alertmanager shows it: quoted as a regular expression, which others' code relies on."""
    return _SPECIAL.sub(r"\\\g<0>", name)


class Pairs(list[Record], Object):
    """Names and values in an order."""

    go_type: ClassVar[str] = "template.Pairs"

    def __str__(self) -> str:
        return ", ".join(f"{pair.fields['Name']}={pair.fields['Value']}" for pair in self)

    def method(self, name: str) -> Callable[..., Value] | None:
        """Names, Values and String."""
        return bind(_PAIRS_METHODS, self, name)

    def values_of(self, field: str) -> list[Value]:
        """The ``Name`` or ``Value`` of each."""
        return [pair.fields[field] for pair in self]


class KV(dict[str, str], Object):
    """Labels or annotations."""

    go_type: ClassVar[str] = "template.KV"

    def __str__(self) -> str:
        return str(self.sorted_pairs())

    def method(self, name: str) -> Callable[..., Value] | None:
        """SortedPairs, Names, Values, Remove and String."""
        return bind(_KV_METHODS, self, name)

    def sorted_pairs(self) -> Pairs:
        """By name, except that the name of the alert comes first."""
        names = sorted(self, key=lambda name: (name != ALERT_NAME, name))
        return Pairs(Record("template.Pair", {"Name": name, "Value": self[name]}) for name in names)

    def remove(self, names: Iterable[str]) -> KV:
        """All but some."""
        unwanted = set(names)
        return KV({name: value for name, value in self.items() if name not in unwanted})


class Alerts(list[Record], Object):
    """The alerts of a notification."""

    go_type: ClassVar[str] = "template.Alerts"

    def __str__(self) -> str:
        return "[" + " ".join(display(alert) for alert in self) + "]"

    def method(self, name: str) -> Callable[..., Value] | None:
        """Firing and Resolved."""
        return bind(_ALERTS_METHODS, self, name)

    def with_status(self, status: str) -> list[Record]:
        """Those that fire, or those that are over."""
        return [alert for alert in self if alert.fields["Status"] == status]


_PAIRS_METHODS: Final[Mapping[str, Signature]] = {
    "Names": Signature(lambda pairs: pairs.values_of("Name")),
    "String": Signature(str),
    "Values": Signature(lambda pairs: pairs.values_of("Value")),
}
_KV_METHODS: Final[Mapping[str, Signature]] = {
    "Names": Signature(lambda kv: kv.sorted_pairs().values_of("Name")),
    "Remove": Signature(KV.remove, ("slice",)),
    "SortedPairs": Signature(KV.sorted_pairs),
    "String": Signature(str),
    "Values": Signature(lambda kv: kv.sorted_pairs().values_of("Value")),
}
_ALERTS_METHODS: Final[Mapping[str, Signature]] = {
    "Firing": Signature(lambda alerts: alerts.with_status("firing")),
    "Resolved": Signature(lambda alerts: alerts.with_status("resolved")),
}


def template_data(notification: Notification) -> Record:
    """A notification as templates see it."""
    return Record(
        "template.Data",
        {
            "Receiver": quoted_receiver(notification.receiver),
            "Status": notification.status,
            "Alerts": Alerts(_alert(alert) for alert in notification.alerts),
            "GroupLabels": KV(notification.group_labels),
            "CommonLabels": KV(_common([alert.labels for alert in notification.alerts])),
            "CommonAnnotations": KV(_common([alert.annotations for alert in notification.alerts])),
            "ExternalURL": notification.external_url,
            "AcknowledgeURL": notification.acknowledge_url,
        },
    )


def _common(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return common_pairs(pairs) if pairs else {}


def _alert(alert: Alert) -> Record:
    return Record(
        "template.Alert",
        {
            "Status": "firing" if alert.ends_at_ms is None else "resolved",
            "Labels": KV(alert.labels),
            "Annotations": KV(alert.annotations),
            "StartsAt": Time.at_ms(alert.starts_at_ms),
            "EndsAt": Time.at_ms(alert.ends_at_ms),
            "GeneratorURL": alert.generator_url,
            "Fingerprint": alert.fingerprint,
        },
    )
