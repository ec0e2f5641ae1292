"""Regular expressions as Prometheus has them: RE2's, which take linear time whatever the pattern."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol

import re2


class Match(Protocol):
    """Where a pattern was found."""

    def group(self, group: int | str = 0, /) -> str | None:
        """The text of a group; raises IndexError when there is no such group."""
        ...


class Pattern(Protocol):
    """A compiled expression, in which a dot takes newlines too."""

    def fullmatch(self, text: str, /) -> Match | None:
        """Match a whole text."""
        ...

    def search(self, text: str, /) -> Match | None:
        """Find the first match in a text."""
        ...

    def sub(self, replacement: Callable[[Match], str], text: str, /) -> str:
        """Replace every match."""
        ...


_REFERENCE: Final = re.compile(r"\$(?:\$|(?P<name>\w+)|\{(?P<braced>\w+)\})", re.ASCII)


@lru_cache(maxsize=1024)
def compile_regex(pattern: str, *, dot_takes_newlines: bool = True) -> Pattern:
    """Compile an expression; raises ValueError with one sentence when it is none.

    >>> compile_regex("((?i)PRO).*").fullmatch("prod") is not None
    True
    """
    options = re2.Options()
    options.dot_nl = dot_takes_newlines
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(f"invalid regular expression {pattern!r}: {_reason(error)}") from None
    return compiled


def checked_regex(pattern: str) -> str:
    """Give an expression back as it is; raises ValueError with one sentence when it is none."""
    compile_regex(pattern)
    return pattern


def expand(template: str, match: Match) -> str:
    """Fill ``$1``, ``$name``, ``${name}`` and ``$$`` as Go's regexp does; an unknown group is empty."""

    def value(reference: re.Match[str]) -> str:
        name = reference.group("name") or reference.group("braced")
        if name is None:
            return "$"
        try:
            return match.group(int(name) if name.isdigit() else name) or ""
        # Python reads no number of thousands of digits, and there is no such group.
        except (IndexError, ValueError, OverflowError):
            return ""

    return _REFERENCE.sub(value, template)


def _reason(error: Exception) -> str:
    """What RE2 says, which arrives as bytes."""
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(error)
