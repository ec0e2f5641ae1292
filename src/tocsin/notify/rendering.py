"""Expands the texts in nested values of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tocsin.notify.template import Expander


def rendered(key: str, value: Any, expander: Expander, *, is_inlined: bool = False) -> Any:
    """The value with every text expanded.

    With ``is_inlined`` a text that has become JSON other than a string stands there as what it is: ``5`` is
    a number, and what ``toJson`` writes is a list.
    """
    match value:
        case str():
            text = expander.text(key, value)
            return _inlined(text) if is_inlined else text
        case Mapping():
            return {
                expander.text(key, str(name)): rendered(
                    f"{key}.{name}", each, expander, is_inlined=is_inlined
                )
                for name, each in value.items()
            }
        case Sequence():
            return [
                rendered(f"{key}[{index}]", each, expander, is_inlined=is_inlined)
                for index, each in enumerate(value)
            ]
    return value


def _inlined(text: str) -> Any:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return text if isinstance(document, str) else document


def without_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    """What Go's ``omitempty`` leaves: all but empty texts, lists and mappings, false, zero and null."""
    return {name: value for name, value in document.items() if value}
