"""One line of StatsD as events, with tags in four dialects.

DogStatsD writes ``name:1|c|#tag:value``, InfluxDB ``name,tag=value:1|c``, Librato ``name#tag=value:1|c`` and
SignalFx ``name[tag=value]:1|c``. What is taken, refused and repeated is what statsd_exporter takes, refuses
and repeats; so are the reasons by which faults are counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tocsin.config.statsd import EventType, TagFormat
from tocsin.errors import ParseError
from tocsin.receive.statsd.names import escape_name
from tocsin.receive.statsd.numbers import parse_number

ALL_FORMATS: Final = frozenset(TagFormat)

_OBSERVER_TYPES: Final = frozenset({"ms", "h", "d"})
_EVENT_TYPE: Final = {
    "c": EventType.COUNTER,
    "g": EventType.GAUGE,
    **dict.fromkeys(_OBSERVER_TYPES, EventType.OBSERVER),
}
_TIMESTAMP: Final = re.compile(r"[+-]?\d+", re.ASCII)
_CONTAINER: Final = re.compile(r"c:.+")
_OPTION: Final = re.compile(r"@[^:]*|c:.+|T[^:]*")
_CONTAINER_LABEL: Final = "container_id"
_MAX_COMPONENTS: Final = 8
_MS_PER_S: Final = 1000.0

# A line of thirty bytes must not stand for a billion observations.
_MAX_COUNT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """One report: ``value`` is what was written over ``divisor``, and an observer saw it ``count`` times.

    ``relative`` says that a gauge moves by the value. Timers are in seconds.
    """

    type: EventType
    name: str
    value: float
    labels: Mapping[str, str]
    relative: bool = False
    count: int = 1
    divisor: float = 1.0


@dataclass(slots=True)
class ParsedLine:
    """The events of a line, the reasons of its faults, and how many samples it holds.

    ``is_timed`` says that it carries a time of its own, so that no other line will be like it.
    """

    events: list[Event] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    sample_count: int = 0
    is_timed: bool = False


class LineError(ParseError):
    """A sample or a line is refused; ``reason`` is the label by which that is counted."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"a line of StatsD is refused: {reason}")


def parse_line(raw: bytes, formats: frozenset[TagFormat] = ALL_FORMATS) -> ParsedLine:
    """Read one line, without its newline; whatever is wrong with it stands in ``faults``, nothing is raised.

    >>> [event] = parse_line(b"latency:320|ms|@0.5|#site:a").events
    >>> event.type.value, event.name, event.value, event.count, event.labels
    ('observer', 'latency', 0.32, 2, {'site': 'a'})
    """
    parsed = ParsedLine()
    if raw:
        try:
            _Reader(parsed, formats).read(raw)
        except LineError as error:
            parsed.faults.append(error.reason)
    return parsed


