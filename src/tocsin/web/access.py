"""Who may ask for what: the one place that decides."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_ALWAYS_OPEN: Final = frozenset({"/-/healthy", "/-/ready"})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def denial(
    method: str,
    path: str,
    headers: Mapping[str, str],
    *,
    listens_on_loopback: bool,
    external_name: str = "",
) -> str | None:
    """Say why a request is refused, or None when it is allowed. Header names are in lower case.

    ``external_name`` is the host name by which people reach this server through a proxy, if there is one.

    Two attacks by way of somebody's browser are stopped: a foreign name that resolves to this
    machine (DNS rebinding: on the loopback interface only loopback names are answered), and a
    foreign page that sends something here (its ``Origin`` is not this server).
    """
    if path in _ALWAYS_OPEN:
        return None
    host = headers.get("host", "")
    name = _hostname(host)
    is_external = bool(external_name) and name == external_name
    if listens_on_loopback and not is_external and not _is_loopback(name):
        return f'the Host header "{host[:80]}" is not a name of the loopback interface'
    origin = headers.get("origin")
    if origin is not None and method not in _READING and origin.partition("://")[2] != host:
        return f'the page at "{origin[:80]}" may not write to this server'
    return None


def _hostname(host: str) -> str:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower()


@lru_cache(maxsize=64)
def _is_loopback(hostname: str) -> bool:
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False
