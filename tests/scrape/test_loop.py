from __future__ import annotations

import asyncio
import gzip
import time
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry

from tests.scrape.exposition_server import OPENMETRICS, TEXT, MemoryStore, exposition_server, until
from tests.support.clock import ManualClock
from tests.support.ports import free_port
from tocsin.config.scrape import BasicAuth, ScrapeConfig, TargetGroup
from tocsin.errors import StorageError
from tocsin.model import Labels
from tocsin.scrape.fetch import Fetcher
from tocsin.scrape.loop import Health, ScrapeLoop, ScrapeParts
from tocsin.scrape.metrics import ScrapeMetrics
from tocsin.scrape.target import make_targets


@pytest.fixture
async def server():
    async with exposition_server() as served:
        yield served


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
async def make_loop(server, store):
    fetchers = []
    metrics = ScrapeMetrics(CollectorRegistry())

    def make(path="/metrics", timeout_ms=2000, address="", clock=None, **config):
        group = TargetGroup(targets=(address or server.address,))
        job = ScrapeConfig(job_name="j", metrics_path=path, **config).resolved(15_000, timeout_ms)
        (target,) = make_targets(job, [group]).active
        fetchers.append(Fetcher(job))
        return ScrapeLoop(target, job, fetchers[-1], ScrapeParts(store, clock or ManualClock(), metrics))

    yield make
    for fetcher in fetchers:
        await fetcher.close()


async def test_a_good_target(server, store, make_loop):
    server.text("/metrics", '# TYPE a gauge\na{x="1"} 5\nb 7 1234\n')
    loop = make_loop()
    await loop.scrape(10_000)
    instance = {"job": "j", "instance": server.address}
    assert store.samples[Labels({"__name__": "a", "x": "1", **instance})] == {10_000: 5.0}
    assert store.samples[Labels({"__name__": "b", **instance})] == {1234: 7.0}
    assert store.samples[Labels({"__name__": "up", **instance})] == {10_000: 1.0}
    assert store.values("scrape_samples_scraped") == [2.0]
    assert store.values("scrape_samples_post_metric_relabeling") == [2.0]
    assert store.values("scrape_series_added") == [2.0]
    (duration_s,) = store.values("scrape_duration_seconds")
    assert 0 < duration_s < 2
    assert store.metadata["a"].type == "gauge"
    assert (loop.status.health, loop.status.error, loop.status.scraped_ms) == (Health.UP, "", 10_000)


async def test_what_a_request_says(server, make_loop):
    server.text("/metrics", "a 1\n")
    await make_loop(basic_auth=BasicAuth(username="u", password="p")).scrape(0)
    headers = server.requests[0].headers
    assert headers["accept"].startswith(
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    )
    assert headers["accept"].endswith("text/plain;version=0.0.4;q=0.2,*/*;q=0.1")
    assert headers["accept-encoding"] == "gzip"
    assert headers["user-agent"].startswith("tocsin/")
    assert headers["x-prometheus-scrape-timeout-seconds"] == "2"
    assert headers["authorization"] == "Basic dTpw"


async def test_credentials_are_read_anew_from_their_file(server, make_loop, tmp_path):
    server.text("/metrics", "a 1\n")
    file = tmp_path / "token"
    file.write_text("one\n")
    loop = make_loop(bearer_token_file=file)
    await loop.scrape(0)
    file.write_text("two\n")
    await loop.scrape(1)
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer one", "Bearer two"]
    file.unlink()
    await loop.scrape(2)
    assert "cannot read the secret" in loop.status.error


async def test_openmetrics_is_chosen_by_the_answer(server, store, make_loop):
    server.text("/metrics", "# TYPE a counter\na_total 1 1.5\n# EOF\n", OPENMETRICS)
    loop = make_loop()
    await loop.scrape(0)
    assert store.samples[Labels({"__name__": "a_total", "job": "j", "instance": server.address})] == {
        1500: 1.0
    }
    server.text("/metrics", "a_total 2\n", TEXT)
    await loop.scrape(1)
    assert loop.status.error == ""
    server.text("/metrics", "a_total 3\n", OPENMETRICS)
    await loop.scrape(2)
    assert loop.status.error == "OpenMetrics text must end with # EOF"


async def test_gzip_answers(server, store, make_loop):
    async def page(request):
        await request.answer(gzip.compress(b"a 1\n"), content_encoding="gzip")

    server.pages["/metrics"] = page
    await make_loop().scrape(0)
    assert store.values("a") == [1.0]


