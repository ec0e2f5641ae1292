"""A store whose samples are enriched, validated, searched for outliers and sampled on their way in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.errors import SamplesRefusedError, StorageError
from tocsin.model import Clock, Columns, Labels, Matcher, MetricMetadata, SampleBatch
from tocsin.storage.interface import Storage
from tocsin.storage.quality.pipeline import Pipeline
from tocsin.storage.quality.report import Report
from tocsin.storage.quality.rules import QualityRules

REFRESH_EVERY_S: Final = 2.0
"""How often it is looked whether a lookup file has changed."""


class QualityStorage:
    """Another store, ``inner``, and the rules for what comes in.

    A sample that a rule drops is stored as far as the sender is concerned. What the rules learn from a batch
    that the store does not take is forgotten, so the batch can be sent again.
    """

    def __init__(self, inner: Storage, rules: QualityRules, clock: Clock, max_series: int) -> None:
        self.inner = inner
        self.report = Report(rules)
        self.pipeline = Pipeline(rules, max_series)
        self._clock = clock

    @property
    def memory_start_ms(self) -> int:
        """From this time on samples are in memory."""
        return self.inner.memory_start_ms

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Columns]:
        """Samples of the series that satisfy all matchers, with ``start_ms <= t <= end_ms``."""
        return self.inner.select(matchers, start_ms, end_ms)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """The label sets that satisfy all matchers and have a sample in the range, sorted."""
        return self.inner.series(matchers, start_ms, end_ms)

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """Type, help and unit by metric family."""
        return self.inner.metadata()

    async def append(self, batch: SampleBatch) -> None:
        """Store what the rules leave of a batch; raises StorageError when the store cannot write."""
        if not len(batch):
            return
        passage = self.pipeline.run(batch, self._clock.now_ms())
        result = passage.result()
        try:
            if len(result):
                await self.inner.append(result)
        except SamplesRefusedError:
            self.report.take(passage.notes, self._clock.now_ms())
            raise
        except StorageError:
            for take_back in reversed(passage.undo):
                take_back()
            raise
        self.report.take(passage.notes, self._clock.now_ms())

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> None:
        """Remember type, help and unit of metric families."""
        self.inner.describe(metadata)

    async def watch(self) -> None:
        """Read lookup files again when they change, until cancelled."""
        while True:
            await self._clock.sleep(REFRESH_EVERY_S)
            if await asyncio.to_thread(self.pipeline.enrichment.refresh):
                self.pipeline.series.rename_all()

    async def close(self) -> None:
        """Close the store."""
        await self.inner.close()


def behind_quality(storage: Storage) -> Storage:
    """The store that samples go to when the rules are through with them."""
    return storage.inner if isinstance(storage, QualityStorage) else storage
