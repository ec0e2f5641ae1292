"""A file that says which labels go with the value of one label, read again when it changes."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from tocsin.errors import ConfigError

Entries: TypeAlias = Mapping[str, Mapping[str, str]]
_Version: TypeAlias = tuple[int, int, int]

MAX_CHARACTERS: Final = 32 * 1024 * 1024

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)

_logger = logging.getLogger(__name__)


class Lookup:
    """The entries of a file by the value of the label ``key``.

    ``labels`` are the labels that are taken from it; none stands for all that it holds. Reading happens in
    :meth:`load` and :meth:`refresh`, which wait for the disk; entries are exchanged as a whole, so any
    thread may look them up meanwhile.
    """

    def __init__(self, file: Path, key: str, labels: Sequence[str] = ()) -> None:
        self.file = file
        self.key = key
        self.entries: Entries = {}
        self.failure_count = 0
        self._labels = tuple(labels)
        self._version: _Version | None = None
        self._said = ""

    def find(self, value: str) -> Mapping[str, str]:
        """The labels that go with a value of the key; none when the file does not have it."""
        return self.entries.get(value, {})

    def load(self) -> None:
        """Read the file; raises ConfigError naming file and, where it is known, line of a fault."""
        try:
            self._version = _version(self.file)
            text = self.file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ConfigError(f"cannot read the file: {error.strerror}", file=str(self.file)) from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"not UTF-8 text (byte {error.start})", file=str(self.file)) from error
        self.entries = read_entries(text, self.file, self.key, self._labels)

    def refresh(self) -> bool:
        """Read the file if it has changed, and say whether its entries have.

        One that is missing or wrong is logged and counted, and what was read before stays in force.
        """
        before = self.entries
        try:
            if _version(self.file) == self._version:
                return False
            self.load()
        except (ConfigError, OSError) as error:
            self._fail(str(error))
            return False
        self._said = ""
        return self.entries != before

    def _fail(self, reason: str) -> None:
        self.failure_count += 1
        # A missing file is missed again at each look.
        if self._said != reason:
            _logger.warning("the lookup file is not read again, what it held stays in force: %s", reason)
        self._said = reason


def read_entries(text: str, file: Path, key: str, labels: Sequence[str] = ()) -> Entries:
    """The labels by key that a CSV, JSON or YAML text holds; the ending of the file says which it is.

    CSV has a header with the names of labels. JSON and YAML are a list of entries, each with the key among
    its labels, or a mapping from values of the key to labels. Raises ConfigError.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{len(text)} characters are too many (allowed: {MAX_CHARACTERS})", file=str(file))
    rows = _READERS.get(file.suffix.lower(), _yaml_rows)(text, str(file), key)
    entries: dict[str, Mapping[str, str]] = {}
    for line, row in rows:
        value = row.get(key, "")
        if not value:
            raise ConfigError(f'an entry has no "{key}"', file=str(file), line=line)
        if value in entries:
            raise ConfigError(f'two entries have the {key} "{value}"', file=str(file), line=line)
        wanted = labels or [name for name in row if name != key]
        entries[value] = {_checked(name, file, line): row[name] for name in wanted if row.get(name)}
    return entries


def _checked(name: str, file: Path, line: int | None) -> str:
    if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
        allowed = "letters, digits and _, not starting with a digit or __"
        raise ConfigError(f'not a label name: "{name}" ({allowed})', file=str(file), line=line)
    return name


_Rows: TypeAlias = Iterable[tuple[int | None, Mapping[str, str]]]


def _csv_rows(text: str, file: str, key: str) -> _Rows:
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if key not in header:
            raise ConfigError(f'the header has no column "{key}"', file=file, line=1)
        for row in reader:
            if len(row) not in (0, len(header)):
                message = f"{len(row)} columns stand here and {len(header)} in the header"
                raise ConfigError(message, file=file, line=reader.line_num)
            if row:
                yield reader.line_num, dict(zip(header, (cell.strip() for cell in row), strict=True))
    except csv.Error as error:
        raise ConfigError(f"not valid CSV: {error}", file=file, line=reader.line_num) from error


def _json_rows(text: str, file: str, key: str) -> _Rows:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not valid JSON: {error}", file=file) from error
    return _plain_rows(data, file, key)


def _yaml_rows(text: str, file: str, key: str) -> _Rows:
    try:
        data = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - knows nothing but text, lists, mappings
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"not valid YAML: {' '.join(str(error).split())}", file=file) from error
    return _plain_rows(data, file, key)


def _plain_rows(data: Any, file: str, key: str) -> _Rows:
    if isinstance(data, dict):
        data = [
            {key: name, **(labels if isinstance(labels, dict) else {"": labels})}
            for name, labels in data.items()
        ]
    if not isinstance(data, list):
        raise ConfigError("a list of entries is needed, or a mapping from keys to labels", file=file)
    for entry in data:
        if (
            not isinstance(entry, dict)
            or any(isinstance(value, dict | list) for value in entry.values())
            or "" in entry
        ):
            raise ConfigError(f"an entry is no mapping from labels to text: {str(entry)[:80]}", file=file)
        yield None, {str(name): _text(value) for name, value in entry.items()}


def _text(value: Any) -> str:
    """What JSON wrote as a number or a truth is text as well."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _version(file: Path) -> _Version:
    status = file.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


_READERS: Final = {".csv": _csv_rows, ".json": _json_rows, ".yml": _yaml_rows, ".yaml": _yaml_rows}