async def test_redirects(server, store, make_loop):
    async def page(request):
        await request.answer(b"", "302 Found", location="/other")

    async def circle(request):
        await request.answer(b"", "302 Found", location="/circle")

    server.pages |= {"/metrics": page, "/circle": circle}
    server.text("/other", "a 1\n")
    await make_loop().scrape(0)
    assert store.values("a") == [1.0]
    refused = make_loop(follow_redirects=False)
    await refused.scrape(1)
    assert refused.status.error == "the server answered with HTTP status 302"
    circling = make_loop("/circle")
    await circling.scrape(2)
    assert circling.status.error == "more than 10 redirects"


async def hang(request):
    await asyncio.sleep(60)


async def drip(request):
    request.start()
    for _ in range(600):
        request.writer.write(b"a 1\n")
        await request.writer.drain()
        await asyncio.sleep(0.1)


async def endless(request):
    request.start()
    while True:
        request.writer.write(b"# filler\n" * 10_000)
        await request.writer.drain()


async def bomb(request):
    await request.answer(gzip.compress(bytes(20_000_000)), content_encoding="gzip")


async def not_gzip(request):
    await request.answer(b"plain", content_encoding="gzip")


async def brotli(request):
    await request.answer(b"x", content_encoding="br")


async def html(request):
    await request.answer(b"<html>", content_type="text/html; charset=utf-8")


async def untyped(request):
    await request.answer(b"a 1\n", content_type="")


async def binary(request):
    await request.answer(bytes(range(256)) * 100)


async def broken(request):
    await request.answer(b"sorry", "500 Internal Server Error")


