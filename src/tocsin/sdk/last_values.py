"""The last values of a ``/metrics`` that is about to close, sent to servers that scrape it."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry

from tocsin.sdk.lines import state_lines
from tocsin.sdk.readings import Reading
from tocsin.sdk.transport import Transport

TIMEOUT_S: Final = 1.0
"""How long each server may take."""


def send_last_values(servers: Iterable[str], registry: CollectorRegistry, labels: Mapping[str, str]) -> bool:
    """Send what the registry holds, under the labels that its scrapes have; says whether all took it."""
    lines = state_lines(_readings(registry), labels, time.time_ns() // 1_000_000)
    body = "".join(lines).encode("utf-8", "replace")
    taken = [_is_taken(server, body) for server in servers]
    return all(taken)


def _readings(registry: CollectorRegistry) -> Iterable[Reading]:
    for family in registry.collect():
        for sample in family.samples:
            yield Reading(sample.name, sample.value, tuple(sample.labels.items()))


def _is_taken(server: str, body: bytes) -> bool:
    transport = Transport()
    try:
        answer = transport.post(server, body, TIMEOUT_S)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        transport.close()
    return 200 <= answer.status < 300
