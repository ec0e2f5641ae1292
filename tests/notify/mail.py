"""A mail server for tests, which keeps what it is given."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Mailbox:
    """Where it listens, what came, who may log in, and what it answers first instead."""

    address: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    logins: list[tuple[str, str, str]] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    greetings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    password: str = ""

    async def handle_EHLO(self, _server, session, _envelope, hostname, responses):  # noqa: N802
        self.greetings.append(hostname)
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, _server, _session, envelope: Envelope, address: str, _options):  # noqa: N802
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.raw.append(content)
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        self.was_encrypted.append(session.ssl is not None)
        return "250 OK"

    def authenticate(self, _server, _session, _envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        login, password = data.login.decode(), data.password.decode()
        self.logins.append((mechanism, login, password))
        return AuthResult(success=password == self.password, handled=password == self.password)


@contextmanager
def mail_server(
    *,
    context: ssl.SSLContext | None = None,
    is_implicit: bool = False,
    password: str = "",
    exclude: tuple[str, ...] = (),
) -> Iterator[Mailbox]:
    """Serve on 127.0.0.1 while the block runs; with a TLS context by STARTTLS, or from the first byte."""
    box = Mailbox(password=password)
    loop = asyncio.new_event_loop()

    def factory() -> SMTP:
        return SMTP(
            box,
            hostname="mail.test",
            loop=loop,
            tls_context=None if is_implicit else context,
            require_starttls=context is not None and not is_implicit,
            authenticator=box.authenticate if password else None,
            auth_require_tls=False,
            auth_exclude_mechanism=exclude,
        )

    ready = threading.Event()

    async def serve() -> None:
        server = await loop.create_server(factory, "127.0.0.1", 0, ssl=context if is_implicit else None)
        box.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        stop.add_done_callback(lambda _: server.close())
        await stop
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    stop: asyncio.Future[None] = loop.create_future()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(stop.set_result, None)
        thread.join()
        loop.close()
