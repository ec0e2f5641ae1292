"""YAML text as plain data that remembers the line of every key and item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from tocsin.errors import ConfigError

Data: TypeAlias = "str | list[Data] | dict[str, Data] | None"
Place: TypeAlias = tuple[str | int, ...]

_NULL_TAG: Final = "tag:yaml.org,2002:null"

# Aliases within aliases can make a small file enormous.
_MAX_PLACES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """The content of one YAML file.

    Every scalar is text, exactly as written, so that ``severity: 1`` may be read as a number or
    as text by whoever knows which is meant; a key with an empty value counts as absent.
    """

    file: str
    data: Data
    lines: Mapping[Place, int]

    def line_of(self, place: Sequence[str | int]) -> int | None:
        """The line (1-based) of the deepest known part of a place such as ``("groups", 0, "name")``."""
        for depth in range(len(place), -1, -1):
            if (line := self.lines.get(tuple(place[:depth]))) is not None:
                return line
        return None

    def error(self, message: str, place: Sequence[str | int] = ()) -> ConfigError:
        """An error that names this file and the line of a place."""
        return ConfigError(message, file=self.file, line=self.line_of(place))


def read_source(path: Path) -> Source:
    """Read a YAML file; raises ConfigError when it cannot be read or is not YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the file: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 text (byte {error.start})", file=str(path)) from error
    return parse_source(text, str(path))


def parse_source(text: str, file: str) -> Source:
    """Read YAML text; ``file`` is its name in error messages."""
    node = _compose(text, file)
    lines: dict[Place, int] = {}
    data = _Builder(file, lines).build(node, ()) if node is not None else None
    return Source(file, data, lines)


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context
        raise ConfigError(
            f"not valid YAML: {problem}", file=file, line=mark.line + 1 if mark else None
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {' '.join(str(error).split())}", file=file) from error
    except RecursionError:
        raise ConfigError("not valid YAML: nested too deeply", file=file) from None
    return node


class _Builder:
    """Turns YAML nodes into data and notes the line of each place on the way."""

    def __init__(self, file: str, lines: dict[Place, int]) -> None:
        self._file = file
        self._lines = lines
        self._open: set[int] = set()

    def build(self, node: yaml.Node, place: Place) -> Data:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if len(self._lines) > _MAX_PLACES:
            raise ConfigError(f"more than {_MAX_PLACES} keys and items, aliases expanded", file=self._file)
        if isinstance(node, yaml.ScalarNode):
            return None if node.tag == _NULL_TAG else self._text(node)
        if id(node) in self._open:
            raise ConfigError("an alias contains itself", file=self._file, line=node.start_mark.line + 1)
        self._open.add(id(node))
        data: Data
        if isinstance(node, yaml.SequenceNode):
            data = [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        else:
            data = self._mapping(node, place)
        self._open.discard(id(node))
        return data

    def _text(self, node: yaml.ScalarNode) -> str:
        text = str(node.value)
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            line = node.start_mark.line + 1
            raise ConfigError("half of a surrogate pair is not text", file=self._file, line=line)
        return text

    def _mapping(self, node: yaml.Node, place: Place) -> Data:
        mapping: dict[str, Data] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError("a key must be text", file=self._file, line=line)
            key = self._text(key_node)
            if key in mapping:
                raise ConfigError(f'the key "{key}" stands twice', file=self._file, line=line)
            self._lines[(*place, key)] = line
            value = self.build(value_node, (*place, key))
            if value is not None:
                mapping[key] = value
        return mapping
