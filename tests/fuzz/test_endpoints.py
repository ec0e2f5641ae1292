"""Every endpoint that takes samples, given damaged bodies, headers and URLs without a socket between."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote

import pytest

from tests.fuzz import test_expositions as expositions
from tests.fuzz import test_otlp as otlp
from tests.fuzz import test_push_urls as push_urls
from tests.fuzz import test_remote_write as remote_write
from tests.fuzz.mutations import json_mutator, mutated, text_mutator
from tests.fuzz.running import INPUTS, check_batch, new_random
from tests.fuzz.wire import wire_mutator
from tests.support.clock import ManualClock
from tocsin.config.settings import CollectorsConfig, Settings
from tocsin.config.storage import StorageConfig
from tocsin.scrape import ExpositionParser, TextFormat
from tocsin.server.parts import Parts
from tocsin.server.reload import Reloader
from tocsin.server.stores import open_storage
from tocsin.web.app import create_app

REQUESTS = INPUTS // 10 or 1000
LOOKED_AT = 100
"""After so many requests it is looked at what the store holds."""

SHOWN_BYTES = 2000
SETTINGS = Settings(collectors=CollectorsConfig(enabled=False), storage=StorageConfig(max_series=3000))

HEADER_WORDS = (
    b"application/json|application/x-protobuf|proto=io.prometheus.write.v2.Request|;|text/plain|gzip|snappy|zstd|"
    b"identity|application/openmetrics-text|application/vnd.google.protobuf|\xff|\xe9|, "
).split(b"|")
QUERIES = [b"", b"", b"extra_label=site=a&extra_label=b=", b"ttl=5s", b"extra_label=__name__=x"]
QUERY_WORDS = b"&|=|%|%00|%ff|%ed%a0%80|ttl=|extra_label=|__name__=|+|;".split(b"|")


@dataclass(frozen=True)
class Sent:
    """One request."""

    method: str
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes


def text_request(rng: random.Random) -> Sent:
    data = import_text(rng, expositions.TEXTS)
    encoding = expositions.IMPORT_ENCODINGS[data[0]][0]
    return Sent("POST", b"/api/v1/import/prometheus", b"", {b"content-encoding": encoding.encode()}, data[1:])


def write_request(rng: random.Random) -> Sent:
    version = rng.choice((1, 2))
    data = remote_write.mutator(rng, remote_write.SEEDS_V1 if version == 1 else remote_write.SEEDS_V2)
    headers = {
        b"content-encoding": b"snappy" if data[:1] == b"s" else b"zstd",
        b"content-type": b"application/x-protobuf",
    }
    if version == 2:
        headers[b"content-type"] += b";proto=io.prometheus.write.v2.Request"
    return Sent("POST", b"/api/v1/write", b"", headers, data[1:])


OTLP_PATHS = (b"/v1/metrics", b"/v1/metrics", b"/api/v1/otlp/v1/metrics", b"/v1/logs", b"/v1/traces")


def otlp_request(rng: random.Random) -> Sent:
    path = rng.choice(OTLP_PATHS)
    messages = {b"/v1/logs": [otlp.LOGS], b"/v1/traces": [otlp.TRACES]}.get(path, otlp.REQUESTS)
    if rng.random() < 0.5:
        body = mutate_wire(rng, [message.SerializeToString() for message in messages])
        return Sent("POST", path, b"", {b"content-type": b"application/x-protobuf"}, body)
    body = mutate_json(rng, [otlp.as_json(message) for message in messages])
    return Sent("POST", path, b"", {b"content-type": b"application/json"}, body)


def push_request(rng: random.Random) -> Sent:
    data = push_text(rng, expositions.untimed(expositions.TEXTS))
    encoding = expositions.PUSH_ENCODINGS[data[0]][0]
    path = rng.choice(push_urls.PATHS) if rng.random() < 0.6 else mutate_path(rng, push_urls.PATHS)
    method = rng.choice(("PUT", "POST", "POST", "DELETE"))
    return Sent(method, b"/metrics/" + path, b"", {b"content-encoding": encoding.encode()}, data[1:])


import_text = expositions.compressed(expositions.mutate_text, expositions.IMPORT_ENCODINGS)
push_text = expositions.compressed(expositions.mutate_text, expositions.PUSH_ENCODINGS)
mutate_path = text_mutator(push_urls.PATH_WORDS)
mutate_wire, mutate_json = wire_mutator(), json_mutator(otlp.NAMES)
KINDS: tuple[Callable[[random.Random], Sent], ...] = (text_request, write_request, otlp_request, push_request)


def request(rng: random.Random) -> Sent:
    """A request of any kind; one in five has other headers or another query than it should."""
    sent = rng.choice(KINDS)(rng)
    if rng.random() < 0.8:
        return sent
    headers = {
        name: mutated(rng, value, [b""], HEADER_WORDS)[:500]
        for name, value in {**sent.headers, b"x-tocsin-ttl": b"5s"}.items()
    }
    query = mutated(rng, rng.choice(QUERIES), QUERIES, QUERY_WORDS)
    return Sent(sent.method, sent.path, query, headers, sent.body)


class Application:
    """The application, called as uvicorn calls it."""

    def __init__(self, app) -> None:
        self._app = app

    async def send(self, sent: Sent) -> tuple[int, dict[bytes, bytes], bytes]:
        messages = []
        raw_path = quote(sent.path, safe="/@=%:+").encode()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": sent.method,
            "scheme": "http",
            "path": unquote(raw_path.decode()),
            "raw_path": raw_path,
            "query_string": sent.query,
            "headers": [(b"host", b"127.0.0.1"), *sent.headers.items()],
            "root_path": "",
        }

        async def receive():
            return {"type": "http.request", "body": sent.body, "more_body": False}

        async def respond(message):
            messages.append(message)

        await self._app(scope, receive, respond)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        return messages[0]["status"], dict(messages[0]["headers"]), body

    async def get(self, path: str, query: str = "", accept: bytes = b"*/*") -> bytes:
        sent = Sent("GET", path.encode(), query.encode(), {b"accept": accept}, b"")
        status, _, body = await self.send(sent)
        assert status == 200, (path, body[:SHOWN_BYTES])
        return body


@contextlib.asynccontextmanager
async def application(folder) -> AsyncIterator[Application]:
    clock = ManualClock()
    storage = open_storage(SETTINGS, folder, clock)
    parts = Parts.build(SETTINGS, storage, clock, "http://127.0.0.1:1", folder)
    reloader = Reloader(SETTINGS, lambda: SETTINGS, parts.apply, clock, parts.registry, lambda _: None)
    try:
        yield Application(create_app(parts.services(reloader), listens_on_loopback=True))
    finally:
        parts.close()
        await storage.close()


async def look(app: Application) -> None:
    """What is stored can be asked for in every way."""
    everything = quote('{__name__!=""}')
    assert json.loads(await app.get("/api/v1/query", f"query=count({everything})"))["status"] == "success"
    all_time = f"match[]={everything}&start=-9007199254740&end=9007199254740"
    json.loads(await app.get("/api/v1/labels", all_time))
    series = json.loads(await app.get("/api/v1/series", all_time))
    for path in ("/api/v1/metadata", "/api/tocsin/pushed"):
        json.loads(await app.get(path))
    await app.get("/metrics")
    selected = {labels["__name__"] for labels in series["data"]}
    for accept in (b"text/plain", b"text/plain; version=1.0.0; escaping=allow-utf-8"):
        text = await app.get("/federate", f"match[]={everything}", accept)
        batch = ExpositionParser(TextFormat()).parse(text).batch(0)
        check_batch(batch, legacy=accept == b"text/plain")
    assert {labels.metric_name for labels in batch.series} <= selected


def check_answer(sent: Sent, status: int, headers: dict[bytes, bytes], body: bytes) -> None:
    assert 200 <= status < 500, body[:SHOWN_BYTES]
    if headers.get(b"content-type") == b"application/json":
        content = json.loads(body)
        if status >= 400:
            sentence = content["message" if sent.path.startswith((b"/v1/", b"/api/v1/otlp")) else "error"]
            assert sentence


@pytest.mark.timeout(0 if INPUTS else 120)
async def test_no_request_is_answered_with_a_fault_of_the_server(tmp_path):
    rng, accepted, started_s = new_random(), 0, time.perf_counter()
    async with application(tmp_path) as app:
        for number in range(1, REQUESTS + 1):
            sent = request(rng)
            try:
                status, headers, body = await app.send(sent)
                check_answer(sent, status, headers, body)
                accepted += status < 300
                if number % LOOKED_AT == 0:
                    await look(app)
            except BaseException as error:
                error.add_note(f"request {number}: {sent}"[:SHOWN_BYTES])
                raise
    took_s = time.perf_counter() - started_s
    print(f"HTTP: {REQUESTS} requests, {accepted} accepted, {took_s:.1f} s")
    assert 0 < accepted < REQUESTS
