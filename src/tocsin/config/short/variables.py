"""Environment variables in configuration files: ``${NAME}``, ``${NAME:-default}``; ``$$`` is a dollar.

They are replaced where secrets and addresses stand, in the sections of :data:`SECTIONS`; elsewhere ``${1}``
and the like have a meaning of their own. A lone ``$``, as in ``{{ $value }}``, stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tocsin.config.source import Data, Place, Source, parse_source, read_source
from tocsin.errors import ConfigError

SECTIONS: Final[tuple[str, ...]] = ("monitoring", "alerts", "escalations", "on_call")
"""The keys of a configuration file in which variables are replaced."""

_USE: Final = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<inside>[^}]*)(?P<end>\}?))")
_INSIDE: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.ASCII | re.DOTALL)

# In a flow mapping YAML ends a plain text at a brace or comma. What stands in ``${…}`` is written with
# characters of a plane for private use while YAML reads it, and put back afterwards.
_PLANE: Final = 0x10F000
_WRITTEN: Final = re.compile(r"\$\{[^}\n]*\}")
_PRIVATE: Final = re.compile(f"[{chr(_PLANE)}-{chr(_PLANE + 0x7F)}]")
_INDICATORS: Final = {ord(character): _PLANE + ord(character) for character in "{}[],:#&*!|>'\"%@`? "}


@dataclass(frozen=True, slots=True)
class ExpandedSource(Source):
    """A source whose variables are replaced; its errors show a variable's name and not its value."""

    written: Mapping[Place, tuple[str, str]] = field(default_factory=dict)
    """By place: a text with its variables, and without."""

    def error(self, message: str, place: Sequence[str | int] = ()) -> ConfigError:
        """An error that names this file and the line of a place."""
        for where, (before, after) in self.written.items():
            if after and where[: len(place)] == tuple(place):
                message = message.replace(f'"{after[:80]}"', f'"{before}"')
        return ConfigError(message, file=self.file, line=self.line_of(place))


def read_expanded(path: Path, environment: Mapping[str, str] = os.environ) -> Source:
    """Read a YAML file and replace its variables.

    Raises ConfigError when it cannot be read, is not YAML, or names a variable that is not set.
    """
    return expanded(_read(path), environment)


def expanded(source: Source, environment: Mapping[str, str]) -> Source:
    """A source in which variables are replaced; raises ConfigError for one that is not set."""
    if not isinstance(source.data, dict):
        return source
    expansion = _Expansion(source, environment)
    sections = {key: expansion.of((key,), source.data[key]) for key in SECTIONS if key in source.data}
    return ExpandedSource(source.file, {**source.data, **sections}, source.lines, expansion.written)


@dataclass(frozen=True, slots=True)
class _Expansion:
    """Replaces the variables of one source, and notes what it has replaced."""

    source: Source
    environment: Mapping[str, str]
    written: dict[Place, tuple[str, str]] = field(default_factory=dict)

    def of(self, place: Place, data: Data) -> Data:
        """What stands at a place, with all variables replaced."""
        match data:
            case dict():
                return {key: self.of((*place, key), value) for key, value in data.items()}
            case list():
                return [self.of((*place, number), item) for number, item in enumerate(data)]
            case str():
                return self._text(place, data)
            case _:
                return data

    def _text(self, place: Place, before: str) -> str:
        try:
            after = expand_text(before, self.environment)
        except ValueError as error:
            raise self.source.error(f"{_shown(place)}: {error}", place) from None
        if after != before:
            self.written[place] = before, after
        return after


def expand_text(text: str, environment: Mapping[str, str]) -> str:
    """Replace the variables in a text; raises ValueError naming one that is not set.

    >>> expand_text("${HOST:-localhost}:$$1 $value", {})
    'localhost:$1 $value'
    """

    def replaced(use: re.Match[str]) -> str:
        if use["dollar"]:
            return "$"
        inside = _INSIDE.fullmatch(use["inside"])
        if inside is None or not use["end"]:
            raise ValueError(
                f'"{use[0]}" is no variable (allowed: ${{NAME}}, ${{NAME:-default}} and $$, a dollar)'
            )
        value = environment.get(inside["name"])
        if value or (value is not None and inside["default"] is None):
            return value
        if inside["default"] is None:
            raise ValueError(
                f"the environment variable {inside['name']} is not set"
                f" (a default is written ${{{inside['name']}:-default}})"
            )
        return inside["default"]

    return _USE.sub(replaced, text)


def _read(path: Path) -> Source:
    try:
        return read_source(path)
    except ConfigError:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            text = ""
        if not _WRITTEN.search(text):
            raise
    protected = _WRITTEN.sub(lambda use: "$" + use[0][1:].translate(_INDICATORS), text)
    source = parse_source(protected, str(path))
    return Source(
        source.file, _restored(source.data), {_place(place): n for place, n in source.lines.items()}
    )


def _restored(data: Data) -> Data:
    match data:
        case dict():
            return {_text(key): _restored(value) for key, value in data.items()}
        case list():
            return [_restored(item) for item in data]
        case str():
            return _text(data)
        case _:
            return data


def _place(place: Place) -> Place:
    return tuple(_text(part) if isinstance(part, str) else part for part in place)


def _text(text: str) -> str:
    return _PRIVATE.sub(lambda found: chr(ord(found[0]) - _PLANE), text)


def _shown(place: Place) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")
