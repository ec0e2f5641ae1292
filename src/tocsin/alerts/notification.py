"""What is told to a receiver, and what can tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Protocol

from tocsin.model import Labels
from tocsin.model.alert import Alert


@dataclass(frozen=True, slots=True)
class Notification:
    """The alerts of one group for one receiver; those that fire have no end.

    ``acknowledge_url`` is a signed link by which whoever reads it acknowledges, empty where there is none.
    """

    receiver: str
    group_key: str
    group_labels: Labels
    alerts: Sequence[Alert]
    external_url: str = ""
    acknowledge_url: str = ""

    @property
    def status(self) -> str:
        """``firing`` while any of the alerts does, else ``resolved``."""
        return "firing" if any(alert.ends_at_ms is None for alert in self.alerts) else "resolved"


class Teller(Protocol):
    """A way to tell a receiver once."""

    @property
    def integration(self) -> str:
        """The kind of channel, such as ``webhook``."""
        ...

    @property
    def send_resolved(self) -> bool:
        """Whether it is also told when alerts are over."""
        ...

    async def notify(self, notification: Notification) -> None:
        """Tell once; raises DeliveryError when that does not succeed."""
        ...


class Channel(Teller, Protocol):
    """A way to tell a receiver, again and again until it is told."""

    async def notify(self, notification: Notification, timeout_s: float | None = None) -> None:
        """Tell; raises DeliveryError when that is given up, and TimeoutError when it takes too long.

        The time begins once it is the notification's turn, however many others the channel has to tell.
        """
        ...


def common_pairs(pairs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What several mappings, at least one, agree on; what is absent counts as empty, as in Alertmanager.

    >>> common_pairs([{"a": "1", "b": "2"}, {"a": "1", "b": "3"}])
    {'a': '1'}
    """
    first, *others = pairs
    return {
        name: value for name, value in first.items() if all(other.get(name, "") == value for other in others)
    }


def in_order(alerts: Iterable[Alert]) -> list[Alert]:
    """Sort as Alertmanager does: by job, then instance, then number of labels, then the labels."""
    return sorted(alerts, key=cmp_to_key(_compare))


def _compare(one: Alert, other: Alert) -> int:
    for name in ("job", "instance"):
        pair = one.labels.get(name), other.labels.get(name)
        if pair[0] != pair[1]:
            return _signed(pair[0] is not None and (pair[1] is None or pair[0] < pair[1]))
    return compare_labels(one.labels, other.labels)


def compare_labels(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    """Compare as Go's ``model.LabelSet.Before`` does: -1 when the first comes before, 0 when they are equal.

    >>> compare_labels({"host": "z"}, {"alertname": "A"})
    -1
    """
    if len(one) != len(other):
        return _signed(len(one) < len(other))
    for name in sorted({*one, *other}):
        pair = one.get(name), other.get(name)
        if pair[0] != pair[1]:
            return _signed(pair[0] is None or (pair[1] is not None and pair[0] < pair[1]))
    return 0


def _signed(is_before: bool) -> int:  # noqa: FBT001 - the one thing that it is about
    return -1 if is_before else 1
