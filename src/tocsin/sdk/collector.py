"""The base class of collectors that users write for numbers of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod


class MetricsCollector(ABC):
    """Numbers that tocsin asks for once in every collection interval.

    ``collect`` runs in a thread and an event loop of its own, so it may wait and may block without
    holding up anything else. What it raises is logged and shows as ``tocsin_collector_up`` 0.

    >>> class QueueDepth(MetricsCollector):
    ...     async def collect(self) -> dict[str, float]:
    ...         return {"queue_depth": 3, "queue_jobs_total": 120}
    """

    @abstractmethod
    async def collect(self) -> dict[str, float]:
        """Values by metric name; a name that ends in ``_total`` is a counter, any other a gauge."""
