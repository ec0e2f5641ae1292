"""The keys of an email receiver."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, model_validator

from tocsin.config.alertmanager.channel import ChannelConfig
from tocsin.config.alertmanager.values import HostPort, Secret, SecretFile, Text, only_one
from tocsin.config.model import ConfigModel
from tocsin.config.scrape import TlsConfig

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)


def canonical_header(name: str) -> str:
    """A header's name as Go writes it.

    >>> canonical_header("x-CUSTOM-header")
    'X-Custom-Header'
    """
    if not _TOKEN.fullmatch(name):
        return name
    return "-".join(word[:1].upper() + word[1:].lower() for word in name.split("-"))


def _canonical(headers: object) -> object:
    if not isinstance(headers, dict):
        return headers
    found: dict[str, object] = {}
    for name, value in headers.items():
        canonical = canonical_header(str(name))
        if canonical in found:
            raise ValueError(f'the header "{canonical}" stands twice')
        found[canonical] = value
    return found


class EmailThreadingConfig(ConfigModel):
    """Whether notifications of a group become one thread, and whether it begins anew each day."""

    enabled: bool = False
    thread_by_date: str = ""

    @model_validator(mode="after")
    def _has_a_kind(self) -> EmailThreadingConfig:
        if self.enabled and self.thread_by_date not in {"none", "daily"}:
            raise ValueError(f'thread_by_date must be none or daily, not "{self.thread_by_date}"')
        return self


class EmailConfig(ChannelConfig):
    """Addresses, and the server that takes mail for them; in a loaded file the server is always known.

    ``force_implicit_tls`` None means TLS from the first byte at port 465 and STARTTLS elsewhere.
    The names in ``headers`` are written as ``Reply-To``.
    """

    send_resolved: bool = False
    to: Text
    from_: str = Field(default="", alias="from")
    hello: str = "localhost"
    smarthost: HostPort = ""
    auth_username: str = ""
    auth_password: Secret = None
    auth_password_file: SecretFile = None
    auth_secret: Secret = None
    auth_secret_file: SecretFile = None
    auth_identity: str = ""
    headers: Annotated[dict[str, str], BeforeValidator(_canonical)] = Field(default_factory=dict)
    html: str = '{{ template "email.default.html" . }}'
    text: str = ""
    require_tls: bool = True
    tls_config: TlsConfig = TlsConfig()
    force_implicit_tls: bool | None = None
    threading: EmailThreadingConfig = EmailThreadingConfig()

    @model_validator(mode="after")
    def _is_consistent(self) -> EmailConfig:
        only_one(auth_password=self.auth_password, auth_password_file=self.auth_password_file)
        only_one(auth_secret=self.auth_secret, auth_secret_file=self.auth_secret_file)
        for name in ("References", "In-Reply-To"):
            if self.threading.enabled and name in self.headers:
                raise ValueError(f"threading sets the header {name} itself")
        return self


def complete_email(config: EmailConfig) -> EmailConfig:
    """A configuration that names a server and a sender; raises ValueError when it does not."""
    if not config.smarthost:
        raise ValueError("no smarthost: set it here, or smtp_smarthost in global")
    if not config.from_:
        raise ValueError("no from: set it here, or smtp_from in global")
    return config
