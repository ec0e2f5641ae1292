"""Target groups as text: what files and servers of service discovery hold."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import RootModel

from tocsin.config import Source, read_source, validate
from tocsin.config.scrape import TargetGroup
from tocsin.errors import ConfigError


class _Groups(RootModel[tuple[TargetGroup, ...]]):
    """The content of one file or answer."""


def read_groups(path: Path) -> tuple[TargetGroup, ...]:
    """The groups of a YAML file; raises ConfigError that names file and line, and OSError."""
    return _checked(read_source(path))


def parse_json_groups(content: bytes, name: str) -> tuple[TargetGroup, ...]:
    """The groups of a JSON text; raises ConfigError that begins with ``name``."""
    try:
        source = Source(name, json.loads(content), {})
        _check_text(source)
    except json.JSONDecodeError as error:
        raise ConfigError(f"not valid JSON: {error.msg}", file=name, line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        # Octets that are not UTF-8, and integers of thousands of digits, are plain ValueErrors.
        raise ConfigError(f"not valid JSON: {error}", file=name) from error
    return _checked(source)


def _checked(source: Source) -> tuple[TargetGroup, ...]:
    groups = validate(_Groups, source).root
    for index, group in enumerate(groups):
        if "" in group.labels:
            raise source.error(f"[{index}].labels: a label must have a name", (index, "labels"))
    return groups


def _check_text(source: Source) -> None:
    """Refuse half characters, which JSON can write and no store can hold."""
    try:
        json.dumps(source.data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise source.error(f"not Unicode text: {error.object[error.start]!a}") from error
