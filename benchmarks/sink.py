"""A server that takes whatever a monitor sends, and a place where it finds no other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        pass


@contextmanager
def sink() -> Iterator[str]:
    """The URL of a server in this process that reads and forgets."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def nobody_to_find() -> Iterator[None]:
    """Keep the measurement away from a tocsin that happens to run on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOCSIN_RUNTIME_DIR"] = folder
        os.environ.pop("TOCSIN_URL", None)
        try:
            yield
        finally:
            del os.environ["TOCSIN_RUNTIME_DIR"]


@contextmanager
def sink_elsewhere() -> Iterator[str]:
    """The URL of such a server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


if __name__ == "__main__":
    with sink() as own_url:
        print(own_url, flush=True)
        sys.stdin.read()  # until whoever started it is gone
