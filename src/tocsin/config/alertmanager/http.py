"""How requests of receivers are made, and addresses, some of which are secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr, model_validator

from tocsin.config.alertmanager.values import Secret, SecretFile, Text, only_one
from tocsin.config.http import Authorization, BasicAuth, at_most_one
from tocsin.config.model import ConfigModel
from tocsin.config.scrape import TlsConfig

_RESERVED_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "user-agent",
        "www-authenticate",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-prometheus-remote-read-version",
        "x-prometheus-remote-write-version",
        "x-prometheus-scrape-timeout-seconds",
    }
)


def is_http_url(text: str) -> bool:
    """Whether a text is an address that begins with ``http://`` or ``https://`` and names a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _secret_url(value: SecretStr) -> SecretStr:
    if not is_http_url(value.get_secret_value()):
        raise ValueError("not a URL that begins with http:// or https:// and names a host")
    return value


def _template_url(value: SecretStr) -> SecretStr:
    return value if "{{" in value.get_secret_value() else _secret_url(value)


def _url(value: str) -> str:
    if not is_http_url(value):
        raise ValueError(f'"{value}" is not a URL that begins with http:// or https:// and names a host')
    return value


def _folder_url(value: str) -> str:
    parts = urlsplit(_url(value))
    return value if parts.path.endswith("/") else urlunsplit(parts._replace(path=f"{parts.path}/"))


def _named_headers(value: object) -> object:
    """The entries of the mapping, each with its name, so that files in them are found and located."""
    if not isinstance(value, dict):
        return value
    for name, header in value.items():
        if name.lower() in _RESERVED_HEADERS:
            raise ValueError(f'the header "{name}" cannot be set here')
        if isinstance(header, dict) and "name" in header:
            raise ValueError(f'unknown key "name" in the header "{name}" (allowed: files, secrets, values)')
    return [{**(header if isinstance(header, dict) else {}), "name": name} for name, header in value.items()]


def _shown_url(url: SecretStr) -> str:
    parts = urlsplit(url.get_secret_value().partition("{{")[0])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/<secret>"


SecretUrl: TypeAlias = Annotated[
    SecretStr, AfterValidator(_secret_url), PlainSerializer(_shown_url, when_used="json")
]
"""A URL of which all behind the host is a secret."""

TemplateUrl: TypeAlias = Annotated[
    SecretStr, AfterValidator(_template_url), PlainSerializer(_shown_url, when_used="json")
]
"""A secret URL that may be a template, in which case it is only known once that is expanded."""

HttpUrl: TypeAlias = Annotated[str, AfterValidator(_url)]
"""A URL that is no secret."""

FolderUrl: TypeAlias = Annotated[str, AfterValidator(_folder_url)]
"""A URL that paths are appended to; its path ends in ``/``."""


class HttpHeader(ConfigModel):
    """A header that is sent with each request: its values, some secret, some in files."""

    name: Text
    values: tuple[str, ...] = ()
    secrets: tuple[SecretStr, ...] = ()
    files: tuple[Path, ...] = ()


class ProxyConfig(ConfigModel):
    """Through which proxy requests go."""

    proxy_url: str = ""
    no_proxy: str = ""
    proxy_from_environment: bool = False
    proxy_connect_header: dict[str, tuple[SecretStr, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_one_proxy(self) -> ProxyConfig:
        if self.proxy_from_environment:
            at_most_one("a request", proxy_from_environment=True, proxy_url=self.proxy_url)
            at_most_one("a request", proxy_from_environment=True, no_proxy=self.no_proxy)
        elif not self.proxy_url:
            for name in ("no_proxy", "proxy_connect_header"):
                if getattr(self, name):
                    raise ValueError(f"{name} needs a proxy_url")
        return self


class OAuth2(ProxyConfig):
    """Tokens of OAuth 2.0, fetched with client credentials."""

    client_id: Text
    client_secret: Secret = None
    client_secret_file: SecretFile = None
    scopes: tuple[str, ...] = ()
    token_url: Text
    endpoint_params: dict[str, str] = Field(default_factory=dict)
    tls_config: TlsConfig = TlsConfig()

    @model_validator(mode="after")
    def _has_one_secret(self) -> OAuth2:
        at_most_one("oauth2", client_secret=self.client_secret, client_secret_file=self.client_secret_file)
        if not self.client_secret and not self.client_secret_file:
            raise ValueError("oauth2 needs a client_secret or a client_secret_file")
        return self


class HttpConfig(ProxyConfig):
    """How a request is made.

    The older keys ``bearer_token`` and ``bearer_token_file`` become ``authorization``, and
    ``http_headers``, a mapping of names in the file, is held as a tuple of named headers.
    """

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    oauth2: OAuth2 | None = None
    tls_config: TlsConfig = TlsConfig()
    follow_redirects: bool = True
    enable_http2: bool = True
    http_headers: Annotated[tuple[HttpHeader, ...], BeforeValidator(_named_headers)] = ()

    @model_validator(mode="before")
    @classmethod
    def _without_bearer(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        rest = dict(data)
        token, file = rest.pop("bearer_token", None), rest.pop("bearer_token_file", None)
        if token in (None, "") and file in (None, ""):
            return rest
        for name in ("basic_auth", "authorization", "oauth2"):
            only_one(bearer_token=token, bearer_token_file=file, **{name: name in rest})
        credentials = {"credentials": token} if file in (None, "") else {"credentials_file": file}
        return {**rest, "authorization": credentials}

    @model_validator(mode="after")
    def _is_one_way(self) -> HttpConfig:
        at_most_one(
            "a request",
            basic_auth=self.basic_auth,
            authorization=self.authorization,
            oauth2=self.oauth2,
        )
        return self
