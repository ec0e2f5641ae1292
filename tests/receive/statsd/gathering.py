"""Lines through the whole of the receiver but its sockets, for tests."""

from __future__ import annotations

from collections import Counter as Tally

from tocsin.config import parse_source
from tocsin.config.statsd import StatsdConfig, validate_mapping
from tocsin.model import SampleBatch, is_stale
from tocsin.receive.statsd.intake import MAX_HEADS, Intake
from tocsin.receive.statsd.mapping import Mapper
from tocsin.receive.statsd.registry import SeriesRegistry
from tocsin.receive.statsd.router import Router


class Gathering:
    """Takes lines and shows the series that came of them, and what was counted."""

    def __init__(self, mapping: str = "", *, max_series: int = 10_000, max_heads: int = MAX_HEADS, **router):
        config = validate_mapping(parse_source(mapping, "mapping.yml"))
        self.registry = SeriesRegistry(max_series)
        self.router = Router(
            Mapper(config), self.registry, **{"extra_labels": {}, "keep_client_metrics": False, **router}
        )
        self.now_ms = 0
        self._max_heads = max_heads
        self.intake = self._new_intake()
        self.tally = Tally()

    def _new_intake(self) -> Intake:
        formats = StatsdConfig().tag_formats
        return Intake(self.router, formats, lambda: self.now_ms, max_heads=self._max_heads)

    def take(self, *lines: str | bytes) -> Gathering:
        for line in lines:
            self.intake.take(line if isinstance(line, bytes) else line.encode())
        return self

    def take_as_if_first(self, *lines: bytes) -> Gathering:
        """Take each line as one that was never seen before: the slow way, and an oracle for the fast one."""
        for line in lines:
            self._count()
            self.intake = self._new_intake()
            self.intake.take(line)
        return self

    def _count(self) -> None:
        self.tally += self.intake.counts()

    def flush(self, now_ms: int = 0) -> dict[str, float]:
        """The values of all series, by labels as text."""
        self.now_ms = now_ms
        self._count()
        if self.registry.expire(now_ms):
            self.intake.forget_ended()
        return values_of(self.registry.batch(now_ms))

    def errors(self) -> dict[str, int]:
        self._count()
        return {label: count for (name, label), count in self.tally.items() if name == "errors"}


def values_of(batch: SampleBatch) -> dict[str, float | str]:
    """The samples of a batch by labels as text; a staleness marker shows as ``stale``."""
    pairs = zip(batch.series_index.tolist(), batch.values.tolist(), strict=True)
    return {str(batch.series[index]): "stale" if is_stale(value) else value for index, value in pairs}
