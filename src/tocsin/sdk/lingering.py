"""A ``/metrics`` that stays until its last values have been scraped, and that no fork inherits."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from threading import Event, Thread
from time import monotonic, sleep
from typing import Final
from weakref import WeakSet

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tocsin.sdk.endpoint import Endpoint

LINGER_LIMIT_S: Final = 15.0
"""So long at the most: Prometheus' usual interval."""

_LATE: Final = 1.2
"""A scrape may come so many intervals after the one before."""

_ANSWER_S: Final = 0.1
"""What an answer needs to be on its way once its values are read."""


class LingeringEndpoint:
    """An :class:`Endpoint` whose :meth:`close` does not wait, and yet lets a regular scraper see the end.

    Where scrapes have come regularly, the port stays open for one more, ``LINGER_LIMIT_S`` at the most, and
    the interpreter ends no earlier. Raises what Endpoint raises.
    """

    def __init__(self, port: int, registry: CollectorRegistry, job: str) -> None:
        self._scrapes = _Scrapes()
        served = CollectorRegistry()
        served.register(Passed(registry))
        served.register(self._scrapes)
        self._endpoint: Endpoint | None = Endpoint(port, served, job)
        self._closing: Thread | None = None
        self._at_once = Event()
        self.port = self._endpoint.port
        _open.add(self)

    def close(self, *, linger: bool = True) -> None:
        """Close at once, or after the next scrape if one is to be expected."""
        wait_s = self._scrapes.due_in_s() if linger else 0.0
        self._scrapes.happened.clear()
        if wait_s <= 0:
            self._close()
            return
        self._closing = Thread(target=self._wait, args=(wait_s,), name="tocsin-last-scrape")
        self._closing.start()

    def finish(self) -> None:
        """Close now what is still open, because the port is wanted again."""
        self._at_once.set()
        self._scrapes.happened.set()
        if self._closing is not None:
            self._closing.join()

    def abandon(self) -> None:
        """Let go of the port in a forked child; the parent goes on serving."""
        if self._endpoint is not None:
            self._endpoint.abandon()
            self._endpoint = None
        self._closing = None

    def _wait(self, wait_s: float) -> None:
        if self._scrapes.happened.wait(wait_s) and not self._at_once.is_set():
            sleep(_ANSWER_S)
        self._close()

    def _close(self) -> None:
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None


class Passed(Collector):
    """The metrics of one registry, for another."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """What the registry holds now."""
        return self._registry.collect()

    def describe(self) -> Iterable[Metric]:
        """The same, by which a registry finds names that it has already."""
        return self.collect()


class _Scrapes(Collector):
    """Has no metrics; notes when it was asked for some."""

    def __init__(self) -> None:
        self.happened = Event()
        self._times_s: deque[float] = deque(maxlen=2)

    def collect(self) -> Iterable[Metric]:
        self._times_s.append(monotonic())
        self.happened.set()
        return ()

    def due_in_s(self) -> float:
        """In what time the next scrape has come at the latest; 0 where none is to be expected."""
        if len(self._times_s) < 2:
            return 0.0
        before_s, last_s = self._times_s
        return min(last_s + _LATE * (last_s - before_s) - monotonic(), LINGER_LIMIT_S)


_open: WeakSet[LingeringEndpoint] = WeakSet()


def _abandon_all() -> None:
    for endpoint in list(_open):
        endpoint.abandon()


os.register_at_fork(after_in_child=_abandon_all)
