"""The way that an alert takes now, and why it may end before it reaches anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.alerts.muting import Muting
from tocsin.alerts.notification import Channel
from tocsin.alerts.route import Route
from tocsin.alerts.silence import Silences
from tocsin.model import Labels

_MAINTENANCE: Final = "maintenance/"


@dataclass(frozen=True, slots=True)
class DeliveryPath:
    """The routes, the channels of receivers and what mutes, as they are in force."""

    root: Route
    channels: Mapping[str, Sequence[Channel]]
    muting: Muting
    silences: Silences

    def why_muted(self, route: Route, labels: Labels, now_ms: int) -> str:
        """Why an alert is not told by a route now, in a few words; empty when it is."""
        return "; ".join(self._reasons(route, labels, now_ms))

    def _reasons(self, route: Route, labels: Labels, now_ms: int) -> Iterator[str]:
        status = self.muting.status(labels, now_ms)
        for source in status.inhibiting:
            yield f"inhibited by {source}"
        if names := self.muting.muted_by(route, now_ms):
            yield f"the route is silent at this time ({', '.join(names)})"
        for name in status.silenced_by:
            yield self._silence(name)

    def _silence(self, name: str) -> str:
        if name.startswith(_MAINTENANCE):
            return f'muted by the maintenance "{name.removeprefix(_MAINTENANCE)}"'
        silence = self.silences.get(name)
        said = f' ("{silence.comment}", {silence.created_by})' if silence is not None else ""
        return f"muted by silence {name}{said}"


def shown_names(channels: Sequence[str]) -> dict[str, str]:
    """Channels by the name that people see: the number is left out where there is one of a kind.

    >>> shown_names(["webhook/0", "email/0", "email/1"])
    {'webhook/0': 'webhook', 'email/0': 'email/0', 'email/1': 'email/1'}
    """
    kinds = [name.partition("/")[0] for name in channels]
    return {
        name: kind if kinds.count(kind) == 1 else name for name, kind in zip(channels, kinds, strict=True)
    }
