"""Logs as JSON, one line each, for whatever logger a framework uses."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_EVENT_FIELDS: Final = ("event", "data")


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON.

    The keys are ``timestamp`` (UTC, milliseconds), ``level``, ``logger``, ``role``, ``message`` and
    ``source`` (file and line), for events ``event`` and ``data``, with an exception ``exception``, and
    ``trace_id`` while a span of OpenTelemetry is active. ``role`` says what the process is.

    >>> record = logging.LogRecord("flwr", logging.INFO, "app.py", 7, "round %d", (1,), None)
    >>> json.loads(JsonFormatter("server").format(record))["message"]
    'round 1'
    """

    def __init__(self, role: str = "") -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; whatever it holds, this does not fail."""
        line: dict[str, Any] = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "role": self._role,
            "message": _message(record),
            "source": f"{record.filename}:{record.lineno}",
        }
        for field in _EVENT_FIELDS:
            if hasattr(record, field):
                line[field] = getattr(record, field)
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        if (trace_id := _trace_id()) is not None:
            line["trace_id"] = trace_id
        return json.dumps(_finite(line), ensure_ascii=False, default=str, separators=(",", ":"))


def use_json(logger: logging.Logger, role: str = "") -> None:
    """Give every handler of a logger the JSON formatter, in the place of the one it had.

    A logger without handlers gets one that writes to stderr, and passes nothing on to those above it.

    >>> use_json(logging.getLogger("flwr"), "server")
    """
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler(sys.stderr))
        logger.propagate = False
    formatter = JsonFormatter(role)
    for handler in logger.handlers:
        handler.setFormatter(formatter)
        # Some handlers, Flower's among them, write records out by themselves and ask no formatter.
        if type(handler).format is not logging.Handler.format:
            handler.format = formatter.format  # type: ignore[method-assign]


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    """The text of a record; arguments that do not fit stand beside it."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args!r}"


def _finite(value: Any) -> Any:
    """Numbers that JSON lacks, as text."""
    if isinstance(value, float) and value not in {float("inf"), float("-inf")} and value == value:
        return value
    if isinstance(value, float):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def _trace_id() -> str | None:
    """The trace that is active, where OpenTelemetry is in use; it is not imported for that."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
