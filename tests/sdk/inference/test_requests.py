"""Each way to measure a request."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading

import pytest

from tests.sdk.inference.helpers import said, value, values
from tocsin.sdk.inference.batch import MOST_STATUSES


def fails(block, fault):
    with block:
        raise fault


def test_a_request_tells_how_long_it_took_and_what_is_set(monitor, clock):
    with monitor.request(route="/a") as request:
        clock.passes(0.5)
        request.token()
        clock.passes(0.9)
        request.token(9)
        request.input_tokens, request.batch_size, request.cache_hit = 20, 4, True
        assert values(monitor, "inference_requests_in_flight") == {"": 1}
    assert value(monitor, "inference_request_duration_seconds_sum", "/a") == pytest.approx(1.4)
    assert value(monitor, "inference_time_to_first_token_seconds_sum", "/a") == 0.5
    assert value(monitor, "inference_time_per_output_token_seconds_sum", "/a") == pytest.approx(0.1)
    assert values(monitor, "inference_tokens_total") == {"/a/input": 20, "/a/output": 10}
    assert values(monitor, "inference_requests_total") == {"/a/success": 1}
    assert value(monitor, "inference_batch_size_sum", "/a") == 4
    assert value(monitor, "inference_cache_hits_total", "/a") == 1
    assert values(monitor, "inference_requests_in_flight") == {"": 0}


async def test_the_monitor_itself_is_one_request_however_it_is_entered(monitor, clock):
    with monitor as request:
        assert monitor.current() is request
        clock.passes(1)
        async with monitor as inner:
            assert monitor.current() is inner
            clock.passes(2)
    assert monitor.current() is None
    assert value(monitor, "inference_request_duration_seconds_count") == 2
    assert value(monitor, "inference_request_duration_seconds_sum") == 5


async def test_tasks_have_requests_of_their_own(monitor, clock):
    first_in, second_out = asyncio.Event(), asyncio.Event()

    async def first():
        async with monitor as request:
            first_in.set()
            await second_out.wait()
            assert monitor.current() is request

    async def second():
        await first_in.wait()
        clock.passes(1)
        with pytest.raises(ValueError, match="mine"):
            async with monitor:
                raise ValueError("mine")
        clock.passes(2)
        second_out.set()

    await asyncio.gather(first(), second())
    assert value(monitor, "inference_request_duration_seconds_sum") == 3
    assert values(monitor, "inference_errors_total") == {"ValueError": 1}


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        (ValueError, "error", {"ValueError": 1}),
        (TimeoutError, "error", {"timeout": 1}),
        (asyncio.CancelledError, "abort", {}),
        (KeyboardInterrupt, "abort", {}),
    ],
)
def test_an_exception_is_the_same_outside_and_says_how_it_ended(monitor, kind, status, error):
    fault = kind("mine")
    with pytest.raises(kind) as caught:
        fails(monitor.request(), fault)
    assert caught.value is fault
    assert values(monitor, "inference_requests_total") == {status: 1}
    assert values(monitor, "inference_errors_total") == error
    assert values(monitor, "inference_timeouts_total") == {"": kind is TimeoutError}


def test_a_request_may_fail_without_an_exception(monitor):
    for error in ("oom", RuntimeError("x"), None):
        with monitor.request() as request:
            request.fail(error)
    assert values(monitor, "inference_errors_total") == {"oom": 1, "RuntimeError": 1, "unknown": 1}
    assert values(monitor, "inference_requests_total") == {"error": 3}


async def test_waiting_counts_in_the_queue_and_is_timed(monitor, clock):
    async with monitor.request() as request:
        async with request.waiting():
            clock.passes(0.25)
            assert values(monitor, "inference_queue_length") == {"": 1}
        with request.waiting():
            clock.passes(0.5)
        clock.passes(4)
    assert values(monitor, "inference_queue_length") == {"": 0}
    assert value(monitor, "inference_queue_wait_seconds_sum") == 0.75


def test_a_request_that_fails_in_the_queue_has_left_it(monitor, clock):
    def wait():
        with monitor.request() as request, request.waiting():
            clock.passes(3)
            raise TimeoutError

    with pytest.raises(TimeoutError):
        wait()
    assert values(monitor, "inference_queue_length") == {"": 0}
    assert value(monitor, "inference_queue_wait_seconds_sum") == 3


def test_a_queue_that_is_measured_elsewhere(monitor):
    monitor.queue(7, capacity=10)
    assert values(monitor, "inference_queue_length") == {"": 7}
    monitor.queue(2)
    assert values(monitor, "inference_queue_length") == {"": 2}
    assert values(monitor, "inference_queue_capacity") == {"": 10}


def test_batches_and_caches_without_a_request(monitor):
    monitor.batch(32)
    monitor.batch(8)
    monitor.cache(hits=3, misses=1)
    monitor.cache(misses=1)
    assert value(monitor, "inference_batch_size_sum") == 40
    assert value(monitor, "inference_batch_size_count") == 2
    assert values(monitor, "inference_cache_queries_total") == {"": 5}
    assert values(monitor, "inference_cache_hits_total") == {"": 3}
    assert values(monitor, "inference_requests_total") == {}


def test_wrong_values_are_told_once_and_the_rest_counts(monitor, caplog):
    for _ in range(3):
        monitor.record("fast", tokens=[1, 2], input_tokens=3, error=object())
        monitor.batch("big")
        monitor.cache(hits="some")
        monitor.queue("long")
        with monitor.request() as request:
            request.tokens = "many"
            request.token()
        monitor.record(0.5, route=7)
    assert values(monitor, "inference_tokens_total") == {"input": 9}
    assert sum(values(monitor, "inference_requests_total").values()) == 9
    assert 5 <= len(caplog.records) <= 9
    assert len({record.getMessage() for record in caplog.records}) == len(caplog.records)


def test_labels_are_bounded(monitor):
    for number in range(300):
        monitor.record(0.1, route=f"/{number}", status=f"s{number}")
    assert len(values(monitor, "inference_request_duration_seconds_count")) == 101
    assert value(monitor, "inference_request_duration_seconds_count", "other") == 200
    statuses = {labels.split("/")[-1] for labels in values(monitor, "inference_requests_total")}
    assert len(statuses) == MOST_STATUSES + 1


def test_what_nobody_has_told_has_no_series(monitor):
    monitor.record(0.1)
    names = {name for name, _ in said(monitor)}
    assert not [name for name in names if "token_seconds" in name or "queue" in name or "quality" in name]


async def test_latency_metrics_of_the_newest_minute(monitor, clock):
    for number in range(1, 101):
        monitor.record(number / 100, tokens=11, input_tokens=5, first_token_s=number / 200)
    monitor.record(1.0, error="oom")
    clock.passes(10)
    found = await monitor.get_latency_metrics()
    assert found["latency_p50_seconds"] == pytest.approx(0.51, rel=0.01)
    assert found["latency_p95_seconds"] == pytest.approx(0.96, rel=0.01)
    assert found["latency_p99_seconds"] == pytest.approx(1.0, rel=0.01)
    assert found["time_to_first_token_p99_seconds"] == pytest.approx(0.495, rel=0.01)
    assert found["time_per_output_token_p50_seconds"] == pytest.approx(0.025, rel=0.01)
    assert found["requests_per_second"] == pytest.approx(10.1)
    assert found["tokens_per_second"] == pytest.approx(110)
    assert found["error_ratio"] == pytest.approx(1 / 101)
    assert found["requests_in_flight"] == 0
    clock.passes(60)
    assert "latency_p50_seconds" not in await monitor.get_latency_metrics()


def test_a_hundred_threads_lose_nothing(monitor):
    def work():
        for _ in range(50):
            with monitor:
                monitor.record(0.1, tokens=1)

    threads = [threading.Thread(target=work) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values(monitor, "inference_requests_total") == {"success": 10_000}
    assert values(monitor, "inference_tokens_total") == {"output": 5000}
    assert values(monitor, "inference_requests_in_flight") == {"": 0}
    assert values(monitor, "inference_records_dropped_total") == {"": 0}


def test_a_block_left_in_another_context_is_told_and_raises_nothing(monitor, caplog):
    monitor.__exit__(None, None, None)
    assert "use request() there" in caplog.text


# The decorator.


def test_functions_of_every_kind_are_watched_and_stay_what_they_are(monitor, clock):
    @monitor.watch
    def plain(x, *, y):
        """Do it."""
        clock.passes(x)
        return x + y

    @monitor.watch(route="/r", tokens=len)
    async def coroutine(text):
        return text

    assert plain(1, y=2) == 3
    assert (plain.__name__, plain.__doc__) == ("plain", "Do it.")
    assert inspect.iscoroutinefunction(coroutine)
    assert asyncio.run(coroutine("abcd")) == "abcd"
    assert value(monitor, "inference_request_duration_seconds_sum") == 1
    assert values(monitor, "inference_tokens_total") == {"/r/output": 4}


def test_a_watched_function_knows_its_request(monitor):
    @monitor.watch
    def predict():
        monitor.current().input_tokens = 5

    predict()
    assert values(monitor, "inference_tokens_total") == {"input": 5}


def test_methods_and_callable_objects_are_watched(monitor):
    class Model:
        @monitor.watch
        def predict(self, x):
            return x * 2

        async def __call__(self, x):
            return x * 3

    model = Model()
    assert model.predict(2) == 4
    assert asyncio.run(monitor.watch(model)(2)) == 6
    assert values(monitor, "inference_requests_total") == {"success": 2}


def test_a_count_that_fails_is_told_and_the_result_returned(monitor, caplog):
    assert monitor.watch(tokens=len)(lambda: 7)() == 7
    assert list(monitor.stream([1, 2], tokens=len)) == [1, 2]
    assert len(caplog.records) == 1
    assert values(monitor, "inference_requests_total") == {"success": 2}


# Streams.


def test_a_stream_is_timed_by_its_chunks(monitor, clock):
    def tokens():
        clock.passes(0.5)
        yield "a"
        for text in "bcd":
            clock.passes(0.1)
            yield text

    assert list(monitor.stream(tokens(), route="/s")) == ["a", "b", "c", "d"]
    assert value(monitor, "inference_time_to_first_token_seconds_sum", "/s") == 0.5
    assert value(monitor, "inference_time_per_output_token_seconds_sum", "/s") == pytest.approx(0.1)
    assert value(monitor, "inference_request_duration_seconds_sum", "/s") == pytest.approx(0.8)
    assert values(monitor, "inference_tokens_total") == {"/s/output": 4}


async def test_an_asynchronous_stream_is_timed_by_its_chunks(monitor, clock):
    async def tokens():
        clock.passes(0.5)
        yield "ab"
        await asyncio.sleep(0)
        clock.passes(0.3)
        yield "cd"

    assert [chunk async for chunk in monitor.stream(tokens(), tokens=len)] == ["ab", "cd"]
    assert value(monitor, "inference_time_to_first_token_seconds_sum") == 0.5
    assert value(monitor, "inference_time_per_output_token_seconds_sum") == pytest.approx(0.1)


@pytest.mark.parametrize("kind", ["close", "drop"])
def test_a_stream_that_is_left_early_is_an_abort_and_its_source_is_closed(monitor, kind):
    closed = []

    def tokens():
        try:
            while True:
                yield 1
        finally:
            closed.append(1)

    stream = monitor.stream(tokens())
    next(stream)
    if kind == "close":
        stream.close()
    del stream
    assert closed == [1]
    assert values(monitor, "inference_requests_total") == {"abort": 1}
    assert values(monitor, "inference_requests_in_flight") == {"": 0}


async def test_an_asynchronous_stream_that_is_left_early_is_an_abort(monitor):
    closed = []

    async def tokens():
        try:
            while True:
                yield 1
        finally:
            closed.append(1)

    async with contextlib.aclosing(monitor.stream(tokens())) as stream:
        async for _ in stream:
            break
    assert closed == [1]
    assert values(monitor, "inference_requests_total") == {"abort": 1}


async def test_exceptions_of_a_source_pass_unchanged(monitor):
    fault = ValueError("mine")

    def tokens():
        yield 1
        raise fault

    async def slow_tokens():
        yield 1
        raise fault

    with pytest.raises(ValueError, match="mine") as caught:
        list(monitor.stream(tokens()))
    assert caught.value is fault
    with pytest.raises(ValueError, match="mine") as caught:
        [chunk async for chunk in monitor.stream(slow_tokens())]
    assert caught.value is fault
    assert values(monitor, "inference_errors_total") == {"ValueError": 2}


def test_a_watched_generator_does_all_that_a_generator_does(monitor):
    @monitor.watch
    def echo():
        heard = []
        try:
            heard.append((yield "begin"))
            heard.append((yield "more"))
        except KeyError:
            heard.append((yield "caught"))
        return heard

    stream = echo()
    assert iter(stream) is stream
    assert next(stream) == "begin"
    assert stream.send("hello") == "more"
    assert stream.throw(KeyError("k")) == "caught"
    with pytest.raises(StopIteration) as ended:
        stream.send("bye")
    assert ended.value.value == ["hello", "bye"]
    assert values(monitor, "inference_requests_total") == {"success": 1}

    def delegating():
        return (yield from echo())

    assert list(delegating()) == ["begin", "more"]


async def test_a_watched_asynchronous_generator_does_all_that_one_does(monitor):
    @monitor.watch(route="/e")
    async def echo():
        try:
            heard = yield "begin"
            yield heard
        except KeyError:
            yield "caught"

    stream = echo()
    assert await anext(stream) == "begin"
    assert await stream.asend("hello") == "hello"
    assert await stream.athrow(KeyError("k")) == "caught"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert values(monitor, "inference_requests_total") == {"/e/success": 1}


def test_a_stream_has_the_attributes_of_its_source_and_of_plain_iterables_nothing_more(monitor):
    class Source:
        usage = 12

        def __iter__(self):
            return iter([1, 2])

    stream = monitor.stream(Source())
    assert stream.usage == 12
    assert list(stream) == [1, 2]
    with pytest.raises(AttributeError, match="nothing"):
        stream.nothing  # noqa: B018
    with pytest.raises(KeyError):
        monitor.stream([1]).throw(KeyError("k"))


def test_a_stream_that_is_never_read_is_no_request(monitor):
    monitor.stream([1, 2])
    monitor.record(0.1)
    assert values(monitor, "inference_requests_total") == {"success": 1}


def test_interleaved_streams_do_not_mix(monitor, clock):
    first, second = monitor.stream([1, 2], route="/1"), monitor.stream([1, 2], route="/2")
    next(first)
    clock.passes(1)
    next(second)
    list(first)
    clock.passes(1)
    list(second)
    assert values(monitor, "inference_request_duration_seconds_sum") == {"/1": 1, "/2": 2}
