"""Where metrics go by OTLP, and what stands with them, as the environment says.

Source: opentelemetry.io/docs/specs/otel/protocol/exporter and …/configuration/sdk-environment-variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import unquote

from tocsin.errors import ConfigError
from tocsin.sdk.discovery import checked_url
from tocsin.sdk.outlets.flags import is_off, is_on

PATH: Final = "/v1/metrics"
_DEFAULT_ENDPOINT: Final = "http://localhost:4318"
_JSON_PROTOCOLS: Final = frozenset({"", "http/json", "http/protobuf"})
"""A collector that takes protobuf over HTTP takes JSON at the same address."""


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """The whole URL, the headers that it needs, and attributes of the resource."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Self | None:
        """What the environment says; None when nobody asked for OTLP.

        ``TOCSIN_OTLP_URL`` asks for it and says where. ``TOCSIN_OTLP=1`` asks for it where OpenTelemetry's
        own variables say: they alone ask for nothing, because they are often set for all programs of a
        machine. Raises ConfigError when a value is not allowed.

        >>> OtlpSettings.read({"TOCSIN_OTLP_URL": "http://127.0.0.1:4318"}).url
        'http://127.0.0.1:4318/v1/metrics'
        """
        if own := environ.get("TOCSIN_OTLP_URL", "").strip():
            return cls(_with_path(own), _pairs("TOCSIN_OTLP_HEADERS", environ), _attributes(environ))
        flag = environ.get("TOCSIN_OTLP", "")
        if is_off(flag):
            return None
        if not is_on(flag):
            raise ConfigError(f'TOCSIN_OTLP is "{flag[:40]}" (allowed: 1, 0)')
        _check_protocol(environ)
        headers = {
            **_pairs("OTEL_EXPORTER_OTLP_HEADERS", environ),
            **_pairs("OTEL_EXPORTER_OTLP_METRICS_HEADERS", environ),
        }
        return cls(_endpoint(environ), headers, _attributes(environ))


def _endpoint(environ: Mapping[str, str]) -> str:
    if exact := environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "").strip():
        return checked_url(exact)
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or _DEFAULT_ENDPOINT
    return checked_url(base) + PATH


def _with_path(url: str) -> str:
    url = checked_url(url)
    return url if url.endswith(PATH) else url + PATH


def _check_protocol(environ: Mapping[str, str]) -> None:
    for name in ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environ.get(name, "").strip()
        if protocol not in _JSON_PROTOCOLS:
            raise ConfigError(
                f'{name} is "{protocol[:40]}", which tocsin does not speak; say by TOCSIN_OTLP_URL where '
                "OTLP over HTTP is taken"
            )
        if protocol:
            return


def _attributes(environ: Mapping[str, str]) -> dict[str, str]:
    attributes = _pairs("OTEL_RESOURCE_ATTRIBUTES", environ)
    if name := environ.get("OTEL_SERVICE_NAME", "").strip():
        attributes["service.name"] = name
    return attributes


def _pairs(variable: str, environ: Mapping[str, str]) -> dict[str, str]:
    """``key=value,…``, percent-encoded as in W3C's baggage."""
    pairs = {}
    for part in filter(None, (each.strip() for each in environ.get(variable, "").split(","))):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not key:
            # The part may hold a secret and is not shown.
            raise ConfigError(f"{variable} has a part without a name and a value (allowed: key=value,…)")
        pairs[unquote(key)] = unquote(value)
    return pairs
