"""OTLP over HTTP in JSON, to an OpenTelemetry collector or whatever else takes it.

Source: opentelemetry.io/docs/specs/otlp, "OTLP/HTTP Response".
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names
from tocsin.sdk.outlets.otlp_message import JSON, OtlpMessage
from tocsin.sdk.outlets.otlp_settings import OtlpSettings
from tocsin.sdk.outlets.outlet import TAKEN, Fate, News, Outcome, refused, unreachable
from tocsin.sdk.transport import Answer, Transport

_WORTH_RETRYING: Final = frozenset({429, 502, 503, 504})
"""The only ones that may be tried again."""

_LONGEST_PAUSE_S: Final = 300.0
"""A server that wants to be left alone for longer is asked again after this."""


class Otlp:
    """Posts metrics to one URL, and does with each answer what the specification says."""

    later = None
    is_named = True

    def __init__(self, settings: OtlpSettings, names: Names, labels: Mapping[str, str], guard: Guard) -> None:
        self._url = settings.url
        self._names = names
        self._guard = guard
        self._message = OtlpMessage(labels, settings.attributes, time.time_ns() // 1_000_000)
        self._transport = Transport("", {**settings.headers, "Content-Type": JSON})

    def is_there(self) -> bool:
        """Always: the URL was named."""
        return True

    def deliver(self, news: News, timeout_s: float) -> Outcome:
        """Post one request."""
        body = self._message.encode(news, self._names, self._guard)
        try:
            answer = self._transport.post(self._url, body, timeout_s)
        except (OSError, http.client.HTTPException) as fault:
            return unreachable(self._url, fault)
        if 200 <= answer.status < 300:
            return _partial(self._url, answer)
        if answer.status in _WORTH_RETRYING:
            reason = f"{self._url} answers {answer.status}"
            return Outcome(Fate.LATER, reason, pause_s(answer.retry_after, time.time()))
        return refused(self._url, answer.status, _message(answer))

    def failed(self) -> None:
        """There is no other place."""

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


def pause_s(retry_after: str, now_s: float) -> float:
    """How long a header ``Retry-After`` asks to wait; 0 where it says nothing that can be understood.

    >>> pause_s("7", 0.0), pause_s("Thu, 01 Jan 1970 00:00:30 GMT", 10.0), pause_s("soon", 0.0)
    (7.0, 20.0, 0.0)
    """
    try:
        wait_s = float(retry_after) if retry_after.isdecimal() else _until(retry_after) - now_s
    except ValueError:
        return 0.0
    return min(max(0.0, wait_s), _LONGEST_PAUSE_S)


def _until(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


def _partial(url: str, answer: Answer) -> Outcome:
    """What was taken, if in part: the rest must not be sent again."""
    partial = _json(answer).get("partialSuccess")
    if not isinstance(partial, dict):
        return TAKEN
    count, words = str(partial.get("rejectedDataPoints", 0)), str(partial.get("errorMessage", ""))[:200]
    if count.isdecimal() and int(count):
        return Outcome(Fate.TAKEN, f"{url} dropped {count} data points: {words}")
    return Outcome(Fate.TAKEN, f"{url} says: {words}") if words else TAKEN


def _message(answer: Answer) -> str:
    """What is wrong, from a ``google.rpc.Status`` in JSON or whatever else came."""
    message = _json(answer).get("message")
    return message[:200] if isinstance(message, str) else answer.words


def _json(answer: Answer) -> dict[str, Any]:
    try:
        content = json.loads(answer.body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
