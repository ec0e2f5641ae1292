"""StatsD and DogStatsD: lines, mappings, series, and the receiver that stores them."""

from tocsin.receive.statsd.line import Event, ParsedLine, parse_line
from tocsin.receive.statsd.mapping import Mapped, Mapper
from tocsin.receive.statsd.names import escape_name
from tocsin.receive.statsd.receiver import StatsdReceiver

__all__ = ["Event", "Mapped", "Mapper", "ParsedLine", "StatsdReceiver", "escape_name", "parse_line"]
