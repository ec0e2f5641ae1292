"""What the parts of tocsin count about themselves."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric


class OwnCollector:
    """The metrics of a registry, which the parts of the server share."""

    name = "tocsin"

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """The families as they are now."""
        return self._registry.collect()
