from __future__ import annotations

import socket

import pytest

from tocsin.receive.statsd.drops import dropped_packets, drops_of

HEADER = "sl local rem st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode ref pointer drops"
LINE = "9897: 0100007F:E146 00000000:0000 07 00000000:007FFE80 00:00000000 00000000 0 0 {} 2 0000dd4d73ed {}"
TABLE = [HEADER, LINE.format(324744, 3), LINE.format(324741, 189918)]


def test_a_socket_is_found_by_its_inode():
    assert drops_of(TABLE, 324741) == 189_918
    assert drops_of(TABLE, 324744) == 3
    assert drops_of(TABLE, 1) == 0
    assert drops_of([], 1) == 0


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_a_socket_without_losses(family):
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    assert dropped_packets(receiver) == 0
    receiver.close()
    assert dropped_packets(receiver) == 0


def test_the_kernel_counts_what_does_not_fit():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        receiver.settimeout(0)
        for _ in range(100):
            sender.sendto(b"x", receiver.getsockname())
        lost, received = dropped_packets(receiver), 0
        while received + lost < 100:
            receiver.recv(10)
            received += 1
        assert lost > 0
        with pytest.raises(BlockingIOError):
            receiver.recv(10)
