"""Reading Flower's messages: errors, numbers and sizes, and what the client's mod tells in them."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

CLIENT_RECORD: Final = "tocsin"
"""The ConfigRecord in which the client's mod tells about itself; strategies leave those alone."""

ERRORS: Final = {
    1: "LOAD_CLIENT_APP_EXCEPTION",
    2: "CLIENT_APP_RAISED_EXCEPTION",
    3: "MESSAGE_UNAVAILABLE",
    4: "REPLY_MESSAGE_UNAVAILABLE",
    5: "NODE_UNAVAILABLE",
    6: "MOD_FAILED_PRECONDITION",
    7: "INVALID_FAB",
    8: "CLIENT_APP_CRASHED",
}
"""Flower's ErrorCode, of which 0 and all others are unknown."""

_RAISED: Final = re.compile(r"<class '(?:[\w.]*\.)?(\w+)'>")


class ClientTold(NamedTuple):
    """What the client's mod tells: a name that outlives the node id, and how long the client worked."""

    name: str | None = None
    seconds: float | None = None


def error_type(error: Any) -> str:
    """What went wrong: the exception's class where the reason has one, else the name of the code.

    >>> from types import SimpleNamespace
    >>> error_type(SimpleNamespace(code=2, reason="<class 'RuntimeError'>:<'planned'>"))
    'RuntimeError'
    """
    raised = _RAISED.search(str(error.reason or ""))
    return raised[1] if raised else ERRORS.get(int(error.code), "UNKNOWN")


def metrics_of(content: Any) -> list[Any]:
    """The MetricRecords of a message's content."""
    return list(content.metric_records.values())


def size_bytes(content: Any) -> int:
    """The size of all records of a message's content, without what the transport adds."""
    return sum(int(record.count_bytes()) for record in content.values())


def tell(reply: Any, context: Any, seconds: float) -> None:
    """Add what the client knows about itself to its answer, unless that is an error."""
    if reply.has_error():
        return
    from flwr.app import ConfigRecord  # noqa: PLC0415

    record = ConfigRecord({"seconds": float(seconds)})
    name = context.node_config.get("client-name", context.node_config.get("partition-id"))
    if name is not None:
        record["client"] = str(name)
    reply.content[CLIENT_RECORD] = record


def told(content: Any) -> ClientTold:
    """What the client's mod has added, where there is one."""
    record = content.config_records.get(CLIENT_RECORD)
    if record is None:
        return ClientTold()
    name = record.get("client")
    return ClientTold(None if name is None else str(name), record.get("seconds"))
