"""A name server for tests: answers from a dictionary."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator, Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

Zone = Mapping[tuple[str, str], list[str]]
"""Records as text, by name and type."""


@contextlib.contextmanager
def resolver_of(zone: Zone) -> Iterator[dns.resolver.Resolver]:
    """A resolver that asks a server on this machine, which ends with the block."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, connection = self.request
            connection.sendto(_answer(data, zone), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = server.server_address[1]
        try:
            yield resolver
        finally:
            server.shutdown()
            thread.join()


def _answer(data: bytes, zone: Zone) -> bytes:
    question = dns.message.from_wire(data)
    answer = dns.message.make_response(question)
    answer.flags |= dns.flags.RA
    (asked,) = question.question
    name, kind = asked.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(asked.rdtype)
    if (name, "FAIL") in zone:
        answer.set_rcode(dns.rcode.SERVFAIL)
    elif (name, kind) in zone:
        answer.answer = [dns.rrset.from_text(asked.name, 60, "IN", kind, *zone[name, kind])]
    elif name not in {known for known, _ in zone}:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer.to_wire()
