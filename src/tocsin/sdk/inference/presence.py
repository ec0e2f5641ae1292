"""What an open monitor has: the thread that sends, the port that is scraped, the number among its like."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from tocsin.runtime import Place, take_place
from tocsin.sdk.discovery import Destination
from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.ledger import Ledger
from tocsin.sdk.names import Names
from tocsin.sdk.readings import Reading
from tocsin.sdk.sender import Sender

if TYPE_CHECKING:
    from tocsin.sdk.shared_endpoint import SharedEndpoint

JOB: Final = "inference"
WORKER: Final = "worker"
CLOSE_WITHIN_S: Final = 2.0
"""How long closing may take when the server is dead or hangs."""


class Presence:
    """Open from the beginning; ``labels`` are those of all series.

    Processes of one user that watch a model of the same name are told apart by the label ``worker``: 0, 1, …,
    the lowest that no other has now, so that a worker which is replaced goes on in the same series.
    """

    def __init__(
        self, labels: Mapping[str, str], model: str, url: str | None, port: int | None, guard: Guard
    ) -> None:
        self._guard = guard
        self._url = url
        self._wanted_port = port
        self._place: Place | None = None
        self._sender: Sender | None = None
        self._endpoint: SharedEndpoint | None = None
        self.labels = {**labels, WORKER: labels.get(WORKER, "0")}
        if WORKER not in labels:
            with guard.around("worker", "its worker cannot be told from others of this name"):
                self._place = take_place(f"{JOB}-{model}")
                self.labels[WORKER] = str(self._place.number)

    @property
    def port(self) -> int | None:
        """The port of ``/metrics``, or None when it is not served."""
        return self._endpoint.port if self._endpoint else None

    def open(
        self,
        ledger: Ledger,
        scraped: Callable[[], Iterable[Reading]],
        pushed: Callable[[int], Iterable[Reading]],
        attend: Callable[[int], bool],
    ) -> None:
        """Begin to serve and to send."""
        if self._wanted_port is not None:
            with self._guard.around("port", f"/metrics cannot be served on port {self._wanted_port}"):
                self._serve(self._wanted_port, scraped)
        destination = None
        with self._guard.around("url", "nothing is sent"):
            destination = Destination(self._url)
        labels = {"instance": socket.gethostname(), "job": JOB, **self.labels}
        self._sender = Sender(ledger, destination, Names(self._guard), labels, pushed, self._guard, attend)
        self._sender.start()

    def close(self) -> None:
        """Send the newest values, and stop."""
        try:
            if self._sender is not None:
                self._sender.close(CLOSE_WITHIN_S)
        finally:
            if self._endpoint is not None:
                self._endpoint.close()
            if self._place is not None:
                self._place.leave()

    def abandon(self) -> None:
        """Let go of what the parent has, in a forked child."""
        if self._endpoint is not None:
            self._endpoint.abandon()
        if self._place is not None:
            self._place.leave()

    def _serve(self, port: int, scraped: Callable[[], Iterable[Reading]]) -> None:
        # prometheus_client is for those who ask for a port.
        from tocsin.sdk.shared_endpoint import SharedEndpoint  # noqa: PLC0415

        self._endpoint = SharedEndpoint(port, self.labels, scraped, JOB, self._guard)
