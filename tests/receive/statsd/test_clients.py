"""Clients that people use, as they come from PyPI."""

from __future__ import annotations

import asyncio

import pytest

from tests.receive.statsd.receiving import receiving, until

statsd = pytest.importorskip("statsd")
dogstatsd = pytest.importorskip("datadog.dogstatsd.base")


def report(client) -> None:
    client.incr("jobs")
    client.incr("jobs", 4)
    client.decr("jobs", -1)
    client.gauge("queue.depth", 12)
    client.gauge("queue.depth", -2, delta=True)
    client.timing("step", 250)


EXPECTED = {
    "jobs": 6,
    "queue_depth": 10,
    "step_count": 1,
    "step_sum": 0.25,
    'step{quantile="0.5"}': 0.25,
    'step{quantile="0.9"}': 0.25,
    'step{quantile="0.99"}': 0.25,
}


async def test_statsd_over_udp():
    async with receiving() as running:
        client = statsd.StatsClient("127.0.0.1", running.receiver.udp_port)
        report(client)
        with client.pipeline() as pipe:
            pipe.incr("piped")
            pipe.gauge("piped.depth", 3)
        client.close()
        await running.packets(7)
        assert await running.flush() == {**EXPECTED, "piped": 1, "piped_depth": 3}
        assert running.metric("errors_total", reason="malformed_line") == 0


async def test_statsd_over_tcp():
    async with receiving() as running:
        client = statsd.TCPStatsClient("127.0.0.1", running.receiver.tcp_port)
        await asyncio.to_thread(report, client)
        client.close()
        await until(lambda: running.metric("tcp_connections_total") == 1)
        await until(lambda: not running.receiver._tcp._handlers.open)
        assert await running.flush() == EXPECTED


@pytest.mark.parametrize("transport", ["udp", "unixgram"])
async def test_dogstatsd(transport, tmp_path):
    async with receiving("listen_unixgram: dsd.sock", tmp_path) as running:
        where = (
            {"host": "127.0.0.1", "port": running.receiver.udp_port}
            if transport == "udp"
            else {"socket_path": str(tmp_path / "dsd.sock")}
        )
        client = dogstatsd.DogStatsd(
            **where, constant_tags=["env:test"], disable_buffering=False, origin_detection_enabled=False
        )
        client.increment("rounds", 2, tags=["site:a"])
        client.gauge("loss", 0.5, tags=["site:a", "novalue"])
        client.histogram("latency", 0.2, tags=["site:a"])
        client.distribution("size", 7)
        client.set("users", "ada")
        client.event("title", "text")
        client.service_check("check", 0)
        client.flush_buffered_metrics()
        client.stop()
        await running.packets(1, transport)
        values = await running.flush()
        assert values['rounds{env="test",site="a"}'] == 2
        assert values['loss{env="test",site="a"}'] == 0.5
        assert values['latency_sum{env="test",site="a"}'] == 0.2
        assert values['size_count{env="test"}'] == 1
        assert not any(key.startswith("datadog") for key in values)
        # Sets, events and service checks are nothing that becomes a series.
        assert running.metric("errors_total", reason="malformed_value") == 2
        assert running.metric("errors_total", reason="not_enough_parts_after_colon") == 1
