"""A ``/metrics`` that stays until its last values are known to who scrapes it, and that no fork inherits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any, Final
from weakref import WeakSet

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tocsin.sdk.discovery import running_servers
from tocsin.sdk.endpoint import Endpoint
from tocsin.sdk.guard import Guard
from tocsin.sdk.last_values import send_last_values
from tocsin.sdk.scrapers import Scrapers

_TOCSIN: Final = "tocsin/"
"""How the User-Agent of a tocsin begins."""

_ANSWER_S: Final = 0.1
"""What an answer needs to be on its way once its values are read."""


class LingeringEndpoint:
    """An :class:`Endpoint` whose :meth:`close` does not wait, and yet lets who scrapes it see the end.

    A tocsin of this machine is sent the last values. For any other regular scraper the port stays open until
    it has come once more, as :class:`Scrapers` says how long, and the interpreter ends no earlier.
    Raises what Endpoint raises.
    """

    def __init__(self, port: int, registry: CollectorRegistry, job: str) -> None:
        self._guard = Guard(f"/metrics of the {job} training")
        self._scrapers = Scrapers()
        self._registry = registry
        served = CollectorRegistry()
        served.register(Passed(registry))
        self._endpoint: Endpoint | None = Endpoint(port, served, job, around=self._noting)
        self._labels = self._endpoint.labels
        self._closing: Thread | None = None
        self._at_once = Event()
        self.port = self._endpoint.port
        _open.add(self)

    def close(self, *, linger: bool = True) -> None:
        """Close once those who scrape know the last values; without ``linger`` nobody is waited for."""
        ended_s = monotonic()
        if not linger:
            self._at_once.set()
        servers = running_servers()
        if not servers and (not linger or self._scrapers.awaited_s(ended_s) <= 0):
            self._close()
            return
        self._closing = Thread(target=self._part, args=(servers, ended_s), name="tocsin-last-scrape")
        self._closing.start()

    def finish(self) -> None:
        """Close now what is still open, because the port is wanted again."""
        self._at_once.set()
        self._scrapers.happened.set()
        if self._closing is not None:
            self._closing.join()

    def abandon(self) -> None:
        """Let go of the port in a forked child; the parent goes on serving."""
        if self._endpoint is not None:
            self._endpoint.abandon()
            self._endpoint = None
        self._closing = None

    def _part(self, servers: list[str], ended_s: float) -> None:
        with self._guard.around("last values", "the last values are not sent"):
            if servers and send_last_values(servers, self._registry, self._labels):
                self._scrapers.forget(_TOCSIN)
        if self._wait(ended_s):
            sleep(_ANSWER_S)
        self._close()

    def _wait(self, ended_s: float) -> bool:
        """Wait for every scraper that is still to come; says whether there was one."""
        has_waited = False
        while not self._at_once.is_set():
            self._scrapers.happened.clear()
            awaited_s = self._scrapers.awaited_s(ended_s)
            if awaited_s <= 0:
                break
            has_waited = True
            self._scrapers.happened.wait(awaited_s)
        return has_waited

    def _close(self) -> None:
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    def _noting(self, answer: Callable[..., Any]) -> Callable[..., Any]:
        """A WSGI application that notes who asked for values, and when it began to read them."""

        def noting(environ: dict[str, Any], start_response: Any) -> Any:
            began_s = monotonic()
            body = answer(environ, start_response)
            self._scrapers.note(environ.get("HTTP_USER_AGENT", ""), began_s)
            return body

        return noting


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


_open: WeakSet[LingeringEndpoint] = WeakSet()


def _abandon_all() -> None:
    for endpoint in list(_open):
        endpoint.abandon()


os.register_at_fork(after_in_child=_abandon_all)
