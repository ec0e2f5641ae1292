from __future__ import annotations

import asyncio
import contextlib
import socket
import stat

import pytest

from tests.receive.statsd.receiving import Receiving, receiving, until
from tocsin.config import parse_source
from tocsin.config.statsd import validate_mapping
from tocsin.errors import UsageError
from tocsin.model import MetricMetadata, MetricType
from tocsin.receive.statsd.stream import MAX_LINE_BYTES

NOW_MS = 1_700_000_000_000


def send_udp(running: Receiving, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", running.receiver.udp_port))


async def test_udp():
    async with receiving() as running:
        send_udp(running, b"a:1|c\nb:2|g|#x:y\n", b"a:1|c")
        await running.packets(2)
        assert await running.flush() == {"a": 2, 'b{x="y"}': 2}
        assert running.store.batches[-1].timestamps_ms.tolist() == [NOW_MS + 1000] * 2
        assert running.store.metadata == {
            "a": MetricMetadata(MetricType.COUNTER),
            "b": MetricMetadata(MetricType.GAUGE),
        }
        assert running.metric("lines_total") == 3
        assert running.metric("events_total", type="counter") == 2
        assert running.metric("series") == 2
        assert running.metric("receive_buffer_bytes") > 0


async def test_tcp_with_lines_in_pieces():
    async with receiving() as running:
        _, writer = await asyncio.open_connection("127.0.0.1", running.receiver.tcp_port)
        for number, piece in enumerate((b"a:1|c\r\na:", b"2|", b"c\nb:7|g"), start=1):
            writer.write(piece)
            await writer.drain()
            await running.packets(number, "tcp")
        assert await running.flush() == {"a": 3}
        writer.close()
        await writer.wait_closed()
        await until(lambda: not running.receiver._tcp._handlers.open)
        assert await running.flush() == {"a": 3, "b": 7}
        assert running.metric("tcp_connections_total") == 1


async def test_a_tcp_line_without_end_ends_the_connection():
    async with receiving() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.receiver.tcp_port)
        writer.write(b"a:1|c\n" + b"x" * (MAX_LINE_BYTES + 1))
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
        assert running.metric("errors_total", reason="line_too_long") == 1
        assert await running.flush() == {"a": 1}


async def test_a_unix_socket(tmp_path):
    path = tmp_path / "statsd.sock"
    text = "{listen_unixgram: statsd.sock, unixsocket_mode: '700'}"
    async with receiving(text, tmp_path) as running:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"a:1|c\nb:1|c", str(path))
        await running.packets(1, "unixgram")
        assert await running.flush() == {"a": 1, "b": 1}
    assert not path.exists()


async def test_a_unix_socket_that_was_left_behind_is_replaced(tmp_path):
    path = tmp_path / "statsd.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(str(path))
    async with receiving("listen_unixgram: statsd.sock", tmp_path) as running:
        with pytest.raises(UsageError, match="another process does"):
            await Receiving("listen_unixgram: statsd.sock", tmp_path).receiver.start()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"a:1|c", str(path))
        await running.packets(1, "unixgram")


async def test_a_file_in_the_place_of_a_unix_socket_is_left_alone(tmp_path):
    (tmp_path / "statsd.sock").write_text("precious")
    with pytest.raises(UsageError, match="cannot listen for StatsD on"):
        await Receiving("listen_unixgram: statsd.sock", tmp_path).receiver.start()
    assert (tmp_path / "statsd.sock").read_text() == "precious"


@pytest.mark.parametrize("key", ["listen_udp", "listen_tcp"])
async def test_an_address_that_is_taken(key):
    async with receiving() as running:
        port = running.receiver.udp_port if key == "listen_udp" else running.receiver.tcp_port
        other = Receiving(f"{key}: '127.0.0.1:{port}'", None)
        with pytest.raises(UsageError, match=f"cannot listen for StatsD on .*{port}"):
            await other.receiver.start()
        await other.receiver.stop()
        assert other.store.batches == []


async def test_nothing_is_listened_on_when_nothing_is_wanted():
    async with receiving("{listen_udp: '', listen_tcp: ''}") as running:
        assert running.receiver.udp_port is None
        assert running.receiver.tcp_port is None


async def test_every_series_is_stored_at_every_flush_at_even_times():
    async with receiving() as running:
        send_udp(running, b"a:1|c")
        await running.packets(1)
        await running.clock.advance(3)
        assert running.store.flushes() == [{"a": 1}] * 3
        times = [batch.timestamps_ms.tolist() for batch in running.store.batches]
        assert times == [[NOW_MS + 1000], [NOW_MS + 2000], [NOW_MS + 3000]]


async def test_stopping_stores_what_has_arrived_and_ends_all_series():
    async with receiving() as running:
        send_udp(running, *[b"a:1|c"] * 1000)
    assert running.store.flushes() == [{"a": 1000}, {"a": "stale"}]
    assert running.metric("packets_total", transport="udp") == 1000


async def test_a_store_that_fails_loses_no_counts(caplog):
    async with receiving("mapping: {defaults: {ttl: 5s}}") as running:
        send_udp(running, b"a:1|c")
        await running.packets(1)
        running.store.failure = "the disk is full"
        await running.clock.advance(2)
        assert [record.getMessage() for record in caplog.records] == [
            "a flush of StatsD was not stored: the disk is full"
        ]
        assert running.metric("append_failures_total") == 2
        running.store.failure = ""
        assert await running.flush() == {"a": 1}
        await running.clock.advance(2)
        running.store.failure = "again"
        await running.clock.advance(3)
        running.store.failure = ""
        assert await running.flush() == {"a": "stale"}


async def test_what_the_kernel_drops_is_counted():
    async with receiving("read_buffer: 4KB") as running:
        send_udp(running, *[b"a:1|c"] * 2000)
        await until(lambda: running.receiver._intake._line_count > 0)
        values = await running.flush()
        lost = running.metric("packets_lost_total")
        assert lost > 0
        assert values["a"] + lost == 2000


async def test_another_mapping():
    async with receiving() as running:
        send_udp(running, b"a:1|c")
        await running.packets(1)
        running.receiver.remap(validate_mapping(parse_source("mappings: [{match: a, name: b}]", "m.yml")))
        send_udp(running, b"a:1|c")
        await running.packets(2)
        assert await running.flush() == {"a": 1, "b": 1}


async def test_ipv6():
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    async with receiving("listen_udp: '[::1]:0'") as running:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"a:1|c", ("::1", running.receiver.udp_port))
        await running.packets(1)
        assert await running.flush() == {"a": 1}
