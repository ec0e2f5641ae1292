"""What a store offers; whoever reads or writes samples depends on this file alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tocsin.model import Columns, Labels, Matcher, MetricMetadata, SampleBatch, Summaries


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


class SummaryReader(Protocol):
    """What a store knows of samples that it does not keep any more. Any thread may call the methods."""

    def resolution_ms(self, start_ms: int, unit_ms: int) -> int:
        """The resolution of the summaries that a selection from a time on is best answered from.

        0 stands for the samples themselves. Summaries whose resolution divides ``unit_ms`` answer exactly:
        the bounds of all windows are multiples of it.
        """
        ...

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        *,
        resolution_ms: int,
        fields: Sequence[str],
    ) -> list[Summaries]:
        """Summaries of the intervals that end in ``start_ms <= end <= end_ms`` and have samples."""
        ...

    def representatives(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, resolution_ms: int
    ) -> list[Columns]:
        """The last sample of each of these intervals, and staleness markers of series that ended."""
        ...


class Appendable(Protocol):
    """The writing side, for the event loop."""

    async def append(self, batch: SampleBatch) -> None:
        """Store a batch. On return it is durable and visible to queries.

        Raises StorageError when the store cannot write. Queries then see nothing of the batch; after a
        restart they may, because a commit can fail after its log was written. Sending it again does no harm.
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
