"""Every way in which an engine can answer becomes a result or one sentence, and no secret is in it."""

from __future__ import annotations

import gzip
import http.server
import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.ports import free_port
from tocsin.errors import (
    ConfigError,
    QueryCancelledError,
    QueryError,
    QueryLimitError,
    QuerySyntaxError,
    StorageError,
)
from tocsin.storage.remote import Connection, QueryClient, public_address
from tocsin.storage.remote.sender import RefusedError, RequestSender, UnreachableError


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers all requests alike and remembers them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((self.path, dict(self.headers), body))
        if self.server.drops:
            self.server.drops -= 1
            self.close_connection = True
            return
        self.server.hold.wait(5)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_args: object) -> None:
        pass


class FakeEngine(http.server.ThreadingHTTPServer):
    """An engine that says what a test wants."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list = []
        self.status, self.body, self.headers, self.drops = 200, b"", {}, 0
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def says(self, status: int, body: str = "", **headers: str) -> None:
        self.status, self.body = status, body.encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    server = FakeEngine()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


def connection(url: str, timeout_s: float = 5.0, **headers: str) -> Connection:
    return Connection(
        f"{url}/api/v1/write", url, ssl.create_default_context(), lambda: headers, timeout_s=timeout_s
    )


@contextmanager
def client_of(made: Connection) -> Iterator[QueryClient]:
    client = QueryClient(made)
    try:
        yield client
    finally:
        client.close()


def test_an_answer_with_all_there_is(engine):
    engine.says(200, '{"status":"success","data":{"x":1},"warnings":["w"],"infos":["i"]}')
    with client_of(connection(engine.url, **{"X-Scope-OrgID": "team"})) as client:
        answer = client.ask("query", {"query": "up", "match[]": ["a", "b"]})
    assert (answer.data, answer.warnings, answer.infos) == ({"x": 1}, ("w",), ("i",))
    ((path, headers, body),) = engine.seen
    assert path == "/api/v1/query"
    assert headers["X-Scope-OrgID"] == "team"
    assert headers["User-Agent"].startswith("tocsin/")
    assert body == b"query=up&match%5B%5D=a&match%5B%5D=b"


def test_a_compressed_answer(engine):
    engine.says(200, Content_Encoding="gzip")
    engine.body = gzip.compress(b'{"status":"success","data":[]}')
    with client_of(connection(engine.url)) as client:
        assert client.get("metadata").data == []


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (
            400,
            '{"status":"error","errorType":"bad_data","error":"parse error"}',
            QuerySyntaxError,
            "parse error",
        ),
        (
            422,
            '{"status":"error","errorType":"execution","error":"many-to-many"}',
            QueryError,
            "many-to-many",
        ),
        (422, '{"status":"error","errorType":"422","error":"no  such\\nthing"}', QueryError, "no such thing"),
        (503, '{"status":"error","errorType":"timeout","error":"too slow"}', QueryLimitError, "too slow"),
        (503, '{"status":"error","errorType":"canceled","error":"gone"}', QueryCancelledError, "gone"),
        (503, "starting", StorageError, "{url} answered HTTP status 503: starting"),
        (401, "", StorageError, "{url} answered HTTP status 401: without a reason"),
        (404, "<html>no</html>", StorageError, "{url} answered HTTP status 404: <html>no</html>"),
        (302, "", StorageError, "{url} answered HTTP status 302: without a reason"),
        (
            *(200, "<html>a page</html>", StorageError),
            "{url} does not answer as Prometheus' API does (see query_url): <html>a page</html>",
        ),
        (
            *(200, '{"status":"error","errorType":"internal","error":"no"}', StorageError),
            "{url} does not answer as Prometheus' API does (see query_url): no",
        ),
    ],
)
def test_failures_are_one_sentence(engine, status, body, kind, message):
    engine.says(status, body)
    with client_of(connection(engine.url)) as client, pytest.raises(kind) as failure:
        client.ask("query", {"query": "up"})
    assert type(failure.value) is kind
    assert str(failure.value) == message.format(url=engine.url)


def test_a_connection_that_was_closed_is_opened_anew(engine):
    engine.says(200, '{"status":"success","data":1}')
    with client_of(connection(engine.url)) as client:
        engine.drops = 1
        assert client.ask("query", {"query": "up"}).data == 1
        engine.drops = 2
        with pytest.raises(StorageError, match=r"^cannot reach "):
            client.ask("query", {"query": "up"})


def test_an_answer_that_does_not_come(engine):
    engine.hold.clear()
    with client_of(connection(engine.url)) as client, pytest.raises(StorageError) as failure:
        client.ask("query", {"query": "up"}, timeout_s=0.05)
    assert str(failure.value) == f"{engine.url} did not answer within 0.05 s"


def test_a_question_given_up_while_its_answer_arrives(engine):
    engine.says(200, '{"status":"success","data":1}')
    cancelled = threading.Event()
    cancelled.set()
    with client_of(connection(engine.url)) as client, pytest.raises(QueryCancelledError):
        client.ask("query", {"query": "up"}, cancelled=cancelled)


def test_no_secret_is_told(caplog):
    caplog.set_level(logging.DEBUG)
    url = f"http://127.0.0.1:{free_port()}/tenant/s3cret"
    made = connection(url, Authorization="Bearer s3cret")
    with client_of(made) as client, pytest.raises(StorageError) as failure:
        client.ask("query", {"query": "up"})
    assert "s3cret" not in str(failure.value) + caplog.text + repr(failure.value)
    assert public_address("https://a:b@[::1]:9/c?d=e") == "https://[::1]:9"


def test_a_secret_that_cannot_be_read(engine):
    def headers():
        raise ConfigError("cannot read the secret: no such file")

    made = Connection(engine.url, engine.url, ssl.create_default_context(), headers)
    with client_of(made) as client, pytest.raises(StorageError, match=r"^cannot read the secret: "):
        client.ask("query", {"query": "up"})
    assert not engine.seen


async def test_a_request_of_remote_write(engine):
    engine.says(204)
    sender = RequestSender(connection(engine.url, Authorization="Basic eDp5"))
    await sender.send(b"body")
    ((path, headers, body),) = engine.seen
    assert (path, body) == ("/api/v1/write", b"body")
    assert headers["Content-Encoding"] == "snappy"
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert headers["Authorization"] == "Basic eDp5"
    await sender.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, UnreachableError) for status in (429, 500, 502, 503)),
        *((status, RefusedError) for status in (301, 400, 401, 403, 404, 415)),
    ],
)
async def test_what_is_worth_another_attempt(engine, status, kind):
    engine.says(status, "because\nof this", Retry_After="7")
    sender = RequestSender(connection(engine.url))
    with pytest.raises(kind) as failure:
        await sender.send(b"body")
    assert str(failure.value) == f"{engine.url} did not take samples (HTTP status {status}): because of this"
    if kind is UnreachableError:
        assert failure.value.after_s == 7
    else:
        assert failure.value.blames_samples == (status in {400, 415})
    await sender.close()


async def test_an_engine_that_does_not_take_samples(engine):
    engine.hold.clear()
    sender = RequestSender(connection(engine.url, timeout_s=0.05))
    with pytest.raises(UnreachableError, match=r"took no samples within 0.05 s$"):
        await sender.send(b"body")
    await sender.close()
    sender = RequestSender(connection(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(UnreachableError, match=r"^cannot reach "):
        await sender.send(b"body")
    await sender.close()
