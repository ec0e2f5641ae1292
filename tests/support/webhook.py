"""A receiver of webhooks that notes what arrives, and when."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebhookReceiver(ThreadingHTTPServer):
    """Collects (arrival in ms since 1970, body) pairs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrived: list[tuple[int, dict]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook"

    def wait_for(self, wanted: Callable[[dict], bool], timeout_s: float) -> tuple[int, dict]:
        """The first body that is wanted."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for arrived_ms, body in list(self.arrived):
                if wanted(body):
                    return arrived_ms, body
            time.sleep(0.02)
        raise AssertionError(f"nothing of the kind arrived within {timeout_s:g} s; what did: {self.arrived}")


class _Handler(BaseHTTPRequestHandler):
    server: WebhookReceiver

    def do_POST(self) -> None:
        arrived_ms = time.time_ns() // 1_000_000
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.arrived.append((arrived_ms, body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """A receiver on a free port, in a thread."""
    with WebhookReceiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()