async def closing(request):
    request.writer.close()


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (hang, "no complete answer within 300ms"),
        (drip, "no complete answer within 300ms"),
        (endless, "the answer is larger than body_size_limit (100000 bytes)"),
        (bomb, "the answer is larger than body_size_limit (100000 bytes)"),
        (not_gzip, "the body is not gzip"),
        (brotli, 'the Content-Encoding "br"'),
        (html, 'the Content-Type of the answer is "text/html; charset=utf-8", which is no text format'),
        (untyped, "the Content-Type of the answer is missing"),
        (binary, "line 1: "),
        (broken, "the server answered with HTTP status 500"),
        (closing, "cannot reach http://127.0.0.1:"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_bad_target_is_down_in_time_with_a_reason(server, store, make_loop, page, message):
    server.pages["/metrics"] = page
    loop = make_loop(timeout_ms=300, body_size_limit=100_000)
    started_s = time.monotonic()
    await loop.scrape(0)
    assert time.monotonic() - started_s < 3
    assert message in loop.status.error
    assert loop.status.health is Health.DOWN
    assert store.values("up") == [0.0]
    assert store.values("scrape_samples_scraped") == [0.0]
    assert store.names() == {
        "up",
        "scrape_duration_seconds",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
    }


async def test_a_target_that_is_not_there(store, make_loop):
    loop = make_loop(address=f"127.0.0.1:{free_port()}")
    await loop.scrape(0)
    assert loop.status.error.startswith("cannot reach http://127.0.0.1:")
    assert store.values("up") == [0.0]


async def test_a_fallback_reads_answers_without_a_type(server, store, make_loop):
    server.pages["/metrics"] = untyped
    await make_loop(fallback_scrape_protocol="PrometheusText0.0.4").scrape(0)
    assert store.values("a") == [1.0]


async def test_a_series_that_vanishes_is_marked(server, store, make_loop):
    loop = make_loop()
    server.text("/metrics", "a 1\nb 1\n")
    await loop.scrape(0)
    server.text("/metrics", "a 2\nc 1\n")
    await loop.scrape(1)
    server.text("/metrics", "a 3\nb 2\nc 2\n")
    await loop.scrape(2)
    assert store.values("a") == [1.0, 2.0, 3.0]
    assert store.values("b") == [1.0, "stale", 2.0]
    assert store.values("c") == [1.0, 2.0]
    assert store.values("scrape_series_added") == [2.0, 1.0, 1.0]


async def test_a_failed_scrape_ends_all_series_of_the_target(server, store, make_loop):
    loop = make_loop()
    server.text("/metrics", "a 1\nb 1\n")
    await loop.scrape(0)
    server.text("/metrics", "a 2\nb x\n")
    await loop.scrape(1)
    await loop.scrape(2)
    server.text("/metrics", "a 3\nb 3\n")
    await loop.scrape(3)
    assert store.values("a") == [1.0, "stale", 3.0]
    assert store.values("b") == [1.0, "stale", 3.0]
    assert store.values("up") == [1.0, 0.0, 0.0, 1.0]
    assert store.values("scrape_series_added") == [2.0, 0.0, 0.0, 0.0]


async def test_series_with_times_of_their_own_are_not_marked(server, store, make_loop):
    server.text("/metrics", "a 1 500\nb 1\n")
    loop, tracking = make_loop(), make_loop("/other", track_timestamps_staleness=True)
    await loop.scrape(1000)
    server.text("/metrics", "c 1\n")
    await loop.scrape(2000)
    assert store.values("a") == [1.0]
    assert store.values("b") == [1.0, "stale"]
    server.text("/other", "d 1 500\n")
    await tracking.scrape(1000)
    server.text("/other", "")
    await tracking.scrape(2000)
    assert store.values("d") == [1.0, "stale"]


async def test_timestamps_can_be_ignored(server, store, make_loop):
    server.text("/metrics", "a 1 500\n")
    await make_loop(honor_timestamps=False).scrape(9000)
    (samples,) = [samples for labels, samples in store.samples.items() if labels.metric_name == "a"]
    assert samples == {9000: 1.0}


async def test_the_end_is_marked_behind_the_last_sample(server, store, make_loop):
    server.text("/metrics", "a 1\n")
    loop = make_loop()
    await loop.history.end(store, 0)
    assert store.samples == {}
    await loop.scrape(5000)
    await loop.history.end(store, 4000)
    for metric in ("a", "up", "scrape_duration_seconds"):
        assert store.values(metric)[-1] == "stale"
    assert all(max(samples) == 5001 for samples in store.samples.values())


async def test_the_sample_limit_fails_the_scrape(server, store, make_loop):
    server.text("/metrics", "a 1\nb 1\nc 1\n")
    loop = make_loop(sample_limit=2)
    await loop.scrape(0)
    assert loop.status.error == "the target has 3 samples (sample_limit 2)"
    assert store.values("up") == [0.0]
    assert store.values("a") == []


async def test_a_store_that_fails_loses_one_scrape_and_no_marker(server, store, make_loop, caplog):
    loop = make_loop()
    server.text("/metrics", "a 1\nb 1\n")
    await loop.scrape(0)
    store.error = StorageError("disk full")
    server.text("/metrics", "a 2\n")
    await loop.scrape(1)
    assert "are lost: disk full" in caplog.text
    store.error = None
    await loop.scrape(2)
    assert store.values("a") == [1.0, 2.0]
    assert store.values("b") == [1.0, "stale"]


async def test_a_target_cannot_forge_its_own_up(server, store, make_loop):
    server.text("/metrics", "up 0\n")
    await make_loop().scrape(0)
    assert store.values("up") == [1.0]


async def test_an_unforeseen_error_does_not_end_the_loop(server, store, make_loop, caplog):
    clock = ManualClock()
    loop = make_loop(clock=clock)
    server.text("/metrics", "a 1\n")
    store.error = RuntimeError("a bug")
    task = asyncio.create_task(loop.run())
    await clock.advance(15)
    await until(lambda: loop.status.error)
    assert "internal error" in loop.status.error
    store.error = None
    await clock.advance(15)
    await until(lambda: store.values("a"))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_scrapes_keep_to_the_interval(server, store, make_loop):
    clock = ManualClock()
    loop = make_loop(clock=clock)
    server.text("/metrics", "a 1\n")
    task = asyncio.create_task(loop.run())
    for count in range(1, 4):
        await clock.advance(15)
        await until(lambda count=count: len(store.values("up")) == count)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (samples,) = [samples for labels, samples in store.samples.items() if labels.metric_name == "up"]
    times = sorted(samples)
    assert {later - earlier for earlier, later in pairwise(times)} == {15_000}


async def test_turns_are_spread_over_the_interval(make_loop):
    offsets = [make_loop(address=f"10.0.0.{i}:9100")._offset_ms() for i in range(60)]
    assert {offset // 5000 for offset in offsets} == {0, 1, 2}
    assert len(set(offsets)) > 50
