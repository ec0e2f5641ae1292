"""Switches in the environment that are on or off."""

from __future__ import annotations

from typing import Final

_ON: Final = frozenset({"1", "true", "yes", "on"})
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


def is_on(text: str) -> bool:
    """Whether a value switches on.

    >>> is_on("1"), is_on("Yes"), is_on("a/folder")
    (True, True, False)
    """
    return text.strip().lower() in _ON


def is_off(text: str) -> bool:
    """Whether a value, or none, switches off."""
    return text.strip().lower() in _OFF
