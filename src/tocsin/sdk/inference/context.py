"""Which requests are under way here: in this task, or in this thread."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tocsin.sdk.inference.request import Register, Request

_here: Final[ContextVar[tuple[Request, ...]]] = ContextVar("tocsin_requests", default=())


def entered(request: Request) -> None:
    """A request is under way here, the innermost one from now on."""
    _here.set((*_here.get(), request))


def left(request: Request) -> None:
    """It is over, wherever it was entered: a generator is entered and left by whoever runs it."""
    _here.set(tuple(each for each in _here.get() if each is not request))


def innermost(register: Register) -> Request | None:
    """The innermost request of a monitor here."""
    for request in reversed(_here.get()):
        if request.belongs_to(register):
            return request
    return None
