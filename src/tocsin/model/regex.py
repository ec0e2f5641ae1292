"""Regular expressions of RE2, as Prometheus has them, rewritten so that Python reads them alike."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}

_TOKEN: Final = re.compile(
    r"(?P<quote>\\Q.*?(?:\\E|$))"
    r"|(?P<end>\\z)"
    r"|(?P<backreference>\\[1-9])"
    r"|(?P<escape>\\.)"
    r"|(?P<set>\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\])"
    r"|(?P<flags>\(\?(?P<flag_names>[imsU]+)\))"
    r"|(?P<named>\(\?P?<(?P<name>\w+)>)"
    r"|(?P<lookaround>\(\?(?![imsU-]*:))"
    r"|(?P<open>\()"
    r"|(?P<close>\))"
    r"|(?P<other>.)",
    re.DOTALL,
)
_SET_PART: Final = re.compile(r"\[:(?P<posix>\^?[a-z]+):\]|(?P<escape>\\.)|--|[\[&~|]", re.DOTALL)


def portable(pattern: str) -> str:
    r"""Rewrite what RE2 has and Python writes otherwise; the result means the same in both.

    That is flags in the middle (``a(?i)b``), POSIX classes and ``\Q…\E``. Raises ValueError for a
    pattern that is none or uses what Python lacks.

    >>> portable("((?i)PRO).*")
    '((?i:PRO)).*'
    """
    rewritten = _rewrite(pattern)
    compile_anchored(rewritten)
    return rewritten


@lru_cache(maxsize=1024)
def compile_anchored(pattern: str) -> re.Pattern[str]:
    """Compile a portable pattern as Prometheus does: the dot takes newlines; the caller anchors it."""
    try:
        return re.compile(pattern, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"invalid regular expression {pattern!r}: {error}") from None


def _rewrite(pattern: str) -> str:
    out: list[str] = []
    scopes = [0]
    for token in _TOKEN.finditer(pattern):
        text = token.group()
        match token.lastgroup:
            case "quote":
                text = re.escape(text[2:].removesuffix(r"\E"))
            case "end":
                text = "$"
            case "set":
                text = f"[{_SET_PART.sub(_set_part, text[1:-1])}]"
            case "flags":
                scopes[-1] += 1
                text = f"(?{token.group('flag_names').replace('U', '')}:"
            case "named":
                scopes.append(0)
                text = f"(?P<{token.group('name')}>"
            case "open":
                scopes.append(0)
            case "close":
                text += ")" * (scopes.pop() if len(scopes) > 1 else 0)
            case "lookaround" | "backreference":
                raise ValueError(f'invalid regular expression {pattern!r}: "{text}" is not supported')
        out.append(text)
    return "".join(out) + ")" * scopes[0]


def _set_part(part: re.Match[str]) -> str:
    if name := part.group("posix"):
        if name not in _POSIX:
            raise ValueError(f'invalid regular expression: unknown character class "[:{name}:]"')
        return _POSIX[name]
    if part.group("escape"):
        return part.group()
    return "-\\-" if part.group() == "--" else "\\" + part.group()


_REFERENCE: Final = re.compile(r"\$(?:\$|(?P<name>\w+)|\{(?P<braced>\w+)\})", re.ASCII)


def expand(template: str, match: re.Match[str]) -> str:
    """Fill ``$1``, ``$name``, ``${name}`` and ``$$`` as Go's regexp does; an unknown group is empty."""

    def value(reference: re.Match[str]) -> str:
        name = reference.group("name") or reference.group("braced")
        if name is None:
            return "$"
        try:
            return match.group(int(name) if name.isdigit() else name) or ""
        except (IndexError, OverflowError):
            return ""

    return _REFERENCE.sub(value, template)
