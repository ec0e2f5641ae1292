"""The one place where faults inside the SDK end, so that none reaches the code that is watched."""

from __future__ import annotations

import contextlib
import logging
from types import TracebackType
from typing import Final

logger = logging.getLogger("tocsin")

_MOST_LINES: Final = 100
"""Log lines one guard writes at the most, whatever goes wrong."""


class Guard:
    """Lets no Exception out of its ``with`` block and tells each kind of trouble once.

    KeyboardInterrupt, SystemExit and the like pass: they are the user's.

    >>> guard = Guard("TrainingMonitor")
    >>> with guard:
    ...     raise ValueError("inside")
    """

    __slots__ = ("_told", "who")

    def __init__(self, who: str) -> None:
        self.who = who
        self._told: set[str] = set()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if fault is None:
            return False
        return self.swallow(fault, "fault", "an internal fault was ignored")

    def around(self, key: str, sentence: str, *, is_private: bool = False) -> Around:
        """A block in which an exception means the trouble that the sentence describes.

        Of one that is private only the class is told, because its text may hold what nobody should read.
        """
        return Around(self, key, sentence, is_private=is_private)

    def swallow(self, fault: BaseException, key: str, sentence: str, *, is_private: bool = False) -> bool:
        """Tell about an exception and say whether it ends here."""
        if not isinstance(fault, Exception):
            return False
        # Writing the exception out runs code of whoever raised it, which may fail as well.
        with contextlib.suppress(Exception):
            kind = type(fault).__name__
            self.tell_once(key, f"{sentence} ({kind if is_private else f'{kind}: {fault}'})")
        return True

    def tell_once(self, key: str, sentence: str) -> None:
        """Log one line about this kind of trouble, the first time."""
        if key in self._told or len(self._told) >= _MOST_LINES:
            return
        self._told.add(key)
        with contextlib.suppress(Exception):
            logger.warning("%s: %s; the program itself goes on undisturbed", self.who, sentence)


class Around:
    """A ``with`` block of a guard for one kind of trouble."""

    __slots__ = ("_guard", "_is_private", "_key", "_sentence")

    def __init__(self, guard: Guard, key: str, sentence: str, *, is_private: bool = False) -> None:
        self._guard = guard
        self._key = key
        self._sentence = sentence
        self._is_private = is_private

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return fault is not None and self._guard.swallow(
            fault, self._key, self._sentence, is_private=self._is_private
        )
