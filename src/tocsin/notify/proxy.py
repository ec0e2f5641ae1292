"""Chooses for each request whether it goes through a proxy, by the rules that Go's programs share.

Source: pkg.go.dev/golang.org/x/net/http/httpproxy.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from multidict import CIMultiDict
from yarl import URL

from tocsin.config.alertmanager import ProxyConfig


@dataclass(frozen=True, slots=True)
class Proxies:
    """The addresses of proxies by the scheme of a request, and the hosts that are reached without."""

    urls: Mapping[str, str]
    no_proxy: str = ""
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict, repr=False)

    @classmethod
    def of(cls, config: ProxyConfig) -> Self:
        """What a configuration says."""
        if config.proxy_from_environment:
            schemes = ("http", "https")
            urls = {scheme: url for scheme in schemes if (url := _environment(f"{scheme}_proxy"))}
            return cls(urls, _environment("no_proxy"))
        if not config.proxy_url:
            return cls({})
        pairs = config.proxy_connect_header.items()
        headers = CIMultiDict([(name, each.get_secret_value()) for name, values in pairs for each in values])
        return cls(dict.fromkeys(("http", "https"), config.proxy_url), config.no_proxy, headers)

    def of_url(self, url: URL) -> str | None:
        """The proxy for a request, if it does not go directly."""
        proxy = self.urls.get(url.scheme)
        if proxy is None or is_direct(url.host or "", url.port or 0, self.no_proxy):
            return None
        return proxy


def _environment(name: str) -> str:
    return os.environ.get(name.upper(), "") or os.environ.get(name, "")


def is_direct(host: str, port: int, no_proxy: str) -> bool:
    """Whether a host is reached without the proxy: this machine, and what ``no_proxy`` names.

    >>> is_direct("a.example.com", 443, "example.com,10.0.0.0/8"), is_direct("10.1.2.3", 80, "10.0.0.0/8")
    (True, True)
    >>> is_direct("example.org", 443, "example.com")
    False
    """
    host = host.lower().strip("[]").rstrip(".")
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return any(_matches(entry, host, port, address) for entry in entries if entry)


def _matches(
    entry: str, host: str, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    if entry.count(":") == 1 or entry.startswith("["):
        entry, _, wanted = entry.rpartition(":")
        if wanted != str(port):
            return False
    entry = entry.strip("[]")
    if entry.startswith(("*.", ".")):
        return host.endswith(entry.removeprefix("*"))
    return host == entry or (address is None and host.endswith(f".{entry}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
