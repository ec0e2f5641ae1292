"""Cuts texts to what a service takes, as Alertmanager does."""

from __future__ import annotations

from typing import Final

_ELLIPSIS: Final = "…"
_MIN_LENGTH: Final = 3
"""Up to this length there is no room for an ellipsis."""


def truncate(text: str, length: int) -> str:
    """No more than some characters, the last of which is an ellipsis when something is missing.

    >>> truncate("abcdef", 4), truncate("abcdef", 6)
    ('abc…', 'abcdef')
    """
    if len(text) <= length:
        return text
    return text[:length] if length <= _MIN_LENGTH else text[: length - 1] + _ELLIPSIS


def truncate_bytes(text: str, size_bytes: int) -> str:
    """The same, counted in bytes of UTF-8, and never in the middle of a character.

    >>> truncate_bytes("äöü", 5)
    'ä…'
    """
    encoded = text.encode()
    if len(encoded) <= size_bytes:
        return text
    ellipsis = _ELLIPSIS if size_bytes > _MIN_LENGTH else ""
    return encoded[: size_bytes - len(ellipsis.encode())].decode(errors="ignore") + ellipsis
