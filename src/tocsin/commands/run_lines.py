"""Lines of JSON that a monitor wrote, read back into samples."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tocsin.errors import ParseError
from tocsin.sdk.lines import number_text
from tocsin.sdk.names import label_text
from tocsin.sdk.outlets.json_lines import FORMAT, VERSION

_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999."""

_NO_NUMBERS: Final = frozenset({"NaN", "+Inf", "-Inf"})


class Samples(NamedTuple):
    """Samples of one time: of each series, with its labels, the value as the text format writes it."""

    time_ms: int
    values: dict[str, str]

    def lines(self) -> str:
        """Them in Prometheus' text format."""
        return "".join(f"{series} {value} {self.time_ms}\n" for series, value in self.values.items())


class RunLineParser:
    r"""Reads the lines of a file in their order.

    >>> parser = RunLineParser()
    >>> parser.parse('{"tocsin_run": 1, "labels": {"run": "a"}}')
    >>> parser.parse('{"time_ms": 7, "values": {"training_loss": 0.5}}').lines()
    'training_loss{run="a"} 0.5 7\n'
    """

    def __init__(self) -> None:
        self._labels: dict[str, str] | None = None
        self._texts: dict[tuple[tuple[str, str], ...], str] = {}

    def parse(self, line: str) -> Samples | None:
        """The samples of a line, or None where it names labels; raises ParseError when it is wrong."""
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ParseError("it is no JSON") from error
        if not isinstance(content, dict):
            raise ParseError("it is no JSON object")
        if FORMAT in content:
            self._labels, self._texts = _header(content), {}
            return None
        if self._labels is None:
            raise ParseError(f'it stands before the line with "{FORMAT}" that names the labels')
        return Samples(_time_ms(content.get("time_ms")), self._values(content))

    def _values(self, content: Mapping[str, Any]) -> dict[str, str]:
        values = content.get("values")
        if not isinstance(values, dict):
            raise ParseError('it has no "values"')
        labels = self._label_text(content.get("labels", {}))
        return {f"{_metric(name)}{labels}": _value(name, value) for name, value in values.items()}

    def _label_text(self, own: Any) -> str:
        key = tuple(_labels(own).items())
        if key not in self._texts:
            self._texts[key] = label_text({**(self._labels or {}), **dict(key)})
        return self._texts[key]


def _header(content: Mapping[str, Any]) -> dict[str, str]:
    if content[FORMAT] != VERSION:
        raise ParseError(f"it is of version {content[FORMAT]!r}, and this tocsin reads version {VERSION}")
    return _labels(content.get("labels"))


def _labels(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        raise ParseError("its labels are no JSON object")
    for name, value in found.items():
        if not _LABEL_NAME.fullmatch(name) or not isinstance(value, str):
            raise ParseError(f'its label "{name[:80]}" is no name with a text')
    return found


def _metric(name: str) -> str:
    if not _METRIC_NAME.fullmatch(name):
        raise ParseError(f'"{name[:80]}" is no name of a metric')
    return name


def _time_ms(found: Any) -> int:
    if type(found) is not int or not 0 <= found <= _LAST_MS:
        raise ParseError(f'its "time_ms" is {str(found)[:40]} (allowed are milliseconds since 1970)')
    return found


def _value(name: str, found: Any) -> str:
    if isinstance(found, str) and found in _NO_NUMBERS:
        return found
    if type(found) in {int, float}:
        try:
            return number_text(found)
        except OverflowError:
            pass
    raise ParseError(f'the value of "{name}" is {str(found)[:40]} (allowed are numbers, NaN, +Inf and -Inf)')
