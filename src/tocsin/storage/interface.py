"""What a store offers; whoever reads or writes samples depends on this file alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tocsin.model import Columns, Labels, Matcher, MetricMetadata, SampleBatch


class Queryable(Protocol):
    """The reading side. Every method may be called from any thread and sees a consistent state."""

    @property
    def memory_start_ms(self) -> int:
        """From this time on samples are in memory: selecting them waits for no disk and no network."""
        ...

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Columns]:
        """Samples of the series that satisfy all matchers, with ``start_ms <= t <= end_ms``.

        Each series stands in exactly one block; a series without samples in the range is left out.
        The number of blocks is small whatever the number of series.
        """
        ...

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """The label sets that satisfy all matchers and have a sample in the range, sorted."""
        ...

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """Type, help and unit by metric family."""
        ...


class Appendable(Protocol):
    """The writing side, for the event loop."""

    async def append(self, batch: SampleBatch) -> None:
        """Store a batch. On return it is durable and visible to queries.

        Raises StorageError when the store cannot write; nothing of the batch is then kept.
        """
        ...

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> None:
        """Remember type, help and unit of metric families; the latest word counts."""
        ...


class Storage(Queryable, Appendable, Protocol):
    """Both sides, and the end."""

    async def close(self) -> None:
        """Finish pending writes and release files."""
        ...
