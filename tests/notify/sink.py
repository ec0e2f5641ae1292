"""An HTTP server that takes webhooks and remembers them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Sink:
    """Where it listens, what came, and with which statuses to answer before 200."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def wait_for(self, count: int, timeout_s: float = 30.0) -> list[dict[str, Any]]:
        """The first requests, once there are so many."""
        deadline_s = time.monotonic() + timeout_s
        while len(self.requests) < count:
            assert time.monotonic() < deadline_s, f"{len(self.requests)} of {count} requests came"
            time.sleep(0.02)
        return self.requests[:count]


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024
    """Connections that wait to be accepted; with five, a burst of webhooks waits for TCP to try again."""


@contextmanager
def webhook_sink() -> Iterator[Sink]:
    """Serve on 127.0.0.1 while the block runs."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.requests.append(
                {
                    "path": self.path,
                    "headers": dict(self.headers),
                    "body": json.loads(body),
                    "at": time.time(),
                }
            )
            status = sink.statuses.pop(0) if sink.statuses else 200
            self.send_response(status)
            if status // 100 == 3:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    sink.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield sink
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
