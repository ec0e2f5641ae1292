"""From a StatsD name to a metric and labels, by the mappings of a statsd_exporter file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.config.statsd import EventType, MatchType, StatsdMapping, StatsdMappingConfig
from tocsin.model.regex import Pattern, compile_regex, expand
from tocsin.receive.statsd.globs import GlobTree

_REFERENCE: Final = re.compile(r"\$\{?([a-zA-Z0-9_$]+)\}?", re.ASCII)

# A name comes from the network, and a tree is walked by recursion.
_MAX_FIELDS: Final = 100
_MAX_DIGITS: Final = len(str(_MAX_FIELDS))


@dataclass(frozen=True, slots=True)
class Mapped:
    """The mapping that counts for a name, with the name and the labels that it gives."""

    mapping: StatsdMapping
    name: str
    labels: Mapping[str, str]


class Mapper:
    """Finds mappings: globs first, whatever their place in the file, then regular expressions in order.

    The configuration is a resolved one (:meth:`StatsdMappingConfig.resolved`).
    """

    def __init__(self, config: StatsdMappingConfig) -> None:
        self.defaults = config.defaults
        self._mappings = config.mappings
        self._trees = {event_type: GlobTree() for event_type in EventType}
        self._patterns: list[tuple[StatsdMapping, Pattern]] = []
        for number, mapping in enumerate(config.mappings):
            self._add(number, mapping)

    def _add(self, number: int, mapping: StatsdMapping) -> None:
        if mapping.match_type is MatchType.REGEX:
            pattern = compile_regex(mapping.match, dot_takes_newlines=False)
            self._patterns.append((mapping, pattern))
            return
        for event_type, tree in self._trees.items():
            if mapping.match_metric_type in {None, event_type}:
                tree.add(mapping.match, number)

    def find(self, name: str, event_type: EventType) -> Mapped | None:
        """What a name is mapped to, or None; the name that comes out may be empty."""
        return self._find_glob(name, event_type) or self._find_regex(name, event_type)

    def _find_glob(self, name: str, event_type: EventType) -> Mapped | None:
        if name.count(".") >= _MAX_FIELDS:
            return None
        ordered = not self.defaults.glob_disable_ordering
        found = self._trees[event_type].find(name, ordered=ordered)
        if found is None:
            return None
        number, stars = found
        mapping = self._mappings[number]
        labels = {label: _filled(template, stars) for label, template in mapping.labels.items()}
        return Mapped(mapping, _filled(mapping.name, stars), labels)

    def _find_regex(self, name: str, event_type: EventType) -> Mapped | None:
        for mapping, pattern in self._patterns:
            if mapping.match_metric_type not in {None, event_type}:
                continue
            match = pattern.search(name)
            if match is not None:
                labels = {label: expand(template, match) for label, template in mapping.labels.items()}
                return Mapped(mapping, expand(mapping.name, match), labels)
        return None


def _filled(template: str, stars: Sequence[str]) -> str:
    """Fill ``$1`` and ``${1}`` with what the stars stand for; any other reference is empty."""

    def value(reference: re.Match[str]) -> str:
        number = reference[1].lstrip("0")
        is_known = number.isdigit() and len(number) <= _MAX_DIGITS and int(number) <= len(stars)
        return stars[int(number) - 1] if is_known else ""

    return _REFERENCE.sub(value, template) if "$" in template else template
