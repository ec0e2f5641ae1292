"""tocsin's own process, under the names that every Prometheus client library uses."""

from __future__ import annotations

from collections.abc import Iterable

import prometheus_client
from prometheus_client.core import Metric


class ProcessCollector:
    """CPU time, memory, file descriptors and start time of the process it runs in.

    >>> "process_open_fds" in {family.name for family in ProcessCollector().collect()}
    True
    """

    name = "process"

    def __init__(self) -> None:
        self._own_process = prometheus_client.ProcessCollector(registry=None)

    def collect(self) -> Iterable[Metric]:
        """The ``process_*`` families."""
        return self._own_process.collect()
