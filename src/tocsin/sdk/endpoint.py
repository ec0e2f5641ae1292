"""A ``/metrics`` address on this machine, through prometheus_client, that servers find by themselves."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import Any, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tocsin.runtime import announce
from tocsin.sdk.readings import Reading

ADDRESS = "127.0.0.1"


class Endpoint:
    """Serves what a registry holds, under a ``job``.

    ``port`` 0 takes any free one. ``around`` may put an application of WSGI around the one that answers.
    ``labels`` are those that a server gives to what it scrapes here. Raises OSError when the port is taken,
    ConfigError or OSError when the file by which servers find it cannot be written; nothing is left open
    then.
    """

    def __init__(
        self,
        port: int,
        registry: CollectorRegistry,
        job: str,
        around: Callable[[Any], Any] | None = None,
    ) -> None:
        # With the labels of what is pushed, so that a server that gets both has one series and not two.
        self.labels: Final = {"instance": socket.gethostname(), "job": job}
        self._server: WSGIServer
        self._thread: Thread
        self._server, self._thread = start_http_server(port, addr=ADDRESS, registry=registry)
        if around is not None:
            self._server.set_app(around(self._server.get_app()))
        self.port = self._server.server_port
        try:
            self._file = self._announce()
        except BaseException:
            self._stop()
            raise

    def close(self) -> None:
        """Stop serving and remove the file."""
        self._file.unlink(missing_ok=True)
        self._stop()

    def abandon(self) -> None:
        """Let go of the socket in a forked child; the parent goes on serving."""
        self._server.socket.close()

    def _announce(self) -> Path:
        group = {"targets": [f"{ADDRESS}:{self.port}"], "labels": self.labels}
        return announce("targets", f"{os.getpid()}-{self.port}.json", [group])

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=1.0)


def registry_of(
    labels: Mapping[str, str], read: Callable[[], Iterable[Reading]], whose: str
) -> CollectorRegistry:
    """A registry of the series that ``read`` returns, all with the same labels beside their own.

    Series ``…_bucket``, ``…_sum`` and ``…_count`` become one histogram, where there are buckets. ``whose``
    stands in the text of each metric.
    """
    registry = CollectorRegistry()
    registry.register(_Series(labels, read, whose))
    return registry


class _Series(Collector):
    def __init__(self, labels: Mapping[str, str], read: Callable[[], Iterable[Reading]], whose: str) -> None:
        self._labels = dict(labels)
        self._read = read
        self._whose = whose

    def collect(self) -> Iterator[Metric]:
        readings = list(self._read())
        histograms = {
            name.removesuffix("_bucket") for name, _, own in readings if name.endswith("_bucket") and own
        }
        families: dict[str, Metric] = {}
        for name, value, own in readings:
            family_name, kind = _family(name, histograms)
            if family_name not in families:
                families[family_name] = Metric(family_name, f"{family_name} of {self._whose}", kind)
            families[family_name].add_sample(name, {**self._labels, **dict(own)}, value)
        yield from families.values()


def _family(name: str, histograms: Collection[str]) -> tuple[str, str]:
    """The name and kind of the family that a series belongs to."""
    base, _, part = name.rpartition("_")
    if part in {"bucket", "sum", "count"} and base in histograms:
        return base, "histogram"
    return (base, "counter") if part == "total" else (name, "gauge")
