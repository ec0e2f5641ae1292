"""Series of single clients, with a bounded number of labels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MOST_CLIENTS: Final = 1000
"""Clients that have series of their own; those heard longest ago give way."""

FIELDS: Final[Mapping[str, str]] = {
    "latency_seconds": "How long the client's newest answer took.",
    "work_seconds": "How long the client worked for its newest answer, by its own clock.",
    "examples": "How many examples the client's newest answer speaks of.",
    "update_norm": "The norm of the client's newest update.",
    "update_cosine": "The cosine of the client's newest update to the aggregate.",
    "sent_bytes": "Bytes that the client sent in its newest answer.",
    "received_bytes": "Bytes that the client was sent in its newest task.",
}


class ClientSeries(Collector):
    """``fl_client_<field>{client="…"}``: what is known of the newest answer of each client."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._values: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._names: dict[str, str] = {}
        self._lock = Lock()
        registry.register(self)

    def note(self, client: str, name: str | None = None, **values: float | None) -> None:
        """Take what is known of an answer; None leaves a field as it was.

        ``name`` stands in the label from then on, in the place of ``client``; whoever had it loses it.
        """
        with self._lock:
            if name is not None and self._names.get(client) != name:
                self._take_name(client, name)
            known = self._values.setdefault(client, {})
            known.update({name: float(value) for name, value in values.items() if value is not None})
            self._values.move_to_end(client)
            while len(self._values) > MOST_CLIENTS:
                gone, _ = self._values.popitem(last=False)
                self._names.pop(gone, None)

    def forget(self, client: str) -> None:
        """End the series of a client."""
        with self._lock:
            self._drop(client)

    def collect(self) -> Iterator[Metric]:
        """One family for each field."""
        with self._lock:
            known = {self._names.get(client, client): dict(values) for client, values in self._values.items()}
        for field, text in FIELDS.items():
            family = GaugeMetricFamily(f"fl_client_{field}", text, labels=["client"])
            for client, values in known.items():
                if field in values:
                    family.add_metric([client], values[field])
            yield family

    def _take_name(self, client: str, name: str) -> None:
        for other in [each for each, held in self._names.items() if held == name]:
            self._drop(other)
        self._names[client] = name

    def _drop(self, client: str) -> None:
        self._values.pop(client, None)
        self._names.pop(client, None)
