"""Units: from UCUM, which OpenTelemetry writes, to the words that end Prometheus' metric names.

Source: github.com/prometheus/otlptranslator; prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}

_WORDS_AFTER_PER: Final = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}

_FOREIGN_RUN: Final = re.compile(r"[^a-zA-Z0-9:]+")


def unit_name(unit: str, *, utf8_allowed: bool = False) -> str:
    """The unit in words; nothing for a number without a unit and for remarks in braces.

    >>> unit_name("By/s"), unit_name("1"), unit_name("{request}/min")
    ('bytes_per_second', '', 'per_min')
    """
    words = unit_words(unit)
    parts = words if utf8_allowed else tuple(escape_unit(word) for word in words)
    return "_".join(part for part in parts if part).removeprefix("_").removesuffix("_")


def unit_words(unit: str) -> tuple[str, str]:
    """The words for a unit and for what it is counted per, such as ``("bytes", "per_second")``."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    main_word = "" if _is_remark(main) else _WORDS.get(main, main)
    per_word = "" if _is_remark(per) else _WORDS_AFTER_PER.get(per, per)
    return main_word, f"per_{per_word}" if per_word else ""


def escape_unit(word: str) -> str:
    """A unit that may stand in a metric name: runs of other characters become one underscore."""
    return _FOREIGN_RUN.sub("_", word).removeprefix("_")


def _is_remark(part: str) -> bool:
    return "{" in part or "}" in part
