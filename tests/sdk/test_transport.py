from __future__ import annotations

import pytest

from tests.sdk.receiver import Receiver
from tests.support.ports import free_port
from tocsin.sdk.transport import Answer, Transport


@pytest.fixture
def transport():
    transport = Transport()
    yield transport
    transport.close()


def test_lines_arrive_and_the_connection_is_kept(receiver, transport):
    for n in range(3):
        assert transport.post(receiver.url, f'a{{run="x"}} {n} 1\n'.encode(), 5) == Answer(204)
    assert receiver.values("a") == [0, 1, 2]
    assert receiver.requests[0] == ("/api/v1/import/prometheus", "text/plain; charset=utf-8")


def test_a_connection_that_was_closed_meanwhile_is_opened_again(receiver, transport):
    transport.post(receiver.url, b"", 5)
    receiver.disconnect()
    assert transport.post(receiver.url, b'a{run="x"} 1 1\n', 5).status == 204
    assert receiver.values("a") == [1]


def test_another_server_at_the_same_address_is_reached_at_once(transport):
    first = Receiver()
    transport.post(first.url, b"", 5)
    first.close()
    second = Receiver(first.port)
    assert transport.post(second.url, b'a{run="x"} 1 1\n', 5).status == 204
    assert second.values("a") == [1]
    second.close()


def test_the_first_words_of_a_refusal_come_back(receiver, transport):
    receiver.status, receiver.answer = 400, b"line 3:\n  no value" + b"!" * 100_000
    answer = transport.post(receiver.url, b"", 5)
    assert answer.status == 400
    assert answer.words.startswith("line 3: no value!!!")
    assert len(answer.words) <= 200
    receiver.status, receiver.answer = 204, b""
    assert transport.post(receiver.url, b"", 5).status == 204


def test_a_server_that_is_not_there_is_an_error(transport):
    with pytest.raises(ConnectionRefusedError):
        transport.post(f"http://127.0.0.1:{free_port()}", b"", 5)


def test_a_server_that_hangs_is_waited_for_once(receiver, transport):
    transport.post(receiver.url, b"", 5)
    receiver.holding.set()
    with pytest.raises(TimeoutError):
        transport.post(receiver.url, b"", 0.3)
    assert len(receiver.requests) == 2
