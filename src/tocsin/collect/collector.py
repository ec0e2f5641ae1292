"""What a collector is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from prometheus_client.core import Metric


class Collector(Protocol):
    """A source of metric families about this machine.

    It follows the collector protocol of ``prometheus_client``, so that the same object can stand in
    one of its registries. ``collect`` is called from a worker thread, never twice at a time.
    """

    @property
    def name(self) -> str:
        """Its name in ``tocsin_collector_up{collector="…"}``; unique."""
        ...

    def collect(self) -> Iterable[Metric]:
        """The families as they are now; whatever it raises costs this round's families alone."""
        ...
