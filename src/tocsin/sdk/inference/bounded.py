"""Values of labels, of which only so many are told apart."""

from __future__ import annotations

from typing import Final

from tocsin.sdk.guard import Guard

OTHER: Final = "other"
_MOST_CHARACTERS: Final = 120


class Bounded:
    """The first ``limit`` different values stay as they are; later ones are ``other``, which is told once.

    >>> errors = Bounded(2, Guard("InferenceMonitor"), "kinds of errors")
    >>> [errors[text] for text in ("timeout", "oom", "timeout", "full")]
    ['timeout', 'oom', 'timeout', 'other']
    """

    def __init__(self, limit: int, guard: Guard, what: str) -> None:
        self._limit = limit
        self._guard = guard
        self._what = what
        self._known: dict[str, str] = {}

    def __getitem__(self, text: str) -> str:
        """The value that stands for a text."""
        known = self._known.get(text)
        if known is not None:
            return known
        if len(self._known) >= self._limit:
            self._guard.tell_once(
                f"bound {self._what}",
                f"more than {self._limit} {self._what}, {text[:_MOST_CHARACTERS]!r} and later are {OTHER!r}",
            )
            return OTHER
        self._known[text] = text[:_MOST_CHARACTERS]
        return self._known[text]
