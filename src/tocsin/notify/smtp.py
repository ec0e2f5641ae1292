"""One conversation with a mail server: greeting, TLS, who we are, and the mail."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import aiosmtplib

from tocsin.alerts import DeliveryError
from tocsin.config.alertmanager import EmailConfig
from tocsin.notify.secrets import Secrets
from tocsin.scrape.fetch import ssl_context

_TIMEOUT_S: Final = 30.0
_IMPLICIT_TLS_PORT: Final = 465
_AUTHENTICATED: Final = 235
_PERMANENT: Final = 500
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail, from whom it is, and to whom it goes."""

    sender: str
    recipients: Sequence[str]
    content: bytes = field(repr=False)


async def deliver(envelope: Envelope, config: EmailConfig, secrets: Secrets) -> None:
    """Hand a mail to the server of a configuration.

    Raises DeliveryError, retryable unless the server says that it never will be.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await _Conversation(config, secrets).hold(envelope)
    except TimeoutError:
        raise _error(config, f"no answer within {_TIMEOUT_S:g}s", is_retryable=True) from None
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [refused.code for refused in error.recipients]
        refusals = "; ".join(f"{refused.code} {refused.message}" for refused in error.recipients)
        is_retryable = any(code < _PERMANENT for code in codes)
        raise _error(config, secrets.scrub(refusals), is_retryable=is_retryable) from None
    except aiosmtplib.SMTPResponseException as error:
        reason = f"it answered {error.code} {error.message}"
        raise _error(config, secrets.scrub(reason), is_retryable=error.code < _PERMANENT) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        reason = secrets.scrub(str(error)) or type(error).__name__
        raise _error(config, reason, is_retryable=True) from None


def _error(config: EmailConfig, reason: str, *, is_retryable: bool) -> DeliveryError:
    return DeliveryError(
        f"mail server {config.smarthost}: {' '.join(reason.split())}", is_retryable=is_retryable
    )


class _Conversation:
    def __init__(self, config: EmailConfig, secrets: Secrets) -> None:
        self._config = config
        self._secrets = secrets
        self._host, _, port = config.smarthost.rpartition(":")
        self._host = self._host.strip("[]") or "localhost"
        self._port = _port_number(port)
        self._context = ssl_context(config.tls_config)
        is_forced = config.force_implicit_tls
        self._is_implicit = self._port == _IMPLICIT_TLS_PORT if is_forced is None else is_forced

    async def hold(self, envelope: Envelope) -> None:
        client = await self._connected()
        try:
            await client.ehlo()
            if self._config.require_tls and not self._is_implicit:
                await self._start_tls(client)
            await self._authenticate(client)
            await client.sendmail(envelope.sender, envelope.recipients, envelope.content)
            await client.quit()
        finally:
            client.close()

    async def _connected(self) -> aiosmtplib.SMTP:
        connection = await asyncio.to_thread(socket.create_connection, (self._host, self._port), _TIMEOUT_S)
        connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
        client = aiosmtplib.SMTP(
            hostname=self._config.tls_config.server_name or self._host,
            sock=connection,
            use_tls=self._is_implicit,
            start_tls=False,
            tls_context=self._context,
            local_hostname=self._config.hello or "localhost",
            timeout=_TIMEOUT_S,
        )
        try:
            await client.connect()
        except BaseException:
            connection.close()
            raise
        return client

    async def _start_tls(self, client: aiosmtplib.SMTP) -> None:
        if not client.supports_extension("starttls"):
            raise aiosmtplib.SMTPNotSupported("require_tls is set, but it does not offer STARTTLS")
        await client.starttls(
            server_hostname=self._config.tls_config.server_name or self._host, tls_context=self._context
        )
        await client.ehlo()

    async def _authenticate(self, client: aiosmtplib.SMTP) -> None:
        """In the first of the server's ways for which there is a secret."""
        config = self._config
        if not config.auth_username or not client.supports_extension("auth"):
            return
        password = self._secrets.read(config.auth_password, config.auth_password_file)
        secret = self._secrets.read(config.auth_secret, config.auth_secret_file)
        for way in client.server_auth_methods:
            match way.upper():
                case "CRAM-MD5" if secret:
                    await client.auth_crammd5(config.auth_username, secret)
                    return
                case "PLAIN" if password:
                    await self._plain(client, password)
                    return
                case "LOGIN" if password:
                    await client.auth_login(config.auth_username, password)
                    return
        offered = ", ".join(client.server_auth_methods) or "none"
        raise aiosmtplib.SMTPNotSupported(
            f"it offers the ways of authentication {offered}, and there is a password for none of them "
            "(CRAM-MD5 takes auth_secret, PLAIN and LOGIN take auth_password)"
        )

    async def _plain(self, client: aiosmtplib.SMTP, password: str) -> None:
        if not self._is_encrypted(client) and self._host not in _LOCAL:
            raise DeliveryError(
                f"mail server {self._config.smarthost}: the password is not sent without TLS",
                is_retryable=False,
            )
        words = (self._config.auth_identity, self._config.auth_username, password)
        encoded = base64.b64encode("\0".join(words).encode())
        self._secrets.add(encoded.decode())
        answer = await client.execute_command(b"AUTH", b"PLAIN", encoded)
        if answer.code != _AUTHENTICATED:
            raise aiosmtplib.SMTPAuthenticationError(answer.code, answer.message)

    @staticmethod
    def _is_encrypted(client: aiosmtplib.SMTP) -> bool:
        return isinstance(client.get_transport_info("ssl_object"), ssl.SSLObject)


def _port_number(text: str) -> int:
    try:
        return int(text) if text.isdigit() else socket.getservbyname(text, "tcp")
    except OSError:
        raise DeliveryError(f'"{text}" is no port of a mail server', is_retryable=False) from None
