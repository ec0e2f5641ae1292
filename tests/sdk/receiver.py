"""A small real server that takes what the SDK pushes, and that can misbehave."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LINE = re.compile(r"(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+) (?P<time_ms>\d+)")


@dataclass(frozen=True)
class Sample:
    name: str
    labels: str
    value: float
    time_ms: int


class Receiver:
    """Answers every POST with ``status``; while ``holding`` is set it does not answer at all."""

    def __init__(self, port: int = 0) -> None:
        self.status = 204
        self.answer = b""
        self.extra_headers: dict[str, str] = {}
        self.headers: Mapping[str, str] = {}
        self.parse = parsed_lines
        self.holding = threading.Event()
        self.requests: list[tuple[str, str | None]] = []
        self.samples: list[Sample] = []
        self.connections: set[socket.socket] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.handle(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        self.connections.add(request.connection)
        text = request.rfile.read(int(request.headers["Content-Length"])).decode()
        self.requests.append((request.path, request.headers["Content-Type"]))
        self.headers = request.headers
        while self.holding.is_set():
            time.sleep(0.02)
        status, answer = self.status, self.answer
        if 200 <= status < 300:
            self.samples += self.parse(text)
        with contextlib.suppress(OSError):
            request.send_response(status)
            request.send_header("Content-Length", str(len(answer)))
            for name, value in self.extra_headers.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(answer)

    def values(self, name: str) -> list[float]:
        return [sample.value for sample in self.of(name)]

    def of(self, name: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.name == name]

    def disconnect(self) -> None:
        """Close what clients keep open, as a server does with idle connections and at its end."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.holding.clear()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        self.disconnect()


def parsed_lines(text: str) -> list[Sample]:
    return [parsed(line) for line in text.splitlines()]


def parsed(line: str) -> Sample:
    match = LINE.fullmatch(line)
    assert match is not None, line
    return Sample(match["name"], match["labels"], float(match["value"]), int(match["time_ms"]))


def wait_until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
