"""Email by SMTP.

Source: RFC 5321, RFC 3207 (STARTTLS), RFC 8314 (TLS from the first byte), RFC 4954 (AUTH).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, getaddresses, make_msgid
from typing import ClassVar, Final

from tocsin.alerts import DeliveryError, Notification
from tocsin.config.alertmanager import EmailConfig
from tocsin.gotemplate import TemplateError
from tocsin.notify.channel import ConfiguredChannel, group_id
from tocsin.notify.smtp import Envelope, deliver
from tocsin.notify.template import Expander

_SUBJECT: Final = '{{ template "email.default.subject" . }}'
_OWN_HEADERS: Final = frozenset({"content-type", "mime-version", "date", "message-id"})
_ADDRESS_HEADERS: Final = frozenset({"to", "from", "cc", "bcc", "reply-to", "sender"})


class EmailChannel(ConfiguredChannel[EmailConfig]):
    """Sends one mail for each notification."""

    integration: ClassVar[str] = "email"

    async def notify(self, notification: Notification) -> None:
        """Send once; raises DeliveryError when that does not succeed."""
        try:
            envelope = await asyncio.to_thread(
                lambda: self.envelope(notification, self.expander(notification))
            )
        except TemplateError as error:
            raise DeliveryError(str(error), is_retryable=False) from error
        await deliver(envelope, self.config, self.secrets)

    def envelope(self, notification: Notification, expander: Expander) -> Envelope:
        """The mail, from whom it is, and to whom it goes; raises TemplateError or DeliveryError."""
        config = self.config
        senders = _addresses("from", expander.text("from", config.from_))
        if len(senders) != 1:
            raise DeliveryError("email: from must be exactly one address", is_retryable=False)
        recipients = _addresses("to", expander.text("to", config.to))
        message = self._message(notification, expander)
        return Envelope(senders[0], recipients, message.as_bytes(policy=SMTP_POLICY.clone(utf8=False)))

    def _message(self, notification: Notification, expander: Expander) -> EmailMessage:
        config = self.config
        message = EmailMessage(policy=SMTP_POLICY)
        headers = {"Subject": _SUBJECT, "To": config.to, "From": config.from_, **config.headers}
        for name, text in headers.items():
            _set_header(message, name, expander.text(f"headers.{name}", text))
        now = datetime.fromtimestamp(self.context.clock.now_ms() / 1000, UTC)
        message["Date"] = format_datetime(now)
        if "message-id" not in {name.lower() for name in headers}:
            message["Message-ID"] = make_msgid("tocsin", config.hello or "localhost")
        if config.threading.enabled:
            thread = self._thread(notification, now)
            message["References"] = message["In-Reply-To"] = thread
        message.make_alternative()
        # What is preferred stands last (RFC 2046, section 5.1.4).
        if config.text:
            message.add_alternative(expander.text("text", config.text), cte="quoted-printable")
        if config.html:
            body = expander.html("html", config.html)
            message.add_alternative(body, subtype="html", cte="quoted-printable")
        return message

    def _thread(self, notification: Notification, now: datetime) -> str:
        """A message that never was, to which all mails of a group are answers."""
        day = f"{now:%Y-%m-%d}" if self.config.threading.thread_by_date == "daily" else ""
        name = hashlib.sha256(f"{group_id(notification.group_key)}{day}".encode()).hexdigest()
        return f"<group.{name[:32]}@tocsin>"


def _addresses(key: str, text: str) -> Sequence[str]:
    addresses = [address for _, address in getaddresses([text])]
    if not addresses or not all("@" in address for address in addresses):
        raise DeliveryError(f'email: "{text}" is no list of addresses ({key})', is_retryable=False)
    return addresses


def _set_header(message: EmailMessage, name: str, value: str) -> None:
    value = " ".join(value.splitlines())
    if name.lower() in _OWN_HEADERS:
        if name.lower() == "message-id":
            message[name] = value
        return
    if name.lower() not in _ADDRESS_HEADERS:
        message[name] = value
        return
    try:
        message[name] = [
            Address(shown, addr_spec=address) if shown else Address(addr_spec=address)
            for shown, address in getaddresses([value])
        ]
    except (ValueError, IndexError) as error:
        raise DeliveryError(
            f'email: "{value}" is no list of addresses (headers.{name})', is_retryable=False
        ) from error
