"""The ASGI middleware, by hand and under a real uvicorn with a real Starlette."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from tests.sdk.inference.helpers import HandClock, value, values
from tests.sdk.receiver import Receiver, wait_until
from tests.support.ports import free_port
from tocsin.integrations.asgi import SCOPE_KEY, InferenceMiddleware
from tocsin.sdk import InferenceMonitor


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def monitor(clock):
    made = InferenceMonitor("m", monotonic_s=clock)
    yield made
    made.close()


def http(path="/ask", **scope):
    return {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": [], **scope}


async def nothing_to_read():
    return {"type": "http.request", "body": b"", "more_body": False}


async def gone():
    return {"type": "http.disconnect"}


async def call(app, scope=None, receive=nothing_to_read):
    sent = []

    async def send(message):
        sent.append(message)

    await app(scope or http(), receive, send)
    return sent


def answering(status=200, *, pieces=(b"42",), fault=None, clock=None):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        for number, piece in enumerate(pieces):
            if clock is not None:
                clock.passes(0.5)
            await send({"type": "http.response.body", "body": piece, "more_body": number + 1 < len(pieces)})
        if fault is not None:
            raise fault

    return app


@pytest.mark.parametrize(
    ("status", "labels", "errors"),
    [
        (200, "2xx", {}),
        (302, "3xx", {}),
        (404, "4xx", {}),
        (503, "5xx", {"other/http_503": 1}),
        (504, "5xx", {"other/timeout": 1}),
    ],
)
async def test_answers_count_by_the_class_of_their_status(monitor, status, labels, errors):
    sent = await call(InferenceMiddleware(answering(status), monitor))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert values(monitor, "inference_requests_total") == {f"other/{labels}": 1}
    assert values(monitor, "inference_errors_total") == errors
    assert values(monitor, "inference_requests_in_flight") == {"": 0}


async def test_time_runs_until_the_last_byte_and_not_until_the_application_is_through(monitor, clock):
    async def app(scope, receive, send):
        await answering(pieces=[b"", b"a", b"b"], clock=clock)(scope, receive, send)
        clock.passes(100)

    await call(InferenceMiddleware(app, monitor, first_byte_is_first_token=True))
    assert value(monitor, "inference_request_duration_seconds_sum", "other") == 1.5
    assert value(monitor, "inference_time_to_first_token_seconds_sum", "other") == 1.0


async def test_an_answer_in_one_piece_has_no_first_token(monitor):
    await call(InferenceMiddleware(answering(), monitor, first_byte_is_first_token=True))
    assert values(monitor, "inference_time_to_first_token_seconds_count") == {}


@pytest.mark.parametrize("pieces", [[], [b"a", b"b", b""]], ids=["before the end", "after the end"])
async def test_exceptions_pass_unchanged(monitor, pieces):
    fault = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:
        await call(InferenceMiddleware(answering(pieces=pieces, fault=fault), monitor))
    assert caught.value is fault
    is_over = bool(pieces)
    assert values(monitor, "inference_requests_total") == {"other/2xx" if is_over else "other/5xx": 1}
    assert values(monitor, "inference_errors_total") == ({} if is_over else {"other/ValueError": 1})


async def test_an_answer_that_the_server_reads_from_a_file_is_one(monitor):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/etc/hostname"})

    await call(InferenceMiddleware(app, monitor))
    assert values(monitor, "inference_requests_total") == {"other/2xx": 1}


async def test_an_application_that_never_answers_fails(monitor):
    async def silent(scope, receive, send):
        pass

    await call(InferenceMiddleware(silent, monitor))
    assert values(monitor, "inference_errors_total") == {"other/no_answer": 1}


async def test_a_client_that_is_gone_before_the_end_is_an_abort(monitor):
    async def listening(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert (await receive())["type"] == "http.disconnect"

    async def raising(message):
        raise OSError("gone")

    await call(InferenceMiddleware(listening, monitor), receive=gone)
    with pytest.raises(OSError, match="gone"):
        await InferenceMiddleware(answering(), monitor)(http(), gone, raising)
    with pytest.raises(asyncio.CancelledError):
        await call(InferenceMiddleware(answering(pieces=[], fault=asyncio.CancelledError()), monitor))
    assert values(monitor, "inference_requests_total") == {"other/abort": 3}
    assert values(monitor, "inference_errors_total") == {}


async def test_a_disconnect_after_the_answer_is_none(monitor):
    async def app(scope, receive, send):
        await answering()(scope, receive, send)
        await receive()

    await call(InferenceMiddleware(app, monitor), receive=gone)
    assert values(monitor, "inference_requests_total") == {"other/2xx": 1}


async def test_templates_choose_and_name_what_is_measured(monitor):
    app = InferenceMiddleware(
        answering(), monitor, routes=["/v1/generate", "/v1/models/{name}", "/f/{p:path}"]
    )
    for path in ("/v1/generate", "/v1/models/a.b", "/f/x/y/z", "/healthz", "/v1/models/a/b", "/v1/generateX"):
        await call(app, http(path))
    await call(app, http("/app/v1/generate", root_path="/app"))
    assert values(monitor, "inference_request_duration_seconds_count") == {
        "/v1/generate": 2,
        "/v1/models/{name}": 1,
        "/f/{p:path}": 1,
    }


async def test_a_function_chooses_routes_and_may_fail(monitor, caplog):
    def route_of(scope):
        return {"/ask": "asked", "/no": None}[scope["path"]]

    app = InferenceMiddleware(answering(), monitor, routes=route_of)
    for path in ("/ask", "/no", "/unknown"):
        assert len(await call(app, http(path))) == 2
    assert values(monitor, "inference_requests_total") == {"asked/2xx": 1}
    assert len(caplog.records) == 1


async def test_routes_that_are_wrong_are_told_once(monitor, caplog):
    app = InferenceMiddleware(answering(), monitor, routes=3)
    await call(app)
    assert values(monitor, "inference_requests_total") == {"other/2xx": 1}
    assert len(caplog.records) == 1


async def test_web_sockets_pass(monitor):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    await InferenceMiddleware(app, monitor)({"type": "websocket", "path": "/"}, gone, None)
    assert seen == ["websocket"]


async def test_it_is_closed_before_the_server_hears_of_the_shutdown(monitor):
    was_open = {}

    async def app(scope, receive, send):
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def send(message):
        was_open[message["type"]] = monitor._core._presence is not None

    await InferenceMiddleware(app, monitor)({"type": "lifespan"}, nothing_to_read, send)
    assert was_open == {"lifespan.startup.complete": True, "lifespan.shutdown.complete": False}


async def test_an_application_without_lifespan_is_measured_all_the_same(monitor):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise ValueError("no lifespan here")
        await answering()(scope, receive, send)

    watched = InferenceMiddleware(app, monitor)
    with pytest.raises(ValueError, match="no lifespan"):
        await watched({"type": "lifespan"}, nothing_to_read, None)
    await call(watched)
    assert values(monitor, "inference_requests_total") == {"other/2xx": 1}


# Under uvicorn.


class Served:
    """A Starlette with every kind of answer."""

    def __init__(self, monitor):
        self.released = threading.Event()
        self.after = threading.Event()
        self.monitor = monitor
        self.app = Starlette(
            routes=[
                Route("/predict/{name}", self.predict),
                Route("/stream", self.stream),
                Route("/endless", self.endless),
                Route("/fails", self.fails),
                Mount("/deep", routes=[Route("/{x}", self.predict)]),
            ],
            middleware=[Middleware(InferenceMiddleware, monitor=monitor, first_byte_is_first_token=True)],
        )

    async def predict(self, request):
        request.scope[SCOPE_KEY].input_tokens = 5
        self.monitor.current().tokens = 7
        return JSONResponse({"answer": 42}, background=BackgroundTask(self.after.set))

    async def stream(self, request):
        async def tokens():
            for text in ("a", "b", "c"):
                yield text
                await asyncio.sleep(0.02)

        return StreamingResponse(tokens())

    async def endless(self, request):
        async def tokens():
            while not self.released.is_set():
                yield "x" * 1000
                await asyncio.sleep(0.01)

        return StreamingResponse(tokens())

    async def fails(self, request):
        if "status" in request.query_params:
            return PlainTextResponse("busy", status_code=503)
        raise RuntimeError("broken")


@pytest.fixture
def served():
    monitor = InferenceMonitor("m")
    application = Served(monitor)
    port = free_port()
    config = uvicorn.Config(application.app, host="127.0.0.1", port=port, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            yield application, client
    finally:
        application.released.set()
        server.should_exit = True
        thread.join(timeout=20)
    assert not thread.is_alive()
    assert monitor._core._presence is None, "it is closed at shutdown"


def counted(monitor, labels):
    wait_until(lambda: values(monitor, "inference_requests_total").get(labels))
    return values(monitor, "inference_requests_total")[labels]


def test_a_real_application_is_measured(served):
    application, client = served
    monitor = application.monitor
    for name in ("a", "b"):
        assert client.get(f"/predict/{name}").json() == {"answer": 42}
    assert client.get("/stream").text == "abc"
    assert client.get("/fails", params={"status": 1}).status_code == 503
    assert client.get("/fails").status_code == 500
    assert client.get("/deep/7").json() == {"answer": 42}
    assert client.get("/nowhere").status_code == 404
    assert counted(monitor, "/predict/{name}/2xx") == 2
    assert counted(monitor, "/stream/2xx") == 1
    assert counted(monitor, "/fails/5xx") == 2
    assert counted(monitor, "other/4xx") == 1
    errors = values(monitor, "inference_errors_total")
    assert errors == {"/fails/http_503": 1, "/fails/RuntimeError": 1}
    tokens = values(monitor, "inference_tokens_total")
    assert tokens["/predict/{name}/input"] == 10
    assert tokens["/predict/{name}/output"] == 14
    assert value(monitor, "inference_request_duration_seconds_sum", "/stream") > 0.03
    assert value(monitor, "inference_time_to_first_token_seconds_count", "/stream") == 1
    assert (
        value(monitor, "inference_time_to_first_token_seconds_sum", "/stream")
        < value(monitor, "inference_request_duration_seconds_sum", "/stream") - 0.02
    )
    assert application.after.wait(10)


def test_a_client_that_leaves_a_real_stream_is_an_abort(served):
    application, client = served
    with contextlib.suppress(httpx.ReadError), client.stream("GET", "/endless") as response:
        pieces = response.iter_bytes()
        next(pieces)
        assert values(application.monitor, "inference_requests_in_flight") == {"": 1}
    assert counted(application.monitor, "/endless/abort") == 1
    assert values(application.monitor, "inference_requests_in_flight") == {"": 0}


def test_the_example_runs_and_tells_how_good_it_is():
    example = Path(__file__).resolve().parents[2] / "examples" / "serve_digits.py"
    receiver = Receiver()
    environment = {**os.environ, "TOCSIN_URL": receiver.url}
    command = [sys.executable, str(example), "--requests", "60"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    receiver.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert "latency_p99_seconds" in done.stdout
    answered = [each for each in receiver.of("inference_requests_total") if 'status="2xx"' in each.labels]
    assert answered[-1].value == 60
    assert 'route="/predict/{key}"' in answered[-1].labels
    assert receiver.values("inference_quality_accuracy")[-1] > 0.7
    assert receiver.values("inference_queue_wait_seconds_count")[-1] == 60
