"""An HTTP server that stands for the services of channels: it records requests, and answers as they do."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Recorded:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass
class Reply:
    """What is answered; ``echo`` puts all of the request into the body, as careless services do."""

    status: int = 200
    body: Any = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    echo: bool = False


@dataclass
class Recorder:
    """Where it listens, what came, what to answer first, and what to answer then."""

    url: str = ""
    requests: list[Recorded] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    usual: Callable[[Recorded], Reply] = lambda _: Reply()

    def answer(self, request: Recorded) -> Reply:
        self.requests.append(request)
        return self.replies.pop(0) if self.replies else self.usual(request)

    def wait_for(self, count: int, timeout_s: float = 30.0) -> list[Recorded]:
        """The first requests, once there are so many."""
        deadline_s = time.monotonic() + timeout_s
        while len(self.requests) < count:
            assert time.monotonic() < deadline_s, f"{len(self.requests)} of {count} requests came"
            time.sleep(0.02)
        return self.requests[:count]


def documented(request: Recorded) -> Reply:
    """What the service that a request is meant for answers when all is well."""
    path = request.path
    if "/gettoken" in path:
        return Reply(body={"errcode": 0, "errmsg": "ok", "access_token": "accesstoken", "expires_in": 7200})
    if "/message/send" in path:
        return Reply(body={"errcode": 0, "errmsg": "ok"})
    if "sendMessage" in path:
        message = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "group"}}
        return Reply(body={"ok": True, "result": message})
    if "chat.postMessage" in path or "chat.update" in path:
        return Reply(body={"ok": True, "channel": "C1", "ts": "1.5"})
    if "/v2/enqueue" in path or "/v2/alerts" in path:
        return Reply(202, {"status": "success", "message": "Event processed", "result": "ok"})
    return Reply()


@contextmanager
def recorder(context: ssl.SSLContext | None = None) -> Iterator[Recorder]:
    """Serve on 127.0.0.1 while the block runs; with a TLS context it is a proxy that answers itself."""
    recorded = Recorder(usual=documented)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Recorded(self.command, self.path, dict(self.headers), body)
            reply = recorded.answer(request)
            content, kind = _encoded(reply, request)
            self.send_response(reply.status)
            for name, value in {"Content-Type": kind, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        do_GET = do_POST = do_PUT = _take  # noqa: N815 - names of the standard library

        def do_CONNECT(self) -> None:
            assert context is not None
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb")
            self.handle_one_request()
            self.wfile.close()
            self.rfile.close()
            self.connection.close()
            self.rfile, self.wfile = _Nothing(), _Nothing()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    recorded.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield recorded
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Nothing:
    """What a handler flushes and closes after its streams are gone."""

    closed = True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _encoded(reply: Reply, request: Recorded) -> tuple[bytes, str]:
    if reply.echo:
        return f"refused: {request.path} {request.headers} {request.body.decode()}".encode(), "text/plain"
    if isinstance(reply.body, bytes):
        return reply.body, "text/plain"
    return json.dumps(reply.body).encode(), "application/json; charset=utf-8"
