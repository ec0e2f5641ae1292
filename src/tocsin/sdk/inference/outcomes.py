"""How requests end: their status, the kind of their error, and which of them count as failed."""

from __future__ import annotations

from typing import Final

SUCCESS: Final = "success"
ERROR: Final = "error"
ABORT: Final = "abort"
"""Whoever asked does not want the answer any more; neither a success nor a failure."""

TIMEOUT: Final = "timeout"
UNKNOWN: Final = "unknown"

_FAILURES: Final = frozenset({ERROR, "failed", "failure"})


def is_failure(status: str) -> bool:
    """Say whether the shipped rules count a status as failed: ``error``, ``failed``, ``failure``, ``5xx``."""
    return status in _FAILURES or (len(status) == 3 and status[0] == "5")


def status_of(fault: BaseException) -> str:
    """The status of a request that an exception ended."""
    return ABORT if _is_abort(fault) else ERROR


def error_of(fault: object) -> str:
    """The kind of an error: ``timeout``, else the name of an exception's class, else the text itself.

    >>> error_of(TimeoutError()), error_of(ValueError("what happened")), error_of("bad_prompt")
    ('timeout', 'ValueError', 'bad_prompt')
    """
    kind = fault if isinstance(fault, type) else type(fault)
    if not issubclass(kind, BaseException):
        return str(fault)
    # Clients of HTTP have exceptions of their own for it: ReadTimeout, APITimeoutError, Timeout.
    is_timeout = issubclass(kind, TimeoutError) or "Timeout" in kind.__name__
    return TIMEOUT if is_timeout else kind.__name__


def _is_abort(fault: BaseException) -> bool:
    if isinstance(fault, GeneratorExit | KeyboardInterrupt | SystemExit):
        return True
    # By name, because Trio has a class of its own, and asyncio need not be loaded for this.
    return not isinstance(fault, Exception) and type(fault).__name__ in {"Cancelled", "CancelledError"}