class _Reader:
    """Reads one line into its result; the labels of a line belong to all of its samples."""

    def __init__(self, parsed: ParsedLine, formats: frozenset[TagFormat]) -> None:
        self._parsed = parsed
        self._formats = formats
        self._labels: dict[str, str] = {}
        self._name = ""

    def read(self, raw: bytes) -> None:
        """Add all that a line holds; raises LineError when none of it can be taken."""
        written_name, rest = _split_name(raw)
        self._name = self._take_name(written_name)
        has_tags = "|#" in rest
        if has_tags and self._labels:
            raise LineError("mixed_tagging_styles")
        for sample in _samples(rest, has_tags=has_tags):
            self._parsed.sample_count += 1
            try:
                self._take_sample(sample)
            except LineError as error:
                self._parsed.faults.append(error.reason)

    def _take_name(self, name: str) -> str:
        """Cut the tags out of a name."""
        if TagFormat.SIGNALFX in self._formats:
            start, end = name.find("["), name.find("]")
            if start >= 0 and end >= 0:
                self._take_tags(name[start + 1 : end].split(","), "=")
                return name[:start] + name[end + 1 :]
            if start >= 0 or end >= 0:
                self._parsed.faults.append("malformed_tag")
                return name
        at = min((at for mark in self._tag_marks() if (at := name.find(mark)) >= 0), default=None)
        if at is None:
            return name
        self._take_tags(name[at + 1 :].split(","), "=")
        return name[:at]

    def _tag_marks(self) -> Iterable[str]:
        if TagFormat.LIBRATO in self._formats:
            yield "#"
        if TagFormat.INFLUXDB in self._formats:
            yield ","

    def _take_tags(self, tags: list[str], separator: str) -> None:
        """Note tags; an empty one behind the last comma is forgiven, any other without a value is counted."""
        if not tags[-1]:
            tags = tags[:-1]
        for tag in tags:
            name, _, value = tag.partition(separator)
            if name and value:
                self._labels[escape_name(name)] = value
            else:
                self._parsed.faults.append("malformed_tag")

    def _take_sample(self, sample: str) -> None:
        written, *components = sample.split("|")
        if not 1 <= len(components) < _MAX_COMPONENTS or "" in components[1:]:
            raise LineError("malformed_component")
        written_type = components[0]
        value = _value(written)
        rate = 1.0
        for component in components[1:]:
            rate = self._take_option(component, rate)
        event_type = _EVENT_TYPE.get(written_type)
        if event_type is None:
            raise LineError("illegal_event")
        self._add_event(event_type, written_type, written, value, rate)

    def _take_option(self, component: str, rate: float) -> float:
        """Note what one part behind the type says; gives the sampling rate from here on."""
        match component[0]:
            case "@":
                return self._sampling_rate(component[1:])
            case "#":
                if TagFormat.DOGSTATSD in self._formats:
                    self._take_tags([tag.removeprefix("#") for tag in component[1:].split(",")], ":")
            case "c":
                self._take_container(component)
            case "T":
                self._take_timestamp(component[1:])
            case _:
                raise LineError("invalid_sample_factor")
        return rate

    def _sampling_rate(self, written: str) -> float:
        """A rate; one that is no number is counted, and 0 and it stand for 1."""
        try:
            return parse_number(written) or 1.0
        except ValueError:
            self._parsed.faults.append("invalid_sample_factor")
            return 1.0

    def _take_container(self, component: str) -> None:
        if not component.startswith("c:") or len(component) == len("c:"):
            raise LineError("malformed_container_id")
        self._labels[_CONTAINER_LABEL] = component[len("c:") :]

    def _take_timestamp(self, written: str) -> None:
        """Leave a sender's time aside: every sample gets the time of its flush."""
        self._parsed.is_timed = True
        if not _TIMESTAMP.fullmatch(written):
            self._parsed.faults.append("malformed_timestamp")

    def _add_event(
        self, event_type: EventType, written_type: str, written: str, value: float, rate: float
    ) -> None:
        divisor, count = 1.0, 1
        if event_type is EventType.COUNTER:
            divisor = rate
        elif event_type is EventType.OBSERVER:
            divisor = _MS_PER_S if written_type == "ms" else 1.0
            count = _count(rate)
        if count > 0:
            relative = event_type is EventType.GAUGE and written[0] in "+-"
            self._parsed.events.append(
                Event(event_type, self._name, value / divisor, self._labels, relative, count, divisor)
            )


def _split_name(raw: bytes) -> tuple[str, str]:
    """The name with its tags, and what stands behind the first colon."""
    try:
        name, colon, rest = raw.decode().partition(":")
    except UnicodeDecodeError:
        raise LineError("malformed_line") from None
    if not name or not colon:
        raise LineError("malformed_line")
    return name, rest


def _samples(rest: str, *, has_tags: bool) -> list[str]:
    """The samples behind a name: one, or several values of an observer, or several of any type."""
    values, bar, behind = rest.partition("|")
    if not bar:
        raise LineError("not_enough_parts_after_colon")
    if ":" in values:
        if behind.partition("|")[0] not in _OBSERVER_TYPES:
            raise LineError("invalid_extended_aggregate_type")
        return [f"{value}|{behind}" for value in values.split(":")]
    return [rest] if has_tags or _names_container(behind) else rest.split(":")


def _names_container(behind: str) -> bool:
    """Whether the colon belongs to a container, as in ``1|c|c:web-1``, and not to a second sample."""
    options = behind.split("|")[1:]
    return any(map(_CONTAINER.fullmatch, options)) and all(map(_OPTION.fullmatch, options))


def _value(written: str) -> float:
    try:
        return parse_number(written)
    except ValueError:
        raise LineError("malformed_value") from None


def _count(rate: float) -> int:
    """How many observations one stands for; none where the rate makes no sense."""
    exact = 1 / rate
    if not abs(exact) <= _MAX_COUNT:
        raise LineError("invalid_sample_factor")
    return int(exact)
