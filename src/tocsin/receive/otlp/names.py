"""Names of metrics and labels: from OpenTelemetry's to Prometheus'.

Source: github.com/prometheus/otlptranslator, whose results and error messages these are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.errors import ParseError
from tocsin.receive.otlp.units import escape_unit, unit_words

_TOKEN: Final = re.compile(r"[a-zA-Z0-9:]+")
_TOKEN_WITH_UNDERSCORES: Final = re.compile(r"[a-zA-Z0-9:_]+")
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9]")
_FOREIGN_RUN: Final = re.compile(r"[^a-zA-Z0-9]+")
_RESERVED: Final = re.compile(r"__(.*)__", re.DOTALL)
_DIGITS: Final = tuple("0123456789")


class MetricKind(StrEnum):
    """What a metric is to OpenTelemetry, as far as its name depends on it."""

    GAUGE = "gauge"
    MONOTONIC_COUNTER = "monotonic_counter"
    NON_MONOTONIC_COUNTER = "non_monotonic_counter"
    HISTOGRAM = "histogram"
    EXPONENTIAL_HISTOGRAM = "exponential_histogram"
    SUMMARY = "summary"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MetricNamer:
    """Translates names of metrics.

    ``utf8_allowed`` leaves characters as they are, ``with_suffixes`` ends names in unit and type, and
    ``namespace`` stands before each name.
    """

    namespace: str = ""
    utf8_allowed: bool = False
    with_suffixes: bool = True

    def name(self, name: str, unit: str = "", kind: MetricKind = MetricKind.UNKNOWN) -> str:
        """Translate a name; raises ParseError when nothing of it is left.

        >>> MetricNamer().name("http.server.duration", "ms", MetricKind.HISTOGRAM)
        'http_server_duration_milliseconds'
        """
        if self.utf8_allowed:
            return _checked(name, self._readable(name, unit, kind))
        escaped = self._suffixed(name, unit, kind) if self.with_suffixes else self._escaped(name)
        return _checked(name, escaped)

    def _readable(self, name: str, unit: str, kind: MetricKind) -> str:
        full = f"{self.namespace}_{name}" if self.namespace else name
        return _with_suffixes(full, unit, kind) if self.with_suffixes else full

    def _escaped(self, name: str) -> str:
        escaped = _joined(_TOKEN_WITH_UNDERSCORES, name)
        if self.namespace:
            return f"{_joined(_TOKEN_WITH_UNDERSCORES, self.namespace)}_{escaped}"
        return _not_a_digit_first(escaped)

    def _suffixed(self, name: str, unit: str, kind: MetricKind) -> str:
        tokens = _with_unit_tokens(_TOKEN.findall(name), unit)
        word = _kind_word(unit, kind)
        if word:
            tokens = [*(token for token in tokens if token != word), word]
        if self.namespace:
            tokens = [self.namespace, *tokens]
        return _not_a_digit_first("_".join(tokens))


@dataclass(frozen=True, slots=True)
class LabelNamer:
    """Translates names of attributes.

    ``utf8_allowed`` leaves them as they are. Otherwise ``prefix_leading_underscore`` puts ``key`` before a
    name that begins with one underscore, and ``keep_multiple_underscores`` does not merge them into one.
    """

    utf8_allowed: bool = False
    prefix_leading_underscore: bool = False
    keep_multiple_underscores: bool = False

    def name(self, label: str) -> str:
        """Translate a name; raises ParseError when nothing but underscores is left.

        >>> LabelNamer().name("http.status_code"), LabelNamer().name("2xx")
        ('http_status_code', 'key_2xx')
        """
        if not label:
            raise ParseError("label name is empty")
        if self.utf8_allowed:
            if not label.strip("_"):
                raise ParseError(f'label name "{label}" contains only underscores')
            return label
        name = self._escaped(label)
        if not name.strip("_"):
            raise ParseError(f'normalization for label name "{label}" resulted in invalid name "{name}"')
        return self._prefixed(name)

    def _escaped(self, label: str) -> str:
        if self.keep_multiple_underscores:
            return _FOREIGN.sub("_", label)
        reserved = _RESERVED.fullmatch(label)
        if reserved:
            return f"__{_FOREIGN_RUN.sub('_', reserved[1])}__"
        return _FOREIGN_RUN.sub("_", label)

    def _prefixed(self, name: str) -> str:
        if name.startswith(_DIGITS):
            return f"key_{name}"
        is_private = name.startswith("_") and not name.startswith("__")
        return f"key{name}" if is_private and self.prefix_leading_underscore else name


def _checked(name: str, translated: str) -> str:
    if not translated:
        raise ParseError(f'normalization for metric "{name}" resulted in empty name')
    if translated != name and not translated.strip("_"):
        raise ParseError(f'normalization for metric "{name}" resulted in invalid name "{translated}"')
    return translated


def _joined(token: re.Pattern[str], name: str) -> str:
    return "_".join(token.findall(name))


def _not_a_digit_first(name: str) -> str:
    return f"_{name}" if name.startswith(_DIGITS) else name


def _kind_word(unit: str, kind: MetricKind) -> str:
    """The word that the type of a metric adds to its name."""
    if kind is MetricKind.MONOTONIC_COUNTER:
        return "total"
    return "ratio" if kind is MetricKind.GAUGE and unit == "1" else ""


def _with_unit_tokens(tokens: Sequence[str], unit: str) -> list[str]:
    """Add the words of the unit that are not yet there."""
    main, per = (escape_unit(word) for word in unit_words(unit))
    main = "" if main in tokens else main
    per = "" if per == "per_" else per.removesuffix("_")
    per = "" if per in tokens else per
    main = main.removesuffix("_") if per else main
    return [*tokens, *(word for word in (main, per) if word)]


def _with_suffixes(name: str, unit: str, kind: MetricKind) -> str:
    """Add the words of unit and type behind a name of any characters, and those that it ends in only once."""
    main, per = unit_words(unit)
    outer = [word for word in (_kind_word(unit, kind), per) if word]
    for word in outer:
        name = _without_word(name, word)
    if main and not name.endswith(main):
        name = f"{name}_{main}"
    return "_".join([name, *reversed(outer)])


def _without_word(name: str, word: str) -> str:
    """Take a word off the end, and the character before it, unless nothing would be left."""
    is_longer = len(name) > len(word) + 1
    return name[: -len(word) - 1] if name.endswith(word) and is_longer else name
