"""What every outlet is: a place for news of a monitor, and what it says about each delivery."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol

from tocsin.sdk.readings import Reading
from tocsin.sdk.thinning import Row


class News(NamedTuple):
    """What one delivery brings: rows, each with its own time, and the state at ``time_ms``."""

    rows: Sequence[Row]
    state: Sequence[Reading]
    time_ms: int


class Fate(Enum):
    """What becomes of a delivery."""

    TAKEN = "taken"
    LATER = "later"
    """It should be tried again; nothing of it, or not all, was taken."""
    REFUSED = "refused"
    """It will never be taken."""


class Outcome(NamedTuple):
    """The fate of a delivery, the reason where there is one to tell, and how long to wait at the least.

    >>> Outcome(Fate.LATER, "the disk is full").pause_s
    0.0
    """

    fate: Fate
    reason: str = ""
    pause_s: float = 0.0


TAKEN: Final = Outcome(Fate.TAKEN)


def unreachable(url: str, fault: Exception) -> Outcome:
    """No answer came from a server."""
    return Outcome(Fate.LATER, f"cannot reach {url} ({fault or type(fault).__name__})")


def refused(url: str, status: int, words: str) -> Outcome:
    """A server will never take this."""
    return Outcome(Fate.REFUSED, f"{url} refuses what is sent and it is dropped: {status} {words}")


class Outlet(Protocol):
    """A place for news. One thread at a time uses it."""

    @property
    def is_named(self) -> bool:
        """Whether somebody asked for this place, so that a failure is worth a sentence."""

    @property
    def later(self) -> str | None:
        """The command by which a server gets what was delivered; None where a server has it at once."""

    def is_there(self) -> bool:
        """Whether there is somewhere to deliver to now."""

    def deliver(self, news: News, timeout_s: float) -> Outcome:
        """Bring news; never waits much longer than ``timeout_s``, and reports trouble instead of raising."""

    def failed(self) -> None:
        """A delivery has to be tried again: the next one may look for another place."""

    def close(self) -> None:
        """Let go of connections and files."""
